"""Which methods differ: paired tests over images and categories, average ranks, their figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, floor, log2
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.comparison import Comparison, Table, comparisons, read_rows
from benchmarks.metrics import METRICS, auroc
from benchmarks.palette import CHARACTER, LOOK, SINGLE, new_figure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.floating[Any]]

LEVEL = 0.05
"""Chance of calling any pair of a family different where none is."""

RANKED = ("image_auroc", "pixel_auroc", "aupro_30")
"""Metrics whose average ranks are drawn."""

_DIGITS = 12  # what is left of a difference when floating-point noise is taken off


@dataclass(frozen=True)
class Pair:
    """Two methods compared on the same images, or on the same categories.

    Attributes:
        first: a method.
        second: another one.
        difference: first − second on the metric's own scale: of AUROC, or the median difference.
        effect: in [-1, 1], positive where the first is better: the difference of AUROC, or the
            matched-pairs rank-biserial correlation.
        p_value: two-sided; None where the test can't tell.
        holm: the same, corrected for all pairs of the family.
    """

    first: str
    second: str
    difference: float
    effect: float
    p_value: float | None
    holm: float | None = None

    @property
    def significant(self) -> bool:
        """Whether they differ at `LEVEL` after Holm's correction."""
        return self.holm is not None and self.holm < LEVEL

    @property
    def worse(self) -> str | None:
        """The method that is significantly worse, None where neither is."""
        if not self.significant or self.effect == 0:
            return None
        return self.second if self.effect > 0 else self.first


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values (K,) corrected for being K, by Holm's step-down method (1979)."""
    p_values = np.asarray(p_values, float)
    order = p_values.argsort(kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(p_values.size, 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def _corrected(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Fill in Holm's correction; a family with an untestable pair has none."""
    p_values = [pair.p_value for pair in pairs if pair.p_value is not None]
    if len(p_values) < len(pairs):
        return tuple(pairs)
    corrected = holm(p_values).tolist()
    return tuple(replace(pair, holm=p) for pair, p in zip(pairs, corrected, strict=True))


def _placements(labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats] | None:
    """Return the share of the other class that each anomalous, and each normal image beats.

    By midranks, in O(N log N). None where a class has fewer than two images: no variance.
    """
    from scipy.stats import rankdata

    anomalous, scores = np.asarray(labels) == 1, np.asarray(scores)
    positives, negatives = scores[anomalous], scores[~anomalous]
    if min(positives.size, negatives.size) < 2:
        return None
    ranks = rankdata(scores)
    beaten = (ranks[anomalous] - rankdata(positives)) / negatives.size
    beating = (ranks[~anomalous] - rankdata(negatives)) / positives.size
    return beaten, 1 - beating


def _variance(placements: tuple[Floats, Floats]) -> float:
    return float(sum(part.var(ddof=1) / part.size for part in placements))


def delong_variance(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the variance of the AUROC over draws of the test images; None below two of a class.

    (DeLong, DeLong & Clarke-Pearson, Biometrics 1988, in the form of Sun & Xu, IEEE Signal
    Processing Letters 2014.)

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        scores: (N,), higher is more anomalous, on any scale.
    """
    placements = _placements(labels, scores)
    return None if placements is None else _variance(placements)


def delong_interval(labels: ArrayLike, scores: ArrayLike) -> tuple[float, float] | None:
    """Return a 95 % interval of the AUROC, symmetric on the logit scale; None as the variance.

    On that scale it keeps its coverage near 1 and stays within [0, 1]. It has no width where the
    classes are perfectly separated: the images then say nothing of how nearly they were not.
    Arguments and errors as `benchmarks.metrics.auroc`.
    """
    from scipy.special import expit, logit
    from scipy.stats import norm

    area, variance = auroc(labels, scores), delong_variance(labels, scores)
    if variance is None:
        return None
    if area in {0, 1}:
        return area, area
    reach = norm.isf(LEVEL / 2) * np.sqrt(variance) / (area * (1 - area))
    return float(expit(logit(area) - reach)), float(expit(logit(area) + reach))


def paired_delong(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> float | None:
    """Return the two-sided p value of equal AUROCs on the same images; None as the variance.

    1 where the methods rank all images alike.

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        first: one method's image scores, (N,).
        second: the other's, of the same images, (N,).
    """
    from scipy.stats import norm

    ones, others = _placements(labels, first), _placements(labels, second)
    if ones is None or others is None:
        return None
    # From the differences, not from two variances less twice a covariance, which cancel.
    differences = (ones[0] - others[0], ones[1] - others[1])
    difference, variance = float(differences[0].mean()), _variance(differences)
    if abs(difference) < 10**-_DIGITS:
        return 1.0
    return float(2 * norm.sf(abs(difference) / np.sqrt(variance))) if variance else 0.0


def compare_images(labels: ArrayLike, scores: Mapping[str, Floats]) -> tuple[Pair, ...]:
    """Return all pairs of methods by their AUROC on the same images, Holm-corrected.

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        scores: method → image scores, (N,).
    """
    areas = {method: auroc(labels, own) for method, own in scores.items()}
    pairs = []
    for first, second in combinations(scores, 2):
        difference = areas[first] - areas[second]
        p_value = paired_delong(labels, scores[first], scores[second])
        pairs.append(Pair(first, second, difference, difference, p_value))
    return _corrected(pairs)


def fewest_categories(methods: int) -> int:
    """Return how many categories it takes to tell any pair of so many methods apart, two or more.

    C differences of one sign have p = 2 / 2**C, which Holm multiplies by the number of pairs.
    """
    return floor(log2(comb(methods, 2) / LEVEL)) + 2


def signed_rank(differences: ArrayLike) -> tuple[float, float]:
    """Return the rank-biserial correlation and p value of Wilcoxon's signed-rank test.

    Zeros are dropped. The p value is exact with ties too: over all signs of the differences, with
    midranks (SciPy's is exact without ties only). Differences that are all zero give (0, 1).

    Args:
        differences: (C,), one a category.
    """
    from scipy.stats import rankdata

    differences = np.asarray(differences, float).round(_DIGITS)
    signed = differences[differences != 0]
    ranks = np.rint(2 * rankdata(abs(signed))).astype(int)
    total, positive = int(ranks.sum()), int(ranks[signed > 0].sum())
    if total == 0:
        return 0.0, 1.0
    chance = np.zeros(total + 1)  # of each sum of doubled positive ranks
    chance[0] = 1
    for rank in ranks.tolist():
        chance[rank:] += chance[:-rank]
        chance /= 2
    tail = chance[: min(positive, total - positive) + 1].sum()
    return (2 * positive - total) / total, min(1.0, 2 * float(tail))


def compare_categories(values: Mapping[str, Floats], higher_is_better: bool) -> tuple[Pair, ...]:
    """Return all pairs of methods by their values on the same categories, Holm-corrected.

    Without p values where there are fewer than `fewest_categories`.

    Args:
        values: method → value in each category, (C,).
        higher_is_better: the direction of improvement.
    """
    pairs = []
    for first, second in combinations(values, 2):
        differences = values[first] - values[second]
        effect, p_value = signed_rank(differences if higher_is_better else -differences)
        known = p_value if differences.size >= fewest_categories(len(values)) else None
        pairs.append(Pair(first, second, float(np.median(differences)), effect, known))
    return _corrected(pairs)


def average_ranks(values: Mapping[str, Floats], higher_is_better: bool) -> dict[str, float]:
    """Return each method's rank, 1 the best, ties sharing theirs, averaged over categories.

    Arguments as `compare_categories`; best first.
    """
    from scipy.stats import rankdata

    table = np.array(list(values.values())).round(_DIGITS)  # (methods, categories)
    ranks = rankdata(-table if higher_is_better else table, axis=0).mean(axis=1)
    return dict(sorted(zip(values, ranks.tolist(), strict=True), key=lambda item: item[1]))


def groups(pairs: Sequence[Pair]) -> list[tuple[str, ...]]:
    """Return the largest sets of methods no two of which differ significantly, of two or more."""
    methods = list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))
    alike: dict[str, set[str]] = {method: set() for method in methods}
    for pair in pairs:
        if not pair.significant:
            alike[pair.first].add(pair.second)
            alike[pair.second].add(pair.first)
    cliques: set[frozenset[str]] = set()
    for method in methods:
        cliques |= {clique & alike[method] | {method} for clique in (*cliques, frozenset())}
        cliques = {clique for clique in cliques if not any(clique < other for other in cliques)}
    found = [tuple(filter(clique.__contains__, methods)) for clique in cliques if len(clique) > 1]
    return sorted(found, key=lambda group: [methods.index(method) for method in group])


def complete_values(table: Table) -> dict[str, Floats]:
    """Return method → its value in every category, (C,), of the methods that lack none."""
    values = table.values.iloc[:-1]
    return {str(name): values[name].to_numpy() for name in values if values[name].notna().all()}


def draw_critical_difference(comparison: Comparison) -> Figure:
    """Draw the average ranks, one panel a metric of `RANKED`, groups joined at the right.

    A line joins the methods of a group, each with a dot: no two of them differ significantly.
    """
    values = {
        METRICS[name]: complete_values(comparison.table(name))
        for name in filter(comparison.has, RANKED)
    }
    notes = [_lacking(len(own), len(comparison.categories)) for own in values.values()]
    heights = [
        0.6 if note else 0.6 + 0.17 * len(own)
        for note, own in zip(notes, values.values(), strict=True)
    ]
    caption = comparison.caption(
        "Average rank over the categories (1 is best); lines join methods that do not differ "
        f"(Wilcoxon signed-rank, Holm, {LEVEL:.0%})"
    )
    figure = new_figure(SINGLE, sum(heights), caption)
    panels = figure.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
    for panel, note, (metric, own) in zip(panels, notes, values.items(), strict=True):
        panel.set_title(metric.label, loc="left")
        if note:
            panel.text(0, 0.5, note, va="center", transform=panel.transAxes)
            panel.axis("off")
            continue
        _draw_ranks(panel, own, metric.higher_is_better)
        absent = [method for method in comparison.methods if method not in own]
        but = f"; not in every category: {', '.join(absent)}" if absent else ""
        panel.set_xlabel(fill(f"Average rank{but}", int(SINGLE / CHARACTER)))
    return figure


def _lacking(methods: int, categories: int) -> str:
    """Say what ranks lack, nothing where nothing."""
    if methods < 2:
        return "Ranks need two methods with a value in every category."
    fewest = fewest_categories(methods)
    return "" if categories >= fewest else f"Ranks of {methods} methods need {fewest} categories."


def _draw_ranks(panel: Axes, values: Mapping[str, Floats], higher_is_better: bool) -> None:
    ranks = average_ranks(values, higher_is_better)
    names = list(ranks)
    for row, (method, rank) in enumerate(ranks.items()):
        look = style(method)
        panel.plot(rank, row, look.marker, color=look.colour, markersize=4.5, label=method)
        panel.annotate(f"{rank:.1f}", (rank, row), (5, 0), textcoords="offset points", va="center")
    pairs = compare_categories({name: values[name] for name in names}, higher_is_better)
    across = panel.get_yaxis_transform()
    for place, group in enumerate(groups(pairs)):
        rows = [names.index(method) for method in group]
        at = [1.03 + 0.04 * place] * len(rows)
        panel.plot(at, rows, "o-", color="0.2", transform=across, clip_on=False, markersize=2.5)
    panel.set_yticks(range(len(names)), names)
    panel.set_xticks(range(1, len(names) + 1))
    # Room for the first marker's left half and the last one's number.
    panel.set(xlim=(0.7, 1.1 * len(names) + 0.3), ylim=(len(names) - 0.5, -0.5))
    panel.grid(color="0.9", linewidth=0.5)
    panel.set_axisbelow(True)


def write_critical_difference(run: Path, out: Path) -> list[Path]:
    """Write the figure of average ranks as PNG and SVG, one a protocol; return the paths.

    Raises:
        BenchmarkError: the run has no readable metrics.csv.
        StorageError: the figure can't be written.
    """
    import matplotlib.style

    found = [one for one in comparisons(read_rows(run)) if any(map(one.has, RANKED))]
    paths: list[Path] = []
    with matplotlib.style.context(["default", LOOK]):
        for number, comparison in enumerate(found, start=1):
            suffix = f"-{number}" if len(found) > 1 else ""
            figure = draw_critical_difference(comparison)
            paths += save(figure, out, f"critical_difference{suffix}")
    return paths

"""A verdict on every published value that a run's cells can be set beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.datasets.known import OFFICIAL_COUNTS
from benchmarks.reproduction.figures import DATASET, Figure, figures
from benchmarks.reproduction.tolerance import Tolerance, of_seeds
from benchmarks.results import ResultSet
from benchmarks.results.metrics_csv import MEAN
from benchmarks.results.result_set import Table
from benchmarks.statistics.proportions import Interval, mean_interval

if TYPE_CHECKING:
    import pandas as pd


IntervalsOf = Callable[[Path, Path | None], Mapping[str, Interval]]
"""A cell's scores and maps, None where it kept none → metric → 95 % interval over test images."""


@dataclass(frozen=True)
class Verdict:
    """A published value beside ours, in per cent.

    Attributes:
        figure: what was published.
        backbone: ours.
        image_size: ours, in pixels.
        ours: mean over the seeds.
        deviation: sample standard deviation over the seeds, None for one seed.
        seeds: how many seeds.
        tolerance: how far they may be apart; None where they can't be compared.
        unlike: why they can't, in words; "" where they can.
        resized: how theirs were resized, where ours were otherwise; else "".
    """

    figure: Figure
    backbone: str
    image_size: int
    ours: float
    deviation: float | None
    seeds: int
    tolerance: Tolerance | None
    unlike: str = ""
    resized: str = ""

    @property
    def difference(self) -> float:
        """Ours less what was published, in percentage points."""
        return self.ours - self.figure.value

    @property
    def word(self) -> str:
        """One of `Tolerance.judge`'s, or "not comparable"."""
        return self.tolerance.judge(self.difference) if self.tolerance else "not comparable"

    @property
    def text(self) -> str:
        """The verdict with what it rests on."""
        if self.tolerance is None:
            return f"not comparable ({self.unlike})"
        known = self.tolerance
        parts = [
            f"Δ {self.difference:+z.2f}, tolerance ±{known.without_images:.2f}",
            *([] if known.images is None else [f"with test images ±{known.whole:.2f}"]),
            *self.notes,
        ]
        return f"{self.word} ({'; '.join(parts)})".replace("-", "−")

    @property
    def notes(self) -> list[str]:
        """What the tolerance lacks, and what is known to differ."""
        known = self.tolerance
        if known is None:
            return []
        said = {
            "one seed: spread unknown": known.seeds is None,
            "test images: unknown": known.images is None,
            "so wide that it says little": known.says_little(self.difference),
            f"theirs resized by {self.resized}": bool(self.resized),
        }
        return [note for note, true in said.items() if true]


def verdicts(sets: Sequence[ResultSet], intervals_of: IntervalsOf) -> list[Verdict]:
    """Return a verdict on every published value of which these result sets have one like it.

    A published value is judged beside each result set of its backbone, image size and protocol;
    where there is none of them, but its method was run otherwise, it is not comparable.

    Args:
        sets: of one run.
        intervals_of: `benchmarks.uncertainty.cell_intervals`, called for cells that are judged.

    Raises:
        BenchmarkError: the published numbers, or stored scores or maps, can't be read.
    """
    measured = [
        _Measured(own, cache(intervals_of))
        for one in sets
        if one.dataset == DATASET
        for own in one.apart
    ]
    found: list[Verdict] = []
    for figure in figures() if measured else ():
        having = [one for one in measured if one.has(figure)]
        alike = [one for one in having if not one.unlike(figure)]
        found += [one.verdict(figure) for one in alike or having[:1]]
    return found


@dataclass(frozen=True)
class _Measured:
    """A result set and its tables, each made once."""

    results: ResultSet
    intervals_of: IntervalsOf
    tables: dict[str, Table] = field(default_factory=dict)

    def has(self, figure: Figure) -> bool:
        """Whether there is a value of the published one's method, shots, metric and category."""
        shots = str(self.results.rows["shots"].iloc[0])
        if figure.method not in self.results.methods or shots != str(figure.shots or ""):
            return False
        values = self._table(figure.metric).values
        return figure.category in values.index and not isnan(_entry(values, figure))

    def unlike(self, figure: Figure) -> str:
        """Say why our value can't be compared with a published one, in words; "" where it can."""
        return figure.unlike(self.results) or self._other_images(figure)

    def _other_images(self, figure: Figure) -> str:
        """Say where our images aren't as many as the data set's; "" where they are, or unknown."""
        cells = self.results.cells[self.results.cells["method"] == figure.method]
        if figure.category != MEAN:
            cells = cells[cells["category"] == figure.category]
        columns = ["category", "n_train", "n_test_good", "n_test_defect"]
        for category, *texts in cells[columns].itertuples(index=False):
            counts, official = tuple(map(int, filter(None, texts))), OFFICIAL_COUNTS.get(category)
            wanted = official and (figure.shots or official[0], *official[1:])
            if wanted and len(counts) == len(wanted) and counts != wanted:
                ours, usual = (f"{one[0]} + {sum(one[1:])}" for one in (counts, wanted))
                return f"ours on {ours} images of {category}, not {usual}"
        return ""

    def verdict(self, figure: Figure) -> Verdict:
        """Set our value beside a published one that `has` it."""
        table, count = self._table(figure.metric), len(self.results.methods[figure.method])
        ours = 100 * _entry(table.values, figure)
        deviation = 100 * _entry(table.deviations, figure) if count > 1 else None
        unlike = self.unlike(figure)
        tolerance = None
        if not unlike:
            images = self._reach(figure, lower=figure.value < ours)
            tolerance = Tolerance(of_seeds(deviation, count), images, figure.rounding)
        first = self.results.rows.iloc[0]
        setting = str(first["backbone"]), int(first["image_size"])
        same = first["interpolation"] == figure.interpolation
        resized = "" if same else figure.interpolation.capitalize()
        return Verdict(figure, *setting, ours, deviation, count, tolerance, unlike, resized)

    def _table(self, metric: str) -> Table:
        if metric not in self.tables:
            self.tables[metric] = self.results.table(metric)
        return self.tables[metric]

    def _reach(self, figure: Figure, *, lower: bool) -> float | None:
        """Return how far the interval over test images reaches towards the published value.

        In percentage points from the first seed's value, or from the mean of the categories'.
        """
        categories = self.results.categories if figure.category == MEAN else [figure.category]
        known = [(self._value(figure, one), *self._ends(figure, one)) for one in categories]
        interval = mean_interval(known)
        if interval is None:
            return None
        mean = sum(value for value, _, _ in known) / len(known)
        return 100 * (mean - interval[0] if lower else interval[1] - mean)

    def _ends(self, figure: Figure, category: str) -> Interval | tuple[None, None]:
        """Return the interval over test images of the first seed's value, as far as it is known."""
        place = category, figure.method
        if (path := self.results.scores.get(place)) is None:
            return None, None
        found = self.intervals_of(path, self.results.maps.get(place))
        return found.get(figure.metric, (None, None))

    def _value(self, figure: Figure, category: str) -> float:
        """Return the first seed's value, on the metric's own scale."""
        rows = self.results.rows
        own = (rows["category"] == category) & (rows["method"] == figure.method)
        own &= (rows["metric"] == figure.metric) & (
            rows["seed"] == self.results.methods[figure.method][0]
        )
        return float(rows.loc[own, "value"].iloc[0])


def _entry(frame: pd.DataFrame, figure: Figure) -> float:
    """Return what a table has of a figure's category and method, on the metric's own scale."""
    return float(frame[figure.method].to_numpy(float)[frame.index.tolist().index(figure.category)])

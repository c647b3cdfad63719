"""Tables S1–S6: stored cells arranged as the paper's supplement does, beside published numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from benchmarks.backbones.choice import bare
from benchmarks.metrics import HEADLINE, METRICS
from benchmarks.results import Cell, Published
from benchmarks.results.captions import caption, failures
from benchmarks.results.metrics_csv import MEAN
from benchmarks.results.published import OTHERS
from benchmarks.supplement.material import Material
from benchmarks.supplement.trials import (
    METHODS,
    S6_METHODS,
    SHOT_METHODS,
    SHOTS,
    Settings,
    Trial,
    backbone_trials,
    large_trials,
    main_trials,
    shot_trials,
)
from benchmarks.tables import Sheet
from benchmarks.tables.sheet import Row, Value
from methods import resolve

_LABELS = tuple(METRICS[metric].label for metric in HEADLINE)

_S1_PAPERS = (
    "published values of the same methods are WideResNet50's at 224 px, from SPADE's and PaDiM's "
    "own papers where they report them, else from the PatchCore paper"
)

_S4_PAPER = (
    "published values are the PatchCore paper's, WideResNet101's at 280 px and "
    "DenseNet201+ResNeXt101+WideResNet101's at 320 px"
)

_S5_PAPER = "published values are the PatchCore paper's, WideResNet50's at 224 px"

_S6_PAPER = "published values are the PatchCore paper's, at 224 px"


def s1_s2_s3(material: Material, published: Published) -> list[Sheet]:
    """Return one sheet a metric: categories × methods, the mean last.

    Args:
        material: what was evaluated; published values stand beside mvtec_ad only, and there is no
            mean of a part of the data set.
        published: what the papers report.
    """
    settings, categories = material.settings, material.categories
    results = _Results(material, published)
    trials = main_trials(settings)

    def row(label: str, metric: str) -> Row:
        ours = (
            results.value([trial], label, metric, results.papers.main(method, metric, label))
            for method, trial in trials.items()
        )
        others = (Value(published=results.papers.main(name, metric, label)) for name in OTHERS)
        return Row((label,), (*ours, *others))

    sheets = []
    for name, metric in zip(("S1", "S2", "S3"), HEADLINE, strict=True):
        parts = (categories, results.mean)
        groups = tuple(tuple(row(label, metric) for label in part) for part in parts if part)
        details = [_main_setting(settings), f"seed {settings.seeds[0]}"]
        caption = results.caption([metric], details, trials.values(), groups, _S1_PAPERS)
        sheets.append(Sheet(name, caption, ("category",), METHODS, groups, OTHERS, marks_best=True))
    return sheets


def s4(material: Material, published: Published) -> list[Sheet]:
    """Return one sheet: a group of categories, the mean last, for each large backbone.

    Arguments as `s1_s2_s3`.
    """
    settings, categories = material.settings, material.categories
    results = _Results(material, published)
    trials = large_trials(settings)

    def row(trial: Trial, label: str) -> Row:
        levels = "+".join(map(str, resolve(trial.method).parameters.levels))
        ensemble = trial.backbone == settings.ensemble
        values = (
            results.value(
                [trial],
                label,
                metric,
                results.papers.large(levels, metric, label, ensemble=ensemble),
            )
            for metric in HEADLINE
        )
        setting = f"{bare(trial.backbone)}, levels {levels}, {trial.image_size} px"
        return Row((setting, label), tuple(values))

    labels = [*categories, *results.mean]
    groups = tuple(tuple(row(trial, label) for label in labels) for trial in trials.values())
    named = "patchcore-1; backbones, pyramid levels and image sizes as named"
    details = [named, f"seed {settings.seeds[0]}"]
    caption = results.caption(HEADLINE, details, trials.values(), groups, _S4_PAPER)
    return [Sheet("S4", caption, ("setting", "category"), _LABELS, groups)]


def s5(material: Material, published: Published) -> list[Sheet]:
    """Return one sheet a metric: shots × methods, the mean's group before each category's.

    Arguments as `s1_s2_s3`.
    """
    settings, categories = material.settings, material.categories
    results = _Results(material, published)
    trials = shot_trials(settings)

    def row(label: str, shots: int, metric: str) -> Row:
        values = (
            results.value(
                [trials[method, shots, seed] for seed in settings.seeds],
                label,
                metric,
                *results.papers.few_shot(method, shots, metric, label),
            )
            for method in SHOT_METHODS
        )
        return Row((label, str(shots)), tuple(values))

    sheets = []
    for name, metric in zip(("S5-image", "S5-pixel", "S5-pro"), HEADLINE, strict=True):
        groups = tuple(
            tuple(row(label, shots, metric) for shots in SHOTS)
            for label in (*results.mean, *categories)
        )
        details = ["few nominal training images", _main_setting(settings), _seeds(settings)]
        caption = results.caption([metric], details, trials.values(), groups, _S5_PAPER)
        index = ("category", "shots")
        sheets.append(Sheet(name, caption, index, SHOT_METHODS, groups, marks_best=True))
    return sheets


def s6(material: Material, published: Published) -> list[Sheet]:
    """Return one sheet: backbones × metrics and coresets, the mean's group before each category's.

    Arguments as `s1_s2_s3`.
    """
    settings, categories = material.settings, material.categories
    results = _Results(material, published)
    trials = backbone_trials(settings)
    shown = _labels(settings.backbones)

    def row(label: str, backbone: str) -> Row:
        name = bare(backbone)
        values = (
            results.value(
                [trials[backbone, method]],
                label,
                metric,
                results.papers.by_backbone(name, method, metric, label),
            )
            for metric in HEADLINE
            for method in S6_METHODS
        )
        return Row((label, shown[backbone]), tuple(values))

    groups = tuple(
        tuple(row(label, backbone) for backbone in settings.backbones)
        for label in (*results.mean, *categories)
    )
    columns = tuple(
        f"{label}, {method.removeprefix('patchcore-')} %"
        for label in _LABELS
        for method in S6_METHODS
    )
    details = [
        "PatchCore's coreset at 10 % and 1 %, backbones as named",
        f"{settings.image_size} px",
        f"seed {settings.seeds[0]}",
    ]
    caption = results.caption(HEADLINE, details, trials.values(), groups, _S6_PAPER)
    return [Sheet("S6", caption, ("category", "backbone"), columns, groups)]


@dataclass(frozen=True)
class _Results:
    """What was evaluated, and what may stand beside it; fields as the arguments of `s1_s2_s3`."""

    material: Material
    published: Published

    @property
    def mean(self) -> list[str]:
        """The label of the mean, where there is one."""
        return [MEAN] if self.material.complete else []

    @property
    def papers(self) -> Published:
        """What was published on this data set."""
        return self.published if self.material.dataset == "mvtec_ad" else Published()

    def value(
        self,
        trials: Sequence[Trial],
        label: str,
        metric: str,
        published: float | None,
        published_deviation: float | None = None,
    ) -> Value:
        """Return the mean over `trials`, one a seed, of a category or of all categories' mean.

        One missing, failed or undefined value leaves it absent.
        """
        categories = self.material.categories if label == MEAN else [label]
        found = [[self._cell(trial, category) for category in categories] for trial in trials]
        seeds = [mean for cells in found if (mean := _mean(cells, metric)) is not None]
        whole = len(seeds) == len(trials)
        failed = any(cell and cell.status == "failed" for cells in found for cell in cells)
        return Value(
            100 * fmean(seeds) if whole else None,
            100 * stdev(seeds) if whole and len(seeds) > 1 else None,
            failed and label != MEAN,
            published,
            published_deviation,
        )

    def caption(
        self,
        metrics: Sequence[str],
        details: Sequence[str],
        trials: Iterable[Trial],
        groups: Iterable[Iterable[Row]],
        papers: str,
    ) -> str:
        """Return one line: the metrics, all they depend on, what is published, what failed."""
        labels = ", ".join(METRICS[metric].label for metric in metrics)
        parts = [f"{labels} in % (higher is better) on {self.material.dataset}", *details]
        values = (value for group in groups for row in group for value in row.values)
        if any(value.published is not None for value in values):
            parts += [papers, "difference = ours − published"]
        cells = [
            self._cell(trial, category) for trial in trials for category in self.material.categories
        ]
        failed = sum(cell is not None and cell.status == "failed" for cell in cells)
        return caption(self.material.dataset, [*parts, *failures(failed)])

    def _cell(self, trial: Trial, category: str) -> Cell | None:
        return self.material.stored(trial).get(category)


def _labels(backbones: Sequence[str]) -> dict[str, str]:
    """Return backbone → its name; where two have the same, with what is said in brackets."""
    names = [bare(backbone) for backbone in backbones]
    return {
        backbone: name if names.count(name) == 1 else re.sub(r"=[^\],]*/", "=", backbone)
        for backbone, name in zip(backbones, names, strict=True)
    }


def _mean(cells: Sequence[Cell | None], metric: str) -> float | None:
    """Return the mean of `metric`, None where any cell lacks it."""
    values = [cell.metrics.get(metric) for cell in cells if cell is not None]
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(cells) else None


def _main_setting(settings: Settings) -> str:
    return f"{bare(settings.backbone)}, {settings.image_size} px"


def _seeds(settings: Settings) -> str:
    seeds = ", ".join(map(str, settings.seeds))
    several = len(settings.seeds) > 1
    return f"mean ± standard deviation over seeds {seeds}" if several else f"seed {seeds}"

"""Tables S1–S6: stored cells arranged as the paper's supplement does, beside published numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from benchmarks.backbones.choice import without_overrides
from benchmarks.metrics.definitions import HEADLINE, METRICS
from benchmarks.reproduction.published_values import DATASET
from benchmarks.results.captions import caption, failures, seeds_label
from benchmarks.results.published import OTHERS, Published
from benchmarks.supplement import trials as needed
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.trials import METHODS, PADIM_STAR, S6_METHODS, SHOT_METHODS, SHOTS, Trial
from benchmarks.tables.comparison import ComparedRow, ComparedValue, Rows, comparison_table
from benchmarks.tables.rendering import TextTable
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


def s1_s2_s3(evaluated: EvaluatedTrials) -> list[TextTable]:
    """Return one table a metric: categories × methods, the mean last.

    Args:
        evaluated: what was evaluated; published values stand beside mvtec_ad only, and there is no
            mean of a part of the data set.

    Raises:
        BenchmarkError: the published numbers can't be read.
    """
    papers, every = _papers(evaluated), needed.s1_trials(evaluated.settings)

    def row(label: str, metric: str, columns: Sequence[str]) -> ComparedRow:
        theirs = {name: papers.main(name, metric, label) for name in (*columns, *OTHERS)}
        ours = (evaluated.compared([every[m]], label, metric, theirs[m]) for m in columns)
        others = (ComparedValue(published=theirs[name]) for name in OTHERS)
        return (label,), (*ours, *others)

    groups = [labels for labels in (evaluated.categories, evaluated.mean) if labels]
    look: Any = {"others": OTHERS, "marks_best": True}
    star = f"{PADIM_STAR}: padim on {without_overrides(evaluated.settings.starred)}"
    tables = []
    for name, metric in zip(("S1", "S2", "S3"), HEADLINE, strict=True):
        columns, stars = ([*every], [star]) if name == "S1" else ([*METHODS], [])
        rows = [[row(label, metric, columns) for label in group] for group in groups]
        details = [evaluated.setting(), *stars, evaluated.seed]
        trials = [every[column] for column in columns]
        text = _caption(evaluated, [metric], details, trials, rows, papers=_S1_PAPERS)
        tables.append(comparison_table(name, text, ("category",), columns, rows, **look))
    return tables


def s4(evaluated: EvaluatedTrials) -> list[TextTable]:
    """Return one table: a group of categories, the mean last, for each large backbone.

    As `s1_s2_s3`.
    """
    papers, trials = _papers(evaluated), needed.large_trials(evaluated.settings)

    def row(trial: Trial, label: str) -> ComparedRow:
        levels = "+".join(map(str, resolve(trial.method).parameters.levels))
        ensemble = trial.backbone == evaluated.settings.ensemble
        theirs = (papers.large(levels, m, label, ensemble=ensemble) for m in HEADLINE)
        setting = f"{without_overrides(trial.backbone)}, levels {levels}, {trial.image_size} px"
        values = map(partial(evaluated.compared, [trial], label), HEADLINE, theirs)
        return (setting, label), tuple(values)

    labels = [*evaluated.categories, *evaluated.mean]
    rows = [[row(trial, label) for label in labels] for trial in trials.values()]
    details = ["patchcore-1; backbones, pyramid levels and image sizes as named", evaluated.seed]
    text = _caption(evaluated, HEADLINE, details, trials.values(), rows, papers=_S4_PAPER)
    return [comparison_table("S4", text, ("setting", "category"), _LABELS, rows)]


def s5(evaluated: EvaluatedTrials) -> list[TextTable]:
    """Return one table a metric: shots × methods, the mean's group before each category's.

    As `s1_s2_s3`.
    """
    papers, trials = _papers(evaluated), needed.shot_trials(evaluated.settings)
    seeds = evaluated.settings.seeds

    def row(label: str, shots: int, metric: str) -> ComparedRow:
        values = (
            evaluated.compared(
                [trials[method, shots, seed] for seed in seeds],
                label,
                metric,
                *papers.few_shot(method, shots, metric, label),
            )
            for method in SHOT_METHODS
        )
        return (label, str(shots)), tuple(values)

    labels = [*evaluated.mean, *evaluated.categories]
    details = ["few nominal training images", evaluated.setting(), seeds_label(seeds)]
    index = ("category", "shots")
    tables = []
    for name, metric in zip(("S5-image", "S5-pixel", "S5-pro"), HEADLINE, strict=True):
        rows = [[row(label, shots, metric) for shots in SHOTS] for label in labels]
        text = _caption(evaluated, [metric], details, trials.values(), rows, papers=_S5_PAPER)
        tables.append(comparison_table(name, text, index, SHOT_METHODS, rows, marks_best=True))
    return tables


def s6(evaluated: EvaluatedTrials) -> list[TextTable]:
    """Return one table: backbones × metrics and coresets, the mean's group before each category's.

    As `s1_s2_s3`.
    """
    papers, settings = _papers(evaluated), evaluated.settings
    trials, names = needed.backbone_trials(settings), _distinct_names(settings.backbones)
    columns = [(metric, method) for metric in HEADLINE for method in S6_METHODS]

    def row(label: str, backbone: str) -> ComparedRow:
        theirs = partial(papers.by_backbone, without_overrides(backbone))
        values = (
            evaluated.compared([trials[backbone, m]], label, metric, theirs(m, metric, label))
            for metric, m in columns
        )
        return (label, names[backbone]), tuple(values)

    labels = [*evaluated.mean, *evaluated.categories]
    titles = [f"{METRICS[metric].label}, {m.removeprefix('patchcore-')} %" for metric, m in columns]
    rows = [[row(label, backbone) for backbone in settings.backbones] for label in labels]
    named = "PatchCore's coreset at 10 % and 1 %, backbones as named"
    details = [named, f"{settings.image_size} px", evaluated.seed]
    text = _caption(evaluated, HEADLINE, details, trials.values(), rows, papers=_S6_PAPER)
    return [comparison_table("S6", text, ("category", "backbone"), titles, rows)]


def _papers(evaluated: EvaluatedTrials) -> Published:
    """Return what was published on this data set."""
    return Published.load() if evaluated.dataset == DATASET else Published()


def _caption(
    evaluated: EvaluatedTrials,
    metrics: Sequence[str],
    details: Sequence[str],
    trials: Iterable[Trial],
    groups: Sequence[Rows],
    *,
    papers: str,
) -> str:
    """Return one line: the metrics, all they depend on, what is published, what failed."""
    labels = ", ".join(METRICS[metric].label for metric in metrics)
    parts = [f"{labels} in % (higher is better) on {evaluated.dataset}", *details]
    values = (value for group in groups for _, row in group for value in row)
    if any(value.published is not None for value in values):
        parts += [papers, "difference = ours − published"]
    failed = evaluated.count_failed(trials, evaluated.categories)
    return caption(evaluated.dataset, [*parts, *failures(failed)])


def _distinct_names(backbones: Sequence[str]) -> dict[str, str]:
    """Return backbone → its name; where two have the same, with what is said in brackets."""
    names = [without_overrides(backbone) for backbone in backbones]
    return {
        backbone: name if names.count(name) == 1 else re.sub(r"=[^\],]*/", "=", backbone)
        for backbone, name in zip(backbones, names, strict=True)
    }

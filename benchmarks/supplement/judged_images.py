"""Test images judged at the F1-optimal threshold, and counts of the errors it makes.

The threshold is each category's own; score ≥ threshold is called anomalous.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from benchmarks.metrics.image import f1_optimal
from benchmarks.results.scores import read_image_scores
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.trials import Trial, main_trials
from benchmarks.tables.rendering import captioned_table

if TYPE_CHECKING:
    import pandas as pd


_KIND = ["method", "category", "defect"]

_NUMBERS = {
    "false_positives": ("false_positive", "sum"),
    "false_negatives": ("false_negative", "sum"),
    "images": ("path", "size"),
}
"""Number that a kind of defect has → the column of images that it is of, and how it counts."""


def judge(evaluated: EvaluatedTrials, trial: Trial, category: str) -> pd.DataFrame | None:
    """Return a cell's test images, judged, a row each; None without scores of both classes.

    Columns: path in the category's folder; label, 0 normal, 1 anomalous; score, held against the
    threshold; category; defect, the folder it lies in: "good", or the kind of defect; threshold;
    false_positive, whether it is normal but called anomalous; false_negative, the reverse.

    Raises:
        BenchmarkError: the scores are unreadable.
    """
    cell = evaluated.stored(trial).get(category)
    if not cell or not cell.scores or not (path := evaluated.run / cell.scores).is_file():
        return None
    images = read_image_scores(path)
    point = f1_optimal(images["label"], images["score"])
    if point is None:
        return None
    anomalous = images["label"] == 1
    wrong = point.misclassified(images["label"].to_numpy(), images["score"].to_numpy())
    return images.assign(
        category=category,
        defect=[PurePosixPath(name).parent.name for name in images["path"]],
        threshold=point.threshold,
        false_positive=wrong & ~anomalous,
        false_negative=wrong & anomalous,
    )


def count_errors(evaluated: EvaluatedTrials) -> pd.DataFrame:
    """Count the errors of every main method that has scores, by category and kind of defect.

    Columns: method, category, defect, false_positives, false_negatives, images.

    Raises:
        BenchmarkError: a file of scores is unreadable.
    """
    import pandas as pd

    judged = [
        images.assign(method=method)
        for method, trial in main_trials(evaluated.settings).items()
        for category in evaluated.categories
        if (images := judge(evaluated, trial, category)) is not None
    ]
    if not judged:
        return pd.DataFrame(columns=[*_KIND, *_NUMBERS])
    return pd.concat(judged).groupby(_KIND, sort=False).agg(**_NUMBERS).reset_index()


def counts_markdown(counts: pd.DataFrame, evaluated: EvaluatedTrials) -> str:
    """Return counts as a captioned Markdown table: a row a kind of defect, a column a method."""
    methods = dict.fromkeys(counts["method"])
    errors: dict[tuple[str, str, int], dict[str, int]] = {}
    for method, category, defect, positives, negatives, images in counts.to_numpy().tolist():
        errors.setdefault((category, defect, images), {})[method] = positives + negatives
    rows = [[*kind, *(known.get(m, "–") for m in methods)] for kind, known in errors.items()]
    subject = "Images misclassified at each category's F1-optimal threshold"
    text = evaluated.caption(subject)
    text += " Errors on good images are false positives, all others false negatives."
    headers = ["category", "defect", "images", *methods]
    return captioned_table(text, headers, rows, labels=2)

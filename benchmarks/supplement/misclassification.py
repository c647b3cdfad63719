"""Test images judged at the F1-optimal threshold, and counts of the errors it makes.

The threshold is each category's own; score ≥ threshold is called anomalous.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from benchmarks.files import as_csv
from benchmarks.metrics import f1_optimal
from benchmarks.results import Cell
from benchmarks.results.scores import read_image_scores
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.trials import main_trials
from benchmarks.tables.rendering import captioned_table


@dataclass(frozen=True)
class JudgedImage:
    """A test image, judged at its category's F1-optimal threshold.

    Attributes:
        category: its category.
        name: its path in the category's folder.
        label: 0 normal, 1 anomalous.
        score: its image score.
        threshold: what the score is held against.
        misclassified: whether it is called what it is not.
    """

    category: str
    name: str
    label: int
    score: float
    threshold: float
    misclassified: bool

    @property
    def defect(self) -> str:
        """The folder it lies in: "good", or the kind of defect."""
        return PurePosixPath(self.name).parent.name

    @property
    def false_positive(self) -> bool:
        """Whether it is normal but called anomalous."""
        return self.label == 0 and self.misclassified

    @property
    def false_negative(self) -> bool:
        """Whether it is anomalous but called normal."""
        return self.label == 1 and self.misclassified


class ErrorCount(NamedTuple):
    """The errors of a method on a category's test images of one kind."""

    method: str
    category: str
    defect: str
    false_positives: int
    false_negatives: int
    images: int


def judge(run: Path, category: str, cell: Cell | None) -> list[JudgedImage]:
    """Return a cell's test images, judged; none without scores of both classes.

    Raises:
        BenchmarkError: the scores are unreadable.
    """
    if cell is None or cell.scores is None or not (path := run / cell.scores).is_file():
        return []
    images = read_image_scores(path)
    point = f1_optimal(images["label"], images["score"])
    if point is None:
        return []
    wrong = point.misclassified(images["label"].to_numpy(), images["score"].to_numpy())
    columns = (images[name].tolist() for name in ("path", "label", "score"))
    return [
        JudgedImage(category, name, label, score, point.threshold, missed)
        for name, label, score, missed in zip(*columns, wrong.tolist(), strict=True)
    ]


def count_errors(evaluated: EvaluatedTrials) -> list[ErrorCount]:
    """Count the errors of every main method that has scores, by category and kind of defect.

    Raises:
        BenchmarkError: a file of scores is unreadable.
    """
    counts = []
    for method, trial in main_trials(evaluated.settings).items():
        for category in evaluated.categories:
            images = judge(evaluated.run, category, evaluated.stored(trial).get(category))
            errors = Counter((i.defect, i.label) for i in images if i.misclassified)
            for defect, count in Counter(image.defect for image in images).items():
                wrong = errors[defect, 0], errors[defect, 1]
                counts.append(ErrorCount(method, category, defect, *wrong, count))
    return counts


def counts_csv(counts: Sequence[ErrorCount]) -> str:
    """Return counts as CSV, a row a method, category and kind of defect."""
    return as_csv([ErrorCount._fields, *counts]).decode()


def counts_markdown(counts: Sequence[ErrorCount], evaluated: EvaluatedTrials) -> str:
    """Return counts as a captioned Markdown table: a row a kind of defect, a column a method."""
    methods = list(dict.fromkeys(count.method for count in counts))
    errors = {count[:3]: count.false_positives + count.false_negatives for count in counts}
    rows = [
        [category, defect, images, *(errors.get((m, category, defect), "–") for m in methods)]
        for category, defect, images in dict.fromkeys(
            (count.category, count.defect, count.images) for count in counts
        )
    ]
    subject = "Images misclassified at each category's F1-optimal threshold"
    text = evaluated.caption(subject)
    text += " Errors on good images are false positives, all others false negatives."
    headers = ["category", "defect", "images", *methods]
    return captioned_table(text, headers, rows, labels=2)

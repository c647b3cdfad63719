"""What the supplement's tables and figures are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from benchmarks.backbones.choice import without_overrides
from benchmarks.results import Cell, captions
from benchmarks.results.metrics_csv import MEAN
from benchmarks.supplement.trials import Cells, Settings, Trial
from benchmarks.tables.comparison import ComparedValue


def complete_mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of values, None where one of them isn't known."""
    values = list(values)
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


@dataclass(frozen=True)
class EvaluatedTrials:
    """What parts are made of.

    Attributes:
        settings: what the supplement is made with.
        cells: what was evaluated.
        categories: what is shown, in this order.
        dataset: its name, "synthetic" for the embedded one.
        complete: whether `categories` are the whole data set; without it there are no means.
        run: the folder of the cells' scores and maps.
    """

    settings: Settings
    cells: Cells
    categories: tuple[str, ...]
    dataset: str
    complete: bool
    run: Path

    def stored(self, trial: Trial) -> Mapping[str, Cell]:
        """Return category → its stored cell of a trial; what was never run is absent."""
        return self.cells.get(trial, {})

    @property
    def mean(self) -> list[str]:
        """The label of the mean over the categories, where there is one."""
        return [MEAN] if self.complete else []

    def members(self, label: str) -> Sequence[str]:
        """Return the categories that a label stands for: itself, or those of the mean."""
        return self.categories if label == MEAN else [label]

    def value(self, trial: Trial, label: str, metric: str) -> float | None:
        """Return a cell's value, or the mean of all; None where any is missing or undefined."""
        cells = map(self.stored(trial).get, self.members(label))
        return complete_mean(cell.metrics.get(metric) if cell else None for cell in cells)

    def compared(
        self,
        trials: Sequence[Trial],
        label: str,
        metric: str,
        published: float | None = None,
        published_deviation: float | None = None,
    ) -> ComparedValue:
        """Return the mean over `trials`, one a seed, in per cent, beside what was published.

        One missing, failed or undefined value leaves it absent; a category's says that it failed.
        """
        values = [self.value(trial, label, metric) for trial in trials]
        mean = complete_mean(values)
        several = mean is not None and len(values) > 1
        return ComparedValue(
            None if mean is None else 100 * mean,
            100 * stdev(value for value in values if value is not None) if several else None,
            label != MEAN and self.count_failed(trials, [label]) > 0,
            published,
            published_deviation,
        )

    def count_failed(self, trials: Iterable[Trial], categories: Sequence[str]) -> int:
        """Return how many cells of some trials failed."""
        cells = (self.stored(trial).get(name) for trial in trials for name in categories)
        return sum(cell is not None and cell.status == "failed" for cell in cells)

    def setting(self, size: str = "") -> str:
        """Return the main backbone and an image size, that of the settings unless given."""
        settings = self.settings
        return f"{without_overrides(settings.backbone)}, {size or settings.image_size} px"

    @property
    def seed(self) -> str:
        """The first seed, in words."""
        return f"seed {self.settings.seeds[0]}"

    def caption(self, subject: str, size: str = "") -> str:
        """Return `subject` with its data set, and `setting` and seed, in one line."""
        parts = [f"{subject} on {self.dataset}", self.setting(size), self.seed]
        return captions.caption(self.dataset, parts)

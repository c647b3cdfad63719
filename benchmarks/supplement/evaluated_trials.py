"""What the supplement's tables and figures are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.backbones.choice import without_overrides
from benchmarks.results import Cell, captions
from benchmarks.results.metrics_csv import MEAN
from benchmarks.supplement.trials import Cells, Settings, Trial


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

    def caption(self, subject: str, sizes: Sequence[int] = ()) -> str:
        """Return `subject` with its data set, backbone, image size and seed, in one line.

        Args:
            subject: what is shown, of which method.
            sizes: sides of the images in pixels, ascending, where they aren't all the settings'.
        """
        size = f"{sizes[0]}–{sizes[-1]}" if sizes else self.settings.image_size
        setting = f"{without_overrides(self.settings.backbone)}, {size} px"
        parts = [f"{subject} on {self.dataset}", setting, f"seed {self.settings.seeds[0]}"]
        return captions.caption(self.dataset, parts)

"""The parts of the supplement: what each needs evaluated, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.supplement import trials
from benchmarks.supplement.planning import Maps, Requests
from benchmarks.supplement.trials import Cells, Settings, Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.tables import Sheet


_TRIALS: dict[str, Callable[[Settings], Iterable[Trial]]] = {
    "S1": lambda settings: trials.main_trials(settings).values(),
    "S2": lambda settings: trials.main_trials(settings).values(),
    "S3": lambda settings: trials.main_trials(settings).values(),
    "S4": lambda settings: trials.large_trials(settings).values(),
    "S5": lambda settings: trials.shot_trials(settings).values(),
    "S6": lambda settings: trials.backbone_trials(settings).values(),
    "figS1": lambda settings: trials.error_trials(settings).values(),
    "figS2": lambda settings: trials.error_trials(settings).values(),
    "figS3": lambda settings: trials.main_trials(settings).values(),
    "figS4": lambda settings: trials.sweep_trials(settings).values(),
    "differences": lambda settings: trials.difference_trials(settings).values(),
}

PARTS = tuple(_TRIALS)

SUPPLEMENT = PARTS[:-1]
"""What is made where nothing is named: all that the paper's supplement has."""

_ERRORS = ("figS1", "figS2")

_MAPS = {
    **dict.fromkeys(("S1", "S2", "S3", "figS3"), Maps(kept="errors")),
    **dict.fromkeys(_ERRORS, Maps(kept="errors", needed="errors")),
}


def requests(part: str, settings: Settings) -> Requests:
    """Return the trials of a part, with the maps that it needs or that are worth keeping."""
    found = dict.fromkeys(_TRIALS[part](settings), _MAPS.get(part, Maps()))
    if part == "differences":
        found[next(iter(found))] = Maps(kept="all", needed="all")
    return found


@dataclass(frozen=True)
class Material:
    """What parts are made of.

    Attributes:
        settings: what the supplement is made with.
        cells: what was evaluated.
        categories: what is shown.
        dataset: its name.
        complete: whether `categories` are the whole data set; without it there are no means.
        run: the folder of the cells' scores and maps.
    """

    settings: Settings
    cells: Cells
    categories: tuple[str, ...]
    dataset: str
    complete: bool
    run: Path

    def tables(self, part: str) -> Iterator[tuple[str, str]]:
        """Yield the names and texts of a part's tables, as Markdown, CSV and LaTeX.

        Raises:
            BenchmarkError: the published numbers, or stored scores or maps, can't be read.
        """
        from benchmarks.supplement import misclassification as judged
        from benchmarks.tables import RENDERERS

        for sheet in self._sheets(part):
            for suffix, render in RENDERERS.items():
                yield f"{sheet.name}.{suffix}", render(sheet)
        if part in _ERRORS:
            counts = judged.count_errors(self.settings, self.cells, self.categories, self.run)
            text = judged.counts_markdown(counts, self.settings, self.dataset)
            yield "errors.md", text
            yield "errors.csv", judged.counts_csv(counts)

    def figures(self, part: str) -> Iterator[tuple[str, Figure]]:
        """Yield the names and figures of a part.

        Raises:
            BenchmarkError: stored scores or maps can't be read.
        """
        from benchmarks.supplement.method_curves import draw_method_curves
        from benchmarks.supplement.misclassified import draw_misclassified
        from benchmarks.supplement.size_sweep import draw_size_sweep

        if part in _ERRORS:
            pages = draw_misclassified(*self._shared, self.run)
            yield from ((name, page) for name, page in pages if name.startswith(part))
        elif part == "figS3":
            yield part, draw_method_curves(*self._shared, self.run)
        elif part == "figS4":
            yield part, draw_size_sweep(*self._shared, self.run)

    def _sheets(self, part: str) -> list[Sheet]:
        from benchmarks.results import Published
        from benchmarks.supplement import tables as sheets
        from benchmarks.supplement.conventions import differences

        if part == "differences":
            return differences(*self._shared, complete=self.complete, run=self.run)
        makers = dict.fromkeys(("S1", "S2", "S3"), sheets.s1_s2_s3)
        makers |= {"S4": sheets.s4, "S5": sheets.s5, "S6": sheets.s6}
        if part not in makers:
            return []
        made = makers[part](*self._shared, complete=self.complete, published=Published.load())
        return [sheet for sheet in made if sheet.name.startswith(part)]

    @property
    def _shared(self) -> tuple[Settings, Cells, tuple[str, ...], str]:
        return self.settings, self.cells, self.categories, self.dataset

"""Where cells are evaluated, and who stores each as soon as it is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from benchmarks.evaluation.device import card_name
from benchmarks.evaluation.job import Evaluated
from benchmarks.execution.progress.tracking import Progress
from benchmarks.execution.workers.tasks import Pool
from benchmarks.results import Cell, Store
from benchmarks.results.journal import Extraction


@dataclass(frozen=True)
class Machine:
    """Where cells are evaluated.

    Attributes:
        device: "cpu", "cuda" or "cuda:N".
        memory: bytes on it for caches and blocks; changes no result; workers take their own.
        pool: workers; None for this process alone.
        raises: whether the first failed cell stops the run.
    """

    device: str
    memory: int
    pool: Pool | None = None
    raises: bool = False

    @property
    def workers(self) -> int:
        """Processes that evaluate cells side by side."""
        return self.pool.workers if self.pool else 1

    @property
    def card(self) -> str:
        """Its GPU's name, for which no CUDA is loaded where workers compute."""
        return self.pool.card if self.pool else card_name(self.device)


@dataclass(frozen=True)
class Recorder:
    """Stores each cell as soon as it is evaluated, and sums up the extractions.

    `place` says where the data set lies, as a hash; `raises` is of `Machine`; `cards` are the GPUs
    that cells were evaluated on; `stored` is called with each cell once it is stored.
    """

    store: Store
    progress: Progress
    place: str = ""
    raises: bool = False
    stored: Callable[[Cell], None] = lambda cell: None
    statuses: list[str] = field(default_factory=list)
    extractions: dict[tuple[str, str], Extraction] = field(default_factory=dict)
    cards: set[str] = field(default_factory=set)

    def take(self, evaluated: Evaluated) -> None:
        """Store a cell, and show it.

        Raises:
            FailedCellError: it is the first to fail, and that is to stop the run.
        """
        stored = evaluated.store(self.store, self.place)
        self.progress.cell(stored)
        evaluated.say_hints()
        self.stored(stored)
        self.cards.update({stored.card["name"]} if stored.card else ())
        first_failure = "failed" not in self.statuses  # others may come while the run is stopping
        self.statuses.append(stored.status)
        if self.raises and first_failure:
            evaluated.raise_failure()

    def note(self, extraction: Extraction) -> None:
        """Keep an extraction, which may be of some images only, for the journal, and show it."""
        key = extraction.category, extraction.backbone
        earlier = self.extractions.get(key, Extraction(*key, 0, 0, 0.0))
        self.extractions[key] = replace(
            extraction,
            images=earlier.images + extraction.images,
            passed=earlier.passed + extraction.passed,
            seconds=earlier.seconds + extraction.seconds,
        )
        self.progress.extracted(extraction)

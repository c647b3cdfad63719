"""A cell to evaluate, a method's prediction, and the evaluated cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from benchmarks.console import say
from benchmarks.errors import FailedCellError
from benchmarks.metrics.calibrated import HeldOut
from benchmarks.results import Cell, Store
from benchmarks.specs import CellSpec
from methods.base import Parameters

Stage = Literal["features", "fit", "score", "measure"]

KeptMaps = Literal["none", "errors", "all"]
"""Which anomaly maps are stored; "errors": of images that the F1-optimal threshold gets wrong, and
of one image of every kind of defect."""


@dataclass(frozen=True)
class Job:
    """A cell to evaluate.

    Attributes:
        spec: everything that its numbers depend on.
        parameters: of the method, which creates it.
        kept_maps: which maps are stored beside the cell.
        needed_maps: which maps a stored cell must have, else it is evaluated again.
        code: hash of the method's code, as the cell notes it.
    """

    spec: CellSpec
    parameters: Parameters
    kept_maps: KeptMaps = "errors"
    needed_maps: KeptMaps = "none"
    code: str = ""


@dataclass(frozen=True)
class Failure:
    """Why a cell can't be had.

    Attributes:
        reason: one line, for whoever runs it.
        traceback: for whoever mends the code; empty where the reason is all there is to know.
    """

    reason: str
    traceback: str = ""


@dataclass(frozen=True)
class Evaluated:
    """A cell and what is stored beside it: scores, maps, and the traceback of its failure.

    Images that were held out have scores of their own.

    `hints` are those of the cell's warnings that are of its method, not of its data.
    """

    cell: Cell
    scores: Sequence[tuple[str, int, float]] = ()
    maps: Mapping[str, np.ndarray[Any, Any]] | None = None
    traceback: str = ""
    hints: Sequence[str] = ()
    held_out: HeldOut | None = None

    def store(self, store: Store, place: str) -> Cell:
        """Store the cell; return it with the paths of its files.

        Args:
            store: where it goes.
            place: where the data set lies, as a hash.
        """
        cell = replace(self.cell, place=place)
        return store.write(cell, self.scores, self.maps, self.traceback, self.held_out)

    def say_hints(self) -> None:
        """Print what its scores and maps make doubtful, a warning each."""
        for line in self.hints:
            say(f"warning: {self.cell.spec.category}: {line}")

    def raise_failure(self) -> None:
        """Stop where the cell failed.

        Raises:
            FailedCellError: it did; the message ends with the traceback.
        """
        if self.cell.status == "failed":
            raise FailedCellError(
                f"--raise stops at {self.cell.spec.label}, the first cell to fail:\n"
                f"{self.traceback or self.cell.error}"
            )


@dataclass(frozen=True)
class Prediction:
    """A fitted method's scores of N test images, its maps post-processed.

    Attributes:
        images: image scores, (N,) float64.
        maps: anomaly maps at the crop's resolution, (N, S, S), float32, or
            float64 where imported maps need it; NaN of a method that makes none.
        fit_seconds: time to fit; None where that isn't known.
        score_seconds: time to score and to post-process the maps, likewise.
        held_out: scores of training images that it wasn't fitted to; None where there are none.
    """

    images: np.ndarray[Any, Any]
    maps: np.ndarray[Any, Any]
    fit_seconds: float | None = None
    score_seconds: float | None = None
    held_out: HeldOut | None = None

    @property
    def has_maps(self) -> bool:
        """Whether the method makes maps."""
        return not bool(np.isnan(self.maps).all())

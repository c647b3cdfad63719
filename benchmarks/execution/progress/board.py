"""The state of a run at one moment, as it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class State:
    """Where one cell is; `text` is a running one's stage, or the result of one that is done."""

    kind: Literal["waiting", "running", "done", "failed", "stored"]
    text: str = ""


@dataclass(frozen=True)
class Board:
    """What is shown of a run at one moment.

    Attributes:
        counts: how far the run is.
        times: how long it has taken and will take.
        running: what runs now.
        states: (category, method) → where its cells are, one for each of their seeds and shots.
    """

    counts: str
    times: str
    running: str
    states: Mapping[tuple[str, str], Sequence[State]]

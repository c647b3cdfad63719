"""Which task is handed out next: a category's images, then its cells, without a barrier."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

ATTEMPTS = 3
"""How often a task is handed out before it is given up because its workers were lost."""

Takes = Literal["both", "images", "cells"]
"""Which tasks a worker can take next."""


class Timed(Protocol):
    """A task of a forecast length; two tasks are never equal."""

    @property
    def seconds(self) -> float:
        """How long it takes."""


T = TypeVar("T", bound=Timed)


@dataclass(frozen=True)
class Portion(Generic[T]):
    """What is to be done of one category.

    Attributes:
        shards: tasks that bring its features, each those of some images; in any order.
        cells: tasks that need the features of all images.
        size: bytes that its features take.
    """

    shards: tuple[T, ...]
    cells: tuple[T, ...]
    size: int = 0

    @property
    def chain(self) -> float:
        """Seconds that it takes at least, however many workers there are."""
        return _longest(self.shards) + _longest(self.cells)


@dataclass
class _OpenPortion(Generic[T]):
    """A portion in work.

    Attributes:
        portion: all of its tasks.
        shards: those that wait, the longest last.
        cells: likewise.
        running: tasks that workers are at.
        extracted: shard that is done → the place where its features are.
        places: where its tasks have run.
    """

    portion: Portion[T]
    shards: list[T]
    cells: list[T]
    running: set[T] = field(default_factory=set)
    extracted: dict[T, str] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)

    @property
    def has_features(self) -> bool:
        """Whether the features of all images have been extracted."""
        return len(self.extracted) == len(self.portion.shards)

    @property
    def is_done(self) -> bool:
        return not (self.shards or self.cells or self.running)


class Scheduler(Generic[T]):
    """Hands out the tasks of many portions; a pretended cluster runs it as a real one does.

    Cells go before images, the longest first, so that what is extracted is used soon. Images go
    first where their category would otherwise end last: where it takes longer, with every worker
    at its service, than all that waits takes when it is shared. Among cells of about the same
    length a worker gets one of a category that its place has worked for.

    Args:
        portions: one a category.
        workers: how many share the work.
        room: bytes that features of portions in work may take; one portion always may.
    """

    def __init__(
        self, portions: Iterable[Portion[T]], workers: int, room: float = math.inf
    ) -> None:
        self._later = deque(sorted(portions, key=lambda portion: portion.chain, reverse=True))
        self._workers, self._room = workers, room
        self._open: list[_OpenPortion[T]] = []
        self._portion_of: dict[T, _OpenPortion[T]] = {}
        self._losses: Counter[T] = Counter()
        self._waiting_seconds = sum(
            task.seconds for portion in self._later for task in (*portion.shards, *portion.cells)
        )

    @property
    def unfinished(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self._open or self._later)

    @property
    def is_wary(self) -> bool:
        """Whether a task of a category in work has lost its worker."""
        return any(task in self._portion_of for task in self._losses)

    def ready(self, place: str = "", takes: Takes = "both") -> T | None:
        """Return what a worker at `place` does next; None where all that it takes must wait."""
        chosen = self._with_cells(place) if takes != "images" else None
        to_extract = self._with_shards() if takes != "cells" else None
        if to_extract and (chosen is None or self._is_urgent(to_extract.portion)):
            chosen = to_extract
        if chosen is None:
            return None
        task = (chosen.cells if chosen.has_features else chosen.shards).pop()
        chosen.running.add(task)
        self._waiting_seconds -= task.seconds
        return task

    def done(self, task: T, place: str = "") -> bool:
        """Note that a task is done; return whether its category's features are whole by it."""
        home = self._portion_of[task]
        home.running.discard(task)
        home.places.add(place)
        if task in home.portion.shards:
            home.extracted[task] = place
        self._close(home)
        return task in home.extracted and home.has_features

    def lost(self, task: T) -> bool:
        """Note that a task's worker was lost; return whether it will be handed out again.

        Where it won't be, it is to be given up.
        """
        home = self._portion_of[task]
        self._losses[task] += 1
        if self._losses[task] == ATTEMPTS:
            return False
        home.running.discard(task)
        self._wait_again(home, task)
        return True

    def give_up(self, task: T) -> list[T]:
        """Note that a task can't be done; return the cells that can't be, either, without it."""
        home = self._portion_of[task]
        home.running.discard(task)
        cells = list[T]()
        if task in home.portion.shards:
            cells = [*home.cells]
            self._waiting_seconds -= sum(left.seconds for left in (*home.shards, *cells))
            home.shards.clear()
            home.cells.clear()
        self._close(home)
        return cells

    def forget(self, place: str) -> None:
        """Note that a place is gone; the shards extracted there are handed out again."""
        for home in self._open:
            home.places.discard(place)
            if home.cells or home.running:
                for task in [task for task, where in home.extracted.items() if where == place]:
                    del home.extracted[task]
                    self._wait_again(home, task)

    def _wait_again(self, home: _OpenPortion[T], task: T) -> None:
        tasks = home.shards if task in home.portion.shards else home.cells
        tasks.append(task)
        tasks.sort(key=_seconds)
        self._waiting_seconds += task.seconds

    def _is_urgent(self, portion: Portion[T]) -> bool:
        return portion.chain * self._workers >= self._waiting_seconds

    def _with_cells(self, place: str) -> _OpenPortion[T] | None:
        def urgency(portion: _OpenPortion[T]) -> tuple[int, bool, float]:
            seconds = portion.cells[-1].seconds
            return math.frexp(seconds)[1], place in portion.places, seconds  # within a factor of 2

        ready = [portion for portion in self._open if portion.has_features and portion.cells]
        return max(ready, key=urgency, default=None)

    def _with_shards(self) -> _OpenPortion[T] | None:
        for portion in self._open:
            if portion.shards:
                return portion
        in_use = sum(opened.portion.size for opened in self._open)
        if self._later and (not self._open or in_use + self._later[0].size <= self._room):
            return self._begin(self._later.popleft())
        return None

    def _begin(self, portion: Portion[T]) -> _OpenPortion[T]:
        shards, cells = sorted(portion.shards, key=_seconds), sorted(portion.cells, key=_seconds)
        begun = _OpenPortion(portion, shards, cells)
        self._portion_of |= dict.fromkeys((*shards, *cells), begun)
        self._open.append(begun)
        return begun

    def _close(self, home: _OpenPortion[T]) -> None:
        if home.is_done and home in self._open:
            self._open.remove(home)
            for task in (*home.portion.shards, *home.portion.cells):
                del self._portion_of[task]  # and so lets what pools keep for a task go


def _longest(tasks: Iterable[Timed]) -> float:
    return max(map(_seconds, tasks), default=0.0)


def _seconds(task: Timed) -> float:
    return task.seconds

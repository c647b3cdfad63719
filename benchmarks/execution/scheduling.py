"""Which task is handed out next: a category's images, then its cells, without a barrier."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

ATTEMPTS = 3
"""How often a task is handed out before it is given up because its workers were lost."""


class Timed(Protocol):
    """Anything that takes a number of seconds, by forecast; told apart by identity."""

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
class _Open(Generic[T]):
    """A portion in work: tasks that wait, the longest last, and where its features were made.

    `images` are the shards, those that are done as well.
    """

    portion: Portion[T]
    shards: list[T]
    cells: list[T]
    images: frozenset[T]
    running: set[T] = field(default_factory=set)
    made: dict[T, str] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)

    @property
    def whole(self) -> bool:
        """Whether the features of all images are there."""
        return len(self.made) == len(self.images)

    @property
    def over(self) -> bool:
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
        self._closed = deque(sorted(portions, key=lambda one: one.chain, reverse=True))
        self._workers, self._room = workers, room
        self._open: list[_Open[T]] = []
        self._home: dict[T, _Open[T]] = {}
        self._losses: Counter[T] = Counter()
        self._waiting = sum(
            task.seconds for one in self._closed for task in (*one.shards, *one.cells)
        )

    @property
    def unfinished(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self._open or self._closed)

    def ready(self, place: str = "") -> T | None:
        """Return what a worker at `place` does next; None where all that is left must wait."""
        chosen, images = self._with_cells(place), self._with_images()
        if images and (chosen is None or self._is_urgent(images.portion)):
            chosen = images
        if chosen is None:
            return None
        task = (chosen.cells if chosen.whole else chosen.shards).pop()
        chosen.running.add(task)
        self._waiting -= task.seconds
        return task

    def done(self, task: T, place: str = "") -> bool:
        """Note that a task is done; return whether its category's features are whole by it."""
        home = self._home[task]
        home.running.discard(task)
        home.places.add(place)
        if task in home.images:
            home.made[task] = place
        self._close(home)
        return task in home.made and home.whole

    def lost(self, task: T) -> bool:
        """Note that a task's worker was lost; return whether it will be handed out again.

        Where it won't be, it is to be given up.
        """
        home = self._home[task]
        self._losses[task] += 1
        if self._losses[task] == ATTEMPTS:
            return False
        home.running.discard(task)
        self._again(home, task)
        return True

    def give_up(self, task: T) -> list[T]:
        """Note that a task can't be done; return the cells that can't be, either, without it."""
        home = self._home[task]
        home.running.discard(task)
        cells = list[T]()
        if task in home.images:
            cells = [*home.cells]
            self._waiting -= sum(one.seconds for one in (*home.shards, *cells))
            home.shards.clear()
            home.cells.clear()
        self._close(home)
        return cells

    def forget(self, place: str) -> None:
        """Note that what was made at a place is gone; shards made there are handed out again."""
        for home in self._open:
            home.places.discard(place)
            if home.cells or home.running:
                for task in [task for task, where in home.made.items() if where == place]:
                    del home.made[task]
                    self._again(home, task)

    def _again(self, home: _Open[T], task: T) -> None:
        tasks = home.shards if task in home.images else home.cells
        tasks.append(task)
        tasks.sort(key=lambda one: one.seconds)
        self._waiting += task.seconds

    def _is_urgent(self, portion: Portion[T]) -> bool:
        return portion.chain * self._workers >= self._waiting

    def _with_cells(self, place: str) -> _Open[T] | None:
        def urgency(one: _Open[T]) -> tuple[int, bool, float]:
            seconds = one.cells[-1].seconds
            return math.frexp(seconds)[1], place in one.places, seconds  # within a factor of 2

        return max(
            (one for one in self._open if one.whole and one.cells), key=urgency, default=None
        )

    def _with_images(self) -> _Open[T] | None:
        for one in self._open:
            if one.shards:
                return one
        in_use = sum(one.portion.size for one in self._open)
        if self._closed and (not self._open or in_use + self._closed[0].size <= self._room):
            return self._begin(self._closed.popleft())
        return None

    def _begin(self, portion: Portion[T]) -> _Open[T]:
        shards, cells = _longest_last(portion.shards), _longest_last(portion.cells)
        begun = _Open(portion, shards, cells, frozenset(shards))
        self._home |= dict.fromkeys((*portion.shards, *portion.cells), begun)
        self._open.append(begun)
        return begun

    def _close(self, home: _Open[T]) -> None:
        if home.over and home in self._open:
            self._open.remove(home)
            for task in (*home.portion.shards, *home.portion.cells):
                del self._home[task]  # and so lets what pools keep for a task go


def _longest(tasks: Iterable[Timed]) -> float:
    return max((task.seconds for task in tasks), default=0.0)


def _longest_last(tasks: Iterable[T]) -> list[T]:
    return sorted(tasks, key=lambda task: task.seconds)

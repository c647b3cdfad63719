"""Intermediate results that the methods of one category share, within a budget of memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar, cast


class Artefact(Protocol):
    """What can be shared: a tensor, an array, or an object that says how large it is."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes; they may grow."""


One = TypeVar("One", bound=Artefact)


class Artefacts:
    """Keeps artefacts by keys that name all that they depend on; drops those unused longest."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], One], limit: int) -> One:
        """Return what is kept under a key; if nothing is, make it, and keep it if there is room.

        Args:
            key: everything that the artefact depends on, beside the features.
            make: makes it.
            limit: bytes that all artefacts may take.
        """
        artefact = cast("One", self._kept.pop(key)) if key in self._kept else make()
        self._kept[key] = artefact
        self.trim(limit)
        return artefact

    def trim(self, limit: int) -> None:
        """Drop the least recently used until the others take no more than `limit` bytes."""
        excess = sum(artefact.nbytes for artefact in self._kept.values()) - limit
        for key, artefact in list(self._kept.items()):
            if excess <= 0:
                return
            del self._kept[key]
            excess -= artefact.nbytes

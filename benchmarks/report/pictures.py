"""The sheets of small pictures that a page carries: each once, as small as they must be."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results.previews import halve, tile_side


@dataclass(frozen=True)
class Sheet:
    """An encoded picture of `count` square tiles, a WebP or a PNG."""

    data: bytes
    count: int

    @property
    def side(self) -> int:
        """Side of its tiles in pixels."""
        return tile_side(self.data, self.count)

    @property
    def text(self) -> str:
        """Its media type and content in base64, joined by a comma."""
        kind = "image/png" if self.data.startswith(b"\x89PNG") else "image/webp"
        return f"{kind},{base64.b64encode(self.data).decode()}"


class Sheets:
    """Sheets by number; the same sheet has the same number, whatever cells stored it."""

    def __init__(self) -> None:
        self._numbers: dict[Sheet, int] = {}

    def add(self, data: bytes, count: int) -> int:
        """Return the number of a sheet."""
        return self._numbers.setdefault(Sheet(data, count), len(self._numbers))

    def all(self) -> list[Sheet]:
        """Return the sheets in the order of their numbers."""
        return list(self._numbers)


def shrunk_to(sheets: Sequence[Sheet], room: int) -> tuple[list[Sheet], int]:
    """Return the sheets with their tiles halved until all texts fit, and how often that was.

    Args:
        sheets: the sheets.
        room: characters that they may take; they take more where tiles can't get smaller.
    """
    kept, times = list(sheets), 0
    while sum(len(sheet.text) for sheet in kept) > room and min(s.side for s in kept) > 1:
        kept = [Sheet(halve(sheet.data, sheet.count), sheet.count) for sheet in kept]
        times += 1
    return kept, times

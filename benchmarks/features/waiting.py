"""One bound on the memory of all that waits for the disk."""

from __future__ import annotations

from threading import Condition

from benchmarks.control_groups import free_memory

SHARE, MOST = 1 / 8, 2 << 30
"""Of free memory, and in bytes, what may wait at most."""


def usual_bound(sharers: int = 1) -> int:
    """Return how many bytes may wait in one of several processes that share this machine."""
    return int(min(SHARE * free_memory(), MOST)) // sharers


class WaitingMemory:
    """Bytes, in pinned and ordinary memory, that wait for the disk: of all categories and splits.

    Args:
        bound: how many may wait. What is larger waits alone.
    """

    def __init__(self, bound: int) -> None:
        self._bound, self._freed = bound, Condition()
        self.bytes = 0

    def take(self, size: int) -> None:
        """Wait until so many bytes more may wait, and count them."""
        with self._freed:
            self._freed.wait_for(lambda: not self.bytes or self.bytes + size <= self._bound)
            self.bytes += size

    def give_back(self, size: int) -> None:
        """Count so many bytes no longer: they are written, or thrown away."""
        with self._freed:
            self.bytes -= size
            self._freed.notify_all()

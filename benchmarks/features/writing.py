"""Writes features to disk in the background, while the next images pass the backbone."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np

from benchmarks.device_memory import ran_out
from benchmarks.errors import StorageError
from benchmarks.features.arrays import ArrayWriter
from methods.lazy import Tensor, torch

AHEAD = {"cpu": 1, "cuda": 16}
"""Batches that may wait for the disk before extraction does."""

PATIENCE = 0.1
"""Seconds between looks at whether a writer that takes nothing has failed."""

Batch = Callable[[], np.ndarray[Any, Any]]


class WriteBehind:
    """Writes a split's levels, each in a thread of its own, which also sums its checksum.

    A context: left without an error the writers close their files once they have written
    everything; else they throw away what they have.

    Args:
        writers: level → its writer, closed here; none where there is no disk to write to.
        device: where the features come from.
    """

    def __init__(self, writers: Mapping[int, ArrayWriter], device: torch.device) -> None:
        self._pool = ThreadPoolExecutor(max(1, len(writers)))
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        ahead = AHEAD["cpu" if self._stream is None else "cuda"]
        self._queues = {level: queue.Queue[Batch | None](ahead) for level in writers}
        self._written = {
            level: self._pool.submit(_write, writer, self._queues[level])
            for level, writer in writers.items()
        }

    def put(self, outputs: Mapping[int, Tensor]) -> None:
        """Take a batch of every level, (n, C, h, w); waits where the disk is far behind.

        A batch for a writer that has failed is dropped; `wait` raises what it failed with.
        """
        if self._queues:
            for level, batch in self._to_host(outputs).items():
                self._offer(level, batch)

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        for level in self._queues:
            self._offer(level, None if kind is None else _fail)
        if kind is not None:
            with suppress(StorageError, _AbandonedError):
                self.wait()

    def check(self) -> None:
        """Raise what a writer has failed with.

        Raises:
            StorageError: something can't be written.
        """
        for written in self._written.values():
            if written.done():
                written.result()

    def wait(self) -> None:
        """Wait until everything lies on disk.

        Raises:
            StorageError: it can't be written.
        """
        self._pool.shutdown()
        for written in self._written.values():
            written.result()

    def _offer(self, level: int, batch: Batch | None) -> None:
        while not self._written[level].done():  # one that failed takes nothing any more
            with suppress(queue.Full):
                self._queues[level].put(batch, timeout=PATIENCE)
                return

    def _to_host(self, outputs: Mapping[int, Tensor]) -> dict[int, Batch]:
        """Start copying to the host, beside the device's other work.

        Returns:
            Level → a function that waits for the copy and returns it.
        """
        if self._stream is None:
            return {level: maps.numpy for level, maps in outputs.items()}
        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
        with torch.cuda.stream(self._stream):
            copies = {level: _copied(maps) for level, maps in outputs.items()}
            copied = self._stream.record_event()
        for maps in outputs.values():
            maps.record_stream(self._stream)  # its memory isn't given away before it is copied

        def ready(level: int) -> Batch:
            def bring() -> np.ndarray[Any, Any]:
                copied.synchronize()
                return copies[level].numpy()

            return bring

        return {level: ready(level) for level in outputs}


def _copied(maps: Tensor) -> Tensor:
    """Return features on the host: in pinned memory, without waiting, where there is some."""
    try:
        return maps.to("cpu", non_blocking=True)
    except RuntimeError as error:
        if not ran_out(error):
            raise
        return torch.empty(maps.shape, dtype=maps.dtype).copy_(maps)


class _AbandonedError(Exception):
    """Extraction stopped before all batches were there, so the files are thrown away."""


def _fail() -> np.ndarray[Any, Any]:
    raise _AbandonedError


def _write(writer: ArrayWriter, batches: queue.Queue[Batch | None]) -> None:
    with writer:
        while (batch := batches.get()) is not None:
            writer.write(batch())

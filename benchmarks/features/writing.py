"""Writes features to disk in the background, while the next images pass the backbone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import numpy as np

from benchmarks.device_memory import ran_out
from benchmarks.errors import StorageError
from benchmarks.features.arrays import ArrayWriter
from benchmarks.features.waiting import WaitingMemory
from methods.lazy import Tensor, torch

Bring = Callable[[], np.ndarray[Any, Any]]

Batch = tuple[int, Bring]
"""How many bytes of memory it takes, and what brings it."""


class WriteBehind:
    """Writes a split's levels, each in a thread of its own, which also sums its checksum.

    A context: left without an error the writers close their files once they have written
    everything; else they throw away what they have.

    Args:
        device: where the features come from.
        waiting: the bound of what waits for the disk.
    """

    def __init__(self, device: torch.device, waiting: WaitingMemory) -> None:
        self._device, self._waiting = device, waiting
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._queues: dict[int, SimpleQueue[Batch | None]] = {}
        self._written: list[Future[None]] = []
        self._failures: list[BaseException] = []
        self._abandoned = threading.Event()

    def begin(self, writers: Mapping[int, ArrayWriter]) -> None:
        """Write what is put from now on.

        Args:
            writers: level → its writer, closed here.
        """
        pool = ThreadPoolExecutor(len(writers))
        self._queues = {level: SimpleQueue() for level in writers}
        self._written = [
            pool.submit(self._write, writer, self._queues[level])
            for level, writer in writers.items()
        ]
        pool.shutdown(wait=False)

    def put(self, outputs: Mapping[int, Tensor]) -> None:
        """Take a batch of every level, (n, C, h, w); waits while too much waits for the disk.

        A batch for a writer that has failed is dropped; `wait` raises what it failed with.
        """
        if not self._queues:
            return
        sizes = {level: self._size(maps) for level, maps in outputs.items()}
        self._waiting.take(sum(sizes.values()))
        try:
            brought = self._to_host(outputs)
        except BaseException:
            self._waiting.give_back(sum(sizes.values()))
            raise
        for level, bring in brought.items():
            self._queues[level].put((sizes[level], bring))

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is not None:
            self._abandoned.set()
        for batches in self._queues.values():
            if kind is not None:
                batches.put((0, _fail))
            batches.put(None)
            batches.put(None)  # one ends what is written, one what is dropped after a failure
        if kind is not None:
            with suppress(StorageError, _AbandonedError):
                self.wait()

    def check(self) -> None:
        """Raise what a writer has failed with.

        Raises:
            StorageError: something can't be written.
        """
        for failure in self._failures:
            raise failure

    def wait(self) -> None:
        """Wait until everything lies on disk.

        Raises:
            StorageError: it can't be written.
        """
        for failure in [written.exception() for written in self._written]:
            if failure is not None:
                raise failure

    def _size(self, maps: Tensor) -> int:
        """Return the bytes that features take on the host: pinned blocks are powers of two."""
        return maps.nbytes if self._stream is None else 1 << (maps.nbytes - 1).bit_length()

    def _write(self, writer: ArrayWriter, batches: SimpleQueue[Batch | None]) -> None:
        try:
            with writer:
                for size, bring in iter(batches.get, None):
                    try:
                        writer.write(_fail() if self._abandoned.is_set() else bring())
                    finally:
                        self._waiting.give_back(size)
        except BaseException as error:
            self._failures.append(error)
            raise
        finally:
            for size, _ in iter(batches.get, None):
                self._waiting.give_back(size)

    def _to_host(self, outputs: Mapping[int, Tensor]) -> dict[int, Bring]:
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

        def ready(level: int) -> Bring:
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

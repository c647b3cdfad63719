"""Writes features to disk in the background, while the next images pass the backbone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from benchmarks.device_memory import ran_out
from benchmarks.features.arrays import ArrayWriter
from benchmarks.features.waiting import WaitingMemory
from methods.lazy import Tensor, torch

Bring = Callable[[], np.ndarray[Any, Any]]


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
        self._writers: dict[int, tuple[ArrayWriter, ThreadPoolExecutor]] = {}
        self._closed: list[Future[None]] = []
        self._failures: dict[int, BaseException] = {}

    def begin(self, level: int, writer: ArrayWriter) -> None:
        """Write what is put of a level from now on; the writer is closed here."""
        self._writers[level] = writer, ThreadPoolExecutor(1)

    def put(self, outputs: Mapping[int, Tensor]) -> None:
        """Take a batch of every level, (n, C, h, w); waits while too much waits for the disk.

        A batch for a writer that has failed is dropped; `wait` raises what it failed with.
        """
        if not self._writers:
            return
        sizes = {level: self._size(maps) for level, maps in outputs.items()}
        self._waiting.take(sum(sizes.values()))
        try:
            brought = self._to_host(outputs)
        except BaseException:
            self._waiting.give_back(sum(sizes.values()))
            raise
        for level, bring in brought.items():
            writer, thread = self._writers[level]
            writing = thread.submit(self._write, level, writer, bring)
            writing.add_done_callback(partial(self._end, level, sizes[level]))

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        for writer, thread in self._writers.values():
            if kind is not None:
                thread.shutdown(cancel_futures=True)
                writer.close(keep=False)
            else:
                self._closed.append(thread.submit(partial(writer.close, keep=True)))
                thread.shutdown(wait=False)

    def check(self) -> None:
        """Raise what a writer has failed with.

        Raises:
            StorageError: something can't be written.
        """
        for failure in self._failures.values():
            raise failure

    def wait(self) -> None:
        """Wait until everything lies on disk.

        Raises:
            StorageError: it can't be written.
        """
        for closing in self._closed:
            closing.result()
        self.check()

    def _size(self, maps: Tensor) -> int:
        """Return the bytes that features take on the host: pinned blocks are powers of two."""
        return maps.nbytes if self._stream is None else 1 << (maps.nbytes - 1).bit_length()

    def _write(self, level: int, writer: ArrayWriter, bring: Bring) -> None:
        if level not in self._failures:
            try:
                writer.write(bring())
            except BaseException:
                writer.close(keep=False)
                raise

    def _end(self, level: int, size: int, writing: Future[None]) -> None:
        self._waiting.give_back(size)
        if not writing.cancelled() and (failure := writing.exception()):
            self._failures[level] = failure

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

        def bring(level: int) -> np.ndarray[Any, Any]:
            copied.synchronize()
            return copies[level].numpy()

        return {level: partial(bring, level) for level in outputs}


def _copied(maps: Tensor) -> Tensor:
    """Return features on the host: in pinned memory, without waiting, where there is some."""
    try:
        return maps.to("cpu", non_blocking=True)
    except RuntimeError as error:
        if not ran_out(error):
            raise
        return torch.empty(maps.shape, dtype=maps.dtype).copy_(maps)

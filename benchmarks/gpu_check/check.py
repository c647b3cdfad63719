"""What the parts of a check share: the card, and on how much it is checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.device import free_memory
from benchmarks.speed.inputs import SCALES, Inputs, Scale
from benchmarks.speed.workload import Workload, workload
from methods.lazy import torch

Row = dict[str, Any]
"""What was seen: name → number, text, or another such dictionary."""


@dataclass
class Check:
    """A check of one card as it goes on, by default in MVTec AD's sizes.

    Attributes:
        device: as "cuda:0".
        folder: for files that nobody needs afterwards.
        end: the time, by `time.monotonic`, after which nothing more is timed.
        memory_as: bytes of the smaller cards that it stands for.
        scale: shapes of random features.
        images: training and test images of categories; the last one is MVTec AD's mean.
        categories: of the embedded set.
        image_size: of these, in pixels.
        queries: numbers of vectors that are bounded together.
        rows: numbers of vectors that they are compared with.
        kept: principal components that are kept of them; all of them last.
        rates: what was measured a second: FLOP by type, bytes as "copy".
    """

    device: str
    folder: Path
    end: float
    memory_as: list[int]
    scale: Scale = SCALES["full"]
    images: tuple[tuple[int, int], ...] = ((391, 110), (240, 115))
    categories: tuple[str, ...] = ("brushed_steel", "circuit_board", "connector", "linen", "washer")
    image_size: int = 64
    queries: tuple[int, ...] = (1, 8, 64, 3136)
    rows: tuple[int, ...] = (4096, 157_000)
    kept: tuple[int, ...] = (32, 128, 512, 1024)
    rates: dict[str, float] = field(default_factory=dict)

    @property
    def pretended(self) -> bool:
        """Whether the card is pretended: it has no driver, no profiler and no speed."""
        return torch.cuda.get_device_name(self.device) == "pretended"

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.end

    def small(self) -> Check:
        """Return the same in sizes for a card without speed."""
        channels = {1: 64, 2: 128, 3: 256, 4: 512}
        scale = Scale("pretended", image_size=64, backbone="resnet18", channels=channels)
        smaller = replace(self, scale=scale, images=((6, 2),), categories=("washer",))
        return replace(smaller, image_size=32, queries=(1, 64), rows=(512,), kept=(32, 128))

    def workload(self, train: int, test: int) -> Workload:
        """Return what gives a category of random features of so many images to the card."""
        scale = replace(self.scale, train=train, test=test)
        return workload(Inputs(scale, "cpu", self.folder), self.device)

    def memory(self, limit: int = 1 << 60) -> int:
        """Return the bytes that a run would use, on a card of at most so many."""
        return min(free_memory(self.device), limit) // 2


Part = Callable[[Check], Iterator[Row]]
"""Yields rows as soon as they are known; raises BenchmarkError where the card is wrong."""


def require(holds: bool, line: str) -> None:
    """Raise BenchmarkError with a line unless something holds."""
    if not holds:
        raise BenchmarkError(line)

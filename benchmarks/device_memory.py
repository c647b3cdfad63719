"""Memory that runs out on a device: how errors say so, what then holds it, and what would fit."""

from __future__ import annotations

import re
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from benchmarks.errors import BenchmarkError
from methods.lazy import torch

T = TypeVar("T")

RUNNING = threading.Lock()
"""Held while a method works on the device; extraction that runs out of memory waits for it."""

BUDGETS = (1, 1 / 4, 1 / 16, 1 / 64)
"""Shares of its memory that a method gets, one after the other, where the device has none left."""

SIGNS = (
    "out of memory",  # pinned memory's, too, which is no OutOfMemoryError
    "can't allocate memory",
    "unable to find an engine",  # cuDNN's, where no algorithm's workspace fits
    "unable to find a valid cudnn algorithm",
    "cudnn_status_not_supported",
    "cudnn_status_alloc_failed",
    "cublas_status_alloc_failed",
)

ASKED = re.compile(r"allocate ([\d.]+) ([KMG])iB")

SIDES = 32
"""Image sizes that are proposed are multiples of this, as most networks take them."""


def ran_out(error: BaseException) -> bool:
    """Return whether an error says that memory has run out, in one of the ways it is said."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in SIGNS)


def let_go(error: BaseException) -> None:
    """Free what a failed try holds: the tensors of its frames, and what the allocator keeps."""
    links: list[BaseException | None] = [error]
    while links:
        if (link := links.pop()) is not None:
            traceback.clear_frames(link.__traceback__)
            links += [link.__cause__, link.__context__]
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def with_less(bring: Callable[[], T], less: Callable[[BaseException, int], None]) -> T:
    """Return what `bring` returns, called again while memory runs out, when no method runs beside.

    Args:
        bring: takes memory.
        less: told what ran out, and how often before; raises where there is nothing to spare.
    """
    number = 0
    with ExitStack() as alone:
        while True:
            try:
                return bring()
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
                try:
                    less(error, number)
                finally:
                    let_go(error)
            if number == 0:
                alone.enter_context(RUNNING)
            number += 1


def within_budgets(
    work: Callable[[int], T], memory: int, method: str, side: int, device: torch.device
) -> T:
    """Return what a method's `work` returns; where memory runs out, called again with less of it.

    Args:
        work: is told how many bytes it may take for caches and blocks.
        memory: so many the first time.
        method: whose work it is.
        side: pixels a side of the images.
        device: where it works.

    Raises:
        BenchmarkError: the smallest share is too much, too.
    """
    spare, fits = 0, ""
    for share in BUDGETS:
        spare = int(share * memory)
        try:
            with RUNNING:
                return work(spare)
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
            fits = size_that_fits(error, side, device)
            let_go(error)
    raise BenchmarkError(
        f"{method} ran out of memory on {device}, with {spare / 1e9:.2f} GB to spare, too: pass "
        f"--device cpu or a smaller --image-size{fits}"
    )


def too_large(error: BaseException, backbone: str, side: int, device: torch.device) -> Exception:
    """Return what is raised where a single image's features don't fit; arguments as above."""
    reason = re.split(r"\n|\. ", str(error))[0]
    return BenchmarkError(
        f"{backbone} ran out of memory with one image of {side} pixels ({reason}): pass --device "
        f"cpu or a smaller --image-size{size_that_fits(error, side, device)}"
    )


@contextmanager
def room_for(backbone: str) -> Iterator[None]:
    """Make a backbone inside, which says in one line where it doesn't fit."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise BenchmarkError(
            f"{backbone} doesn't fit into the GPU's memory: pass --device cpu, or another GPU as "
            "--device cuda:1"
        ) from error


def size_that_fits(error: BaseException, side: int, device: torch.device) -> str:
    """Return " (about N would fit)", N pixels a side; "" where that can't be told.

    What is held grows with the number of pixels, so that this is an estimate from below.

    Args:
        error: what ran out of memory; nothing is freed yet.
        side: pixels a side of the images that were too large.
        device: where.
    """
    asked = ASKED.search(str(error))
    if asked is None or device.type == "cpu":
        return ""
    wanted = float(asked[1]) * 1024 ** (1 + "KMG".index(asked[2]))
    held = torch.cuda.memory_allocated(device) + wanted
    room = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    fits = int(side * min(1.0, room / held) ** 0.5) // SIDES * SIDES
    return f" (about {fits} would fit)" if 0 < fits < side else ""

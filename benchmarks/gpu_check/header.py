"""What the card is, whether all cards work and memory's figures are true, and measured rates."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.evaluation.device import card_of
from benchmarks.gpu_check.check import Check, Row, require
from methods.components.precision import full_precision
from methods.lazy import Tensor, torch

SHARE, BLOCK, TOLERANCE = 0.9, 1 << 30, 0.1
"""Share of the memory said to be free that must be had, in such blocks; and by which share of it
figures may differ: other programs take and free memory."""

SIDE, BYTES, REPEATS = 8192, 1 << 28, 10


def header(check: Check) -> Iterator[Row]:
    """Describe the card; hold all cards, and its memory's figures, to what is known.

    Raises:
        BenchmarkError: they are wrong.
    """
    device, cuda = check.device, torch.cuda
    free, total = cuda.mem_get_info(device)
    yield {"card": cuda.get_device_name(device), "free_bytes": free, "total_bytes": total}
    for number in range(cuda.device_count()):
        _require_alive(f"cuda:{number}")
    yield {"memory_taken": _require_true_figures(device)}
    cuda.empty_cache()
    if check.pretended:
        yield {"skipped": "rates, which a pretended card doesn't have"}
        return
    yield dict(card_of(device))
    with full_precision():
        check.rates |= _rates(check)
    yield {"a_second": check.rates}


def _require_alive(device: str) -> None:
    matrix, reason = torch.arange(64.0).reshape(8, 8), "a product is wrong"
    try:
        alive = torch.equal((matrix.to(device) @ matrix.to(device)).cpu(), matrix @ matrix)
    except RuntimeError as error:
        alive, reason = False, str(error).partition("\n")[0]
    remedy = "leave it out by CUDA_VISIBLE_DEVICES, or restart its driver"
    require(alive, f"{device} doesn't work ({reason}): {remedy}")


def _require_true_figures(device: str) -> int:
    """Take nearly all memory that is said to be free; return how many bytes that was."""
    cuda, blocks = torch.cuda, []
    cuda.empty_cache()
    cuda.reset_peak_memory_stats(device)
    free, before = cuda.mem_get_info(device)[0], cuda.memory_allocated(device)
    wanted = held = int(SHARE * free)
    try:
        for start in range(0, wanted, BLOCK):
            size = min(BLOCK, wanted - start)
            blocks.append(torch.empty(size, dtype=torch.uint8, device=device))
    except torch.OutOfMemoryError:
        held = sum(block.nbytes for block in blocks)
    figures = {
        f"mem_get_info says {free:,} are free: there are": held,
        "memory_allocated says": cuda.memory_allocated(device) - before,
        "max_memory_allocated says": cuda.max_memory_allocated(device) - before,
        "max_memory_reserved says": cuda.max_memory_reserved(device),
        "what mem_get_info says is free falls by": free - cuda.mem_get_info(device)[0],
    }
    for name, figure in figures.items():
        lie = f"{device} was to hold {wanted:,} bytes more, but {name} {figure:,}"
        require(abs(figure - wanted) <= TOLERANCE * wanted, f"{lie}: memory figures are wrong")
    return wanted


def _rates(check: Check) -> dict[str, float]:
    """Return what the card and the disk of the cache do a second."""
    device = check.device
    square, few = torch.rand(SIDE, SIDE, device=device), torch.zeros(1, device=device)
    half, double = square.bfloat16(), square[: SIDE // 4, : SIDE // 4].double()
    host = torch.zeros(BYTES, dtype=torch.uint8)
    pinned, source, target = host.pin_memory(), host.to(device), host.to(device)
    runs: dict[str, tuple[float, Callable[[], object]]] = {
        "bfloat16": (2 * SIDE**3, lambda: half @ half),
        "float32": (2 * SIDE**3, lambda: square @ square),
        "float64": (2 * (SIDE // 4) ** 3, lambda: double @ double),
        "copy": (2 * BYTES, lambda: target.copy_(source)),
        "pinned": (BYTES, lambda: target.copy_(pinned, non_blocking=True)),
        "pageable": (BYTES, lambda: target.copy_(host)),
        "launches": (1000, lambda: [few.add_(1) for _ in range(1000)]),
        "waits": (100, lambda: [few.tolist() for _ in range(100)]),
        "disk": (BYTES, lambda: _written(check.folder / "written", host)),
    }
    rates = {}
    for name, (amount, run) in runs.items():
        run()
        torch.cuda.synchronize(device)
        begun = time.perf_counter()
        for _ in range(REPEATS):
            run()
        torch.cuda.synchronize(device)
        rates[name] = REPEATS * amount / (time.perf_counter() - begun)
    return rates


def _written(path: Path, content: Tensor) -> None:
    path.write_bytes(content.numpy().data)
    os.sync()

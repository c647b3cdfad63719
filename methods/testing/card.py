"""What a pretended card does, holds and computes: counts by line, out-of-memory errors, FLOP."""

from __future__ import annotations

import math
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import flop_registry

PACKAGES = ("methods", "benchmarks")

Site = tuple[str, int]
"""A file of the project, and a line."""


def calling_line() -> Site:
    """Return the innermost file, and its line, that belongs to the project but to no pretence."""
    frame, here = sys._getframe(1), Path(__file__).parent
    while frame.f_back is not None:
        path = Path(frame.f_code.co_filename)
        inside = [package for package in PACKAGES if package in path.parts]
        if inside and "site-packages" not in path.parts and path.parent != here:
            return "/".join(path.parts[path.parts.index(inside[0]) :]), frame.f_lineno
        frame = frame.f_back
    return "", 0


class Memory:
    """Bytes of tensors on one card, each storage counted until the last tensor on it is gone.

    What is freed inside one operation isn't seen, nor an allocator's rounding and fragmentation.

    Attributes:
        limit: bytes that the card has.
        live: bytes in use.
        peak: the most that were in use.
        peak_lines: by the line that allocated them, the bytes in use at the peak.
        refused: allocations that did not fit.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.live, self.peak, self.refused = limit, 0, 0, 0
        self.peak_lines: Counter[Site] = Counter()
        self._lines: Counter[Site] = Counter()
        self._holders: Counter[int] = Counter()
        self._sizes: dict[int, tuple[int, Site]] = {}
        self._lock = threading.RLock()  # finalizers may run while it is held

    def hold(self, wrapper: torch.Tensor, inner: torch.Tensor) -> None:
        """Count a tensor's storage while its wrapper lives.

        Raises:
            torch.OutOfMemoryError: it does not fit.
        """
        storage = inner.untyped_storage()
        key, size = storage.data_ptr(), storage.nbytes()
        if not size:
            return
        with self._lock:
            if not self._holders[key]:
                self._allocate(key, size)
            self._holders[key] += 1
        weakref.finalize(wrapper, self._release, key).atexit = False

    def _allocate(self, key: int, size: int) -> None:
        if self.live + size > self.limit:
            self.refused += 1
            raise torch.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {size / 2**20:.2f} MiB. GPU 0 has a total "
                f"capacity of {self.limit / 2**20:.2f} MiB of which "
                f"{(self.limit - self.live) / 2**20:.2f} MiB is free."
            )
        site = calling_line()
        self._sizes[key] = size, site
        self._lines[site] += size
        self.live += size
        if self.live > self.peak:
            self.peak, self.peak_lines = self.live, +self._lines

    def _release(self, key: int) -> None:
        with self._lock:
            self._holders[key] -= 1
            if not self._holders[key]:
                del self._holders[key]
                size, site = self._sizes.pop(key)
                self.live -= size
                self._lines[site] -= size

    def reset_peak(self) -> None:
        """Let the peak start again from what is in use."""
        with self._lock:
            self.peak, self.peak_lines = self.live, +self._lines


_pinned: dict[int, StorageWeakRef] = {}
"""Address → memory that is pinned while it lasts."""


def pin(tensor: torch.Tensor) -> torch.Tensor:
    """Take a tensor's memory for pinned while it lasts; return the tensor."""
    storage = tensor.untyped_storage()
    _pinned[storage.data_ptr()] = StorageWeakRef(storage)
    return tensor


def is_pinned(tensor: torch.Tensor) -> bool:
    """Whether a tensor lies in pinned memory."""
    pinned = _pinned.get(tensor.untyped_storage().data_ptr())
    return pinned is not None and not pinned.expired()


class Work:
    """Floating-point operations by type, as "float32".

    Attributes:
        products: of matrix products and convolutions, as PyTorch's formulas count them.
        factorisations: of decompositions and triangular solves, which those formulas leave out.
        elementwise: numbers that other operations read or write, whichever are more; of distances
            by differences, each dimension of each pair.
        sites: products (type, file, line).
        bytes: read and written by all operations.
    """

    def __init__(self) -> None:
        self.products: Counter[str] = Counter()
        self.factorisations: Counter[str] = Counter()
        self.elementwise: Counter[str] = Counter()
        self.sites: Counter[tuple[str, str, int]] = Counter()
        self.bytes = 0
        self._lock = threading.Lock()

    def note(self, site: Site, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Count an operation of the CPU's tensors."""
        given, results = (
            [leaf for leaf in tree_flatten(values)[0] if isinstance(leaf, torch.Tensor)]
            for values in ((args, kwargs), result)
        )
        if getattr(func, "is_view", False) or not given + results:
            return
        name, packet = func._schema.name.removeprefix("aten::"), func.overloadpacket
        kind = _kind(given + results)
        with self._lock:
            self.bytes += sum(tensor.nbytes for tensor in given + results)
            if packet in flop_registry:
                formula: Callable[..., int] = flop_registry[packet]
                count = formula(*args, **kwargs, out_val=result)
                kind = _kind(given)
                self.products[kind] += count
                self.sites[kind, *site] += count
            elif name in _FACTORISATIONS:
                self.factorisations[kind] += _FACTORISATIONS[name](*given)
            elif name == "_cdist_forward":
                self.elementwise[kind] += results[0].numel() * given[0].shape[-1]
            elif results and results[0].is_floating_point():
                self.elementwise[kind] += max(tensor.numel() for tensor in given + results)


class Counting(TorchDispatchMode):
    """Counts what this thread asks of cards, real ones too, inside or since it was restarted."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.restart()

    def restart(self) -> None:
        """Forget what was counted."""
        self._work, self._operations = Work(), 0

    @property
    def counts(self) -> dict[str, Any]:
        """Name → number, or type → number; an operation is at least one launch."""
        work = {name: getattr(self._work, name) for name in ("factorisations", "elementwise")}
        work |= {"flop": self._work.products, "bytes": self._work.bytes}
        return {**work, "operations": self._operations}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        leaves = tree_flatten(result)[0]
        if any(isinstance(leaf, torch.Tensor) and leaf.is_cuda for leaf in leaves):
            self._operations += not func.is_view
            self._work.note(("", 0), func, args, kwargs or {}, result)
        return result


def _kind(tensors: list[torch.Tensor]) -> str:
    """Return the widest floating-point type of some tensors, else the first one's type."""
    types = [tensor.dtype for tensor in tensors]
    floats = [kind for kind in types if kind.is_floating_point] or types[:1]
    return str(max(floats, key=lambda kind: kind.itemsize)).removeprefix("torch.")


def _cubes(matrices: torch.Tensor, *_: torch.Tensor) -> int:
    return math.prod(matrices.shape[:-2]) * max(matrices.shape[-2:]) ** 3


def _solved(first: torch.Tensor, second: torch.Tensor, *_: torch.Tensor) -> int:
    """Return the FLOP of a triangular solve, whose square matrix comes first."""
    return second.numel() * first.shape[-1]


_FACTORISATIONS: dict[str, Callable[..., int]] = {
    "linalg_cholesky_ex": lambda matrices, *_: _cubes(matrices) // 3,
    "linalg_solve_triangular": _solved,
    "_linalg_eigh": lambda matrices, *_: 9 * _cubes(matrices),
    "_linalg_svd": lambda matrices, *_: 20 * _cubes(matrices),
    "linalg_qr": lambda matrices, *_: 2 * _cubes(matrices),
    "linalg_lu_factor_ex": lambda matrices, *_: 2 * _cubes(matrices) // 3,
    "linalg_inv_ex": lambda matrices, *_: 2 * _cubes(matrices),
}


Observer = Callable[[Site, Any, tuple[Any, ...], dict[str, Any], Any], None]
"""Called with every operation: where it was asked for, its function, arguments, and result."""


class Counts(Counter[str]):
    """What happened on the devices.

    Attributes:
        sites: counts (kind, file, line).
        observer: called, from whichever thread, with operations; their tensors are the CPU's.
        cards: what each device holds.
        work: what all of them compute.
    """

    def __init__(self, cards: Sequence[Memory] = ()) -> None:
        super().__init__()
        self.cards, self.work = cards, Work()
        self.sites: Counter[tuple[str, str, int]] = Counter()
        self.observer: Observer | None = None
        self._lock = threading.Lock()

    def note(self, kind: str, number: int = 1) -> Site:
        """Count something, under the line of the project that caused it, which is returned."""
        site = calling_line()
        with self._lock:
            self[kind] += number
            self.sites[kind, *site] += number
        return site

    def operation(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Count an operation on the CPU's tensors, do it, and return its result."""
        site = self.note("operations")
        result = func(*args, **kwargs)
        self.work.note(site, func, args, kwargs, result)
        if self.observer is not None:
            self.observer(site, func, args, kwargs, result)
        return result

    @property
    def waits(self) -> int:
        """How often the host waited for the device."""
        return sum(number for kind, number in self.items() if kind.startswith("wait: "))

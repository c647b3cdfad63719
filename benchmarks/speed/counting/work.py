"""What operations ask of a GPU: floating-point operations, bytes, launches; and their time on one.

Operations of the same kind, from the same line of the project, are added up. On a card each takes
as long as the slowest of its launch, its arithmetic and its memory (the roofline model).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.speed.counting.card import Card
from methods.lazy import torch
from methods.testing.pretended import Counts, Site

if TYPE_CHECKING:
    from torch import Tensor

PICKING = {"index", "index_select", "gather"}
PLACING = {"index_copy_", "index_put_", "index_fill_", "scatter_", "index_add_"}
"""Operations that touch only a part of their first argument: as much as they return, or bring."""

PASSES = {"sort": 8, "argsort": 8, "topk": 4}
"""How often they go over their input: sorts of 64 bits, selections of 32, by 8 at a time."""

TOTALS = (
    "operations", "waits", "copy to device", "copy from device",
    "bytes to device", "bytes from device",
)  # fmt: skip


class Kind(NamedTuple):
    """Operations that are alike."""

    name: str
    dtype: str
    file: str
    line: int


class Work(NamedTuple):
    """What operations of a kind come to; views launch nothing."""

    launches: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0

    def plus(self, other: Work) -> Work:
        """Return both together."""
        return Work(*(ours + theirs for ours, theirs in zip(self, other, strict=True)))

    def seconds(self, dtype: str, card: Card) -> float:
        """Return the time on a card: of launches, of arithmetic or of memory, the longest."""
        peak = card.flops.get(dtype)
        arithmetic = self.flops / (card.reached * peak) if peak else 0.0
        memory = self.bytes / (card.reached * card.bytes_per_second)
        return max(self.launches * card.launch, arithmetic, memory)


@dataclass(frozen=True)
class Load:
    """What a step asks of a GPU and its host.

    Attributes:
        work: kind → what its operations come to.
        totals: operations (views included), waits, copies and their bytes, as `TOTALS` names them.
    """

    work: Mapping[Kind, Work]
    totals: Mapping[str, float]

    def host(self, card: Card) -> float:
        """Return the seconds of asking and waiting."""
        return self.totals["operations"] * card.launch + self.totals["waits"] * card.wait

    def device(self, card: Card) -> float:
        """Return the seconds of computing, one operation after the other."""
        return sum(work.seconds(kind.dtype, card) for kind, work in self.work.items())

    def copying(self, card: Card) -> float:
        """Return the seconds of copying, both ways at once."""
        return max(self.totals[f"bytes {way} device"] for way in ("to", "from")) / card.pcie

    def seconds(self, card: Card) -> float:
        """Return the longest of the three, which overlap."""
        return max(self.host(card), self.device(card), self.copying(card))

    def flops(self, dtype: str) -> float:
        """Return the floating-point operations in a precision."""
        return sum(work.flops for kind, work in self.work.items() if kind.dtype == dtype)

    @property
    def bytes(self) -> float:
        """The bytes read and written on the device."""
        return sum(work.bytes for work in self.work.values())


class Ledger:
    """Adds up what it observes on a pretended device."""

    def __init__(self, counts: Counts) -> None:
        self._work: dict[Kind, Work] = {}
        self._lock, self._counts = threading.Lock(), counts
        self._before, self._waits = dict(counts), counts.waits
        counts.observer = self._observe

    def close(self) -> Load:
        """Observe no more; return what there was."""
        counts = self._counts
        counts.observer = None
        totals = {name: float(counts[name] - self._before.get(name, 0)) for name in TOTALS}
        return Load(self._work, totals | {"waits": float(counts.waits - self._waits)})

    def _observe(self, site: Site, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        name, dtype, work = work_of(func, args, kwargs, result)
        kind = Kind(name, dtype, *site)
        with self._lock:
            self._work[kind] = self._work.get(kind, Work()).plus(work)


def work_of(func: Any, args: Any, kwargs: Any, result: Any) -> tuple[str, str, Work]:
    """Return an operation's name, its precision, and what it comes to."""
    name = func._schema.name.removeprefix("aten::")
    inputs, outputs = list(_tensors((args, list(kwargs.values())))), list(_tensors(result))
    dtype = next((_precision(one) for one in [*inputs, *outputs] if one.is_floating_point()), "")
    if func.is_view or name.startswith(("empty", "new_empty")):
        return name, dtype, Work()
    flops = _flops(name, func, args, kwargs, result)
    return name, dtype, Work(1, flops, _bytes(name, inputs, outputs, kwargs))


def _tensors(value: Any) -> Iterable[Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)


def _precision(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _bytes(name: str, inputs: list[Tensor], outputs: list[Tensor], kwargs: Any) -> float:
    """Return the bytes read and written."""
    given = {id(one) for one in _tensors(list(kwargs.values()))} & {id(one) for one in outputs}
    read = [_size(one) for one in inputs if id(one) not in given]
    written = sum(map(_size, outputs))
    if name in PICKING:
        return 2 * written + sum(read[1:])
    if name in PLACING:
        return 2 * sum(read[1:])
    return PASSES.get(name, 1) * sum(read) + written


def _size(tensor: Tensor) -> int:
    """Return a tensor's bytes, those that are repeated counted once."""
    return min(tensor.numel() * tensor.itemsize, tensor.untyped_storage().nbytes())


def _flops(name: str, func: Any, args: Any, kwargs: Any, result: Any) -> float:
    """Return the floating-point operations of products and factorisations; 0 for what is bound
    by memory.

    Products by PyTorch's own formulas; of order n, a Cholesky factor takes n³/3, substitution n² a
    right-hand side, all eigenvectors of a symmetric matrix 9n³ (Golub and Van Loan, Matrix
    Computations, chapters 3, 4 and 8).
    """
    from torch.utils.flop_counter import flop_registry

    packet = func.overloadpacket
    if packet in flop_registry:
        options = {key: value for key, value in kwargs.items() if key != "out"}
        return float(flop_registry[packet](*args, **options, out_val=result))
    if "cdist" in name or name == "_euclidean_dist":
        first, second = args[:2]
        return 3.0 * prod(first.shape) * second.shape[-2]
    if name.startswith("linalg_cholesky"):
        return prod(args[0].shape) * args[0].shape[-1] / 3
    if name.startswith(("linalg_solve_triangular", "triangular_solve")):
        return float(prod(next(iter(_tensors(result))).shape) * args[0].shape[-1])
    if name == "_linalg_eigh":
        return 9.0 * prod(args[0].shape) * args[0].shape[-1]
    return 0.0

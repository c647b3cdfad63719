"""A pretended CUDA device: what a GPU would refuse and wait for, seen on a machine without one.

    with pretended_cuda() as counts:
        check_method("my-method", device="cuda")

Tensors say that they lie on `cuda:0` and are computed on the CPU. As on a GPU, they can't be mixed
with the CPU's, taken for NumPy arrays, or drawn by the CPU's generators; products must be in full
precision (`methods.components.precision`). Copies, also those from memory that isn't pinned, waits
(`.item()`, `nonzero`, boolean indexing) and operations, each at least one kernel launch, are
counted with the line that caused them; bytes in use and floating-point operations, too
(`methods.testing.card`). With a limit, what doesn't fit raises torch.OutOfMemoryError, as on a card
of so much memory:

    python -m methods.testing.pretended --memory 8 benchmarks.run --methods spade --device cuda

What only a real GPU can show: speed, how its allocator rounds, its own rounding, faiss on the GPU
(hidden here, so that PyTorch's form runs), and streams, which here are always in step.
"""

from __future__ import annotations

import argparse
import importlib
import runpy
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from methods.testing.card import Counts, Memory, is_pinned, pin
from methods.testing.card import calling_line as _site  # noqa: F401  tools call it here

WAITING = {
    "_local_scalar_dense", "nonzero", "equal", "is_nonzero", "_unique", "_unique2", "unique_dim",
    "unique_consecutive", "masked_select", "bincount", "histc", "repeat_interleave",
    "_linalg_eigh", "linalg_eig", "_linalg_svd", "_linalg_check_errors",
}  # fmt: skip
"""Operations whose result's size, or whose errors, the host has to know before it goes on."""

INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}
PRODUCTS = {
    "mm", "addmm", "bmm", "baddbmm", "addmv", "mv", "dot", "convolution", "_convolution",
    "cudnn_convolution", "_addmm_activation",
}  # fmt: skip
SITES_SHOWN = 25


class OnDevice(torch.Tensor):
    """A tensor that says it lies on a GPU; `held` holds its values on the CPU."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, inner: torch.Tensor, index: int = 0) -> OnDevice:
        """Wrap a CPU tensor."""
        wrapper: OnDevice = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device("cuda", index),
            requires_grad=False,
        )
        wrapper.held = inner
        for card in _counting().cards[index : index + 1]:
            card.hold(wrapper, inner)
        return wrapper

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"OnDevice({self.held!r})"

    def tolist(self) -> Any:
        """Return the values as (nested) lists, for which the host waits."""
        _counting().note("wait: tolist")
        return self.held.tolist()

    def record_stream(self, stream: Any) -> None:
        """Nothing is given away early: its memory is the CPU's."""

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _perform(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Catches operations without a device tensor among their arguments: what makes or moves one."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _perform(func, args, kwargs or {})


_current: list[Counts] = []


def _counting() -> Counts:
    return _current[-1] if _current else Counts()


def _perform(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do on the CPU what is asked of the device, or refuse it as a GPU does."""
    name = func._schema.name.removeprefix("aten::")
    if name in _SPECIAL:
        return _SPECIAL[name](func, args, kwargs)
    flat = tree_flatten((args, kwargs))[0]
    ours = [value for value in flat if isinstance(value, OnDevice)]
    device = kwargs.get("device")
    if not ours and not _is_cuda(device):
        result = func(*args, **{k: v for k, v in kwargs.items() if k != "pin_memory"})
        return pin(result) if kwargs.get("pin_memory") else result
    counts = _counting()
    _refuse(name, flat, ours, device)
    for other in flat:
        if isinstance(other, torch.Tensor) and not isinstance(other, OnDevice) and other.dim():
            _note_copy(other, to_device=True)
    masked = any(index.dtype in (torch.bool, torch.uint8) for index in ours[1:])
    if name in WAITING or (name in INDEXING and masked):
        counts.note(f"wait: {name}")
    index = ours[0].device.index if ours else _whole(device).index
    return _on_the_cpu(func, args, kwargs, ours, index)


def _refuse(name: str, flat: list[Any], ours: list[OnDevice], device: Any) -> None:
    """Raise what a GPU's kernels raise of arguments that lie elsewhere."""
    devices = {str(tensor.device) for tensor in ours} | ({str(_whole(device))} if device else set())
    for value in flat:
        elsewhere = isinstance(value, torch.Tensor) and not isinstance(value, OnDevice)
        if elsewhere and value.dim() and name not in INDEXING:
            devices.add("cpu")
        if isinstance(value, torch.Generator) and value.device.type == "cpu":
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    if len(devices) > 1:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but {name} found them on "
            f"{' and '.join(sorted(devices))}"
        )
    if name in PRODUCTS:
        _refuse_low_precision(name, ours)


def _refuse_low_precision(name: str, ours: list[OnDevice]) -> None:
    """Raise where a GPU's product would be rounded as the process's settings happen to say."""
    backends: Any = torch.backends
    types = {tensor.dtype for tensor in ours}
    part = backends.cudnn.conv if "conv" in name else backends.cuda.matmul
    loose = torch.float32 in types and part.fp32_precision not in ("ieee", "none")
    split = backends.cuda.matmul.allow_bf16_reduced_precision_reduction
    if loose or (torch.bfloat16 in types and split):
        raise RuntimeError(f"{name} of {types} outside full_precision()")


def _on_the_cpu(
    func: Any, args: Any, kwargs: dict[str, Any], ours: list[OnDevice], index: int
) -> Any:
    kwargs = {k: tree_map(_inner, v) for k, v in kwargs.items() if k != "pin_memory"}
    if kwargs.get("device") is not None:
        kwargs["device"] = torch.device("cpu")
    result = _counting().operation(func, tree_map(_inner, args), kwargs)
    in_place = {id(tensor.held): tensor for tensor in ours}  # and results that go to out=

    def wrapped(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return in_place[id(value)] if id(value) in in_place else OnDevice(value, index)

    return tree_map(wrapped, result)


def _inner(value: Any) -> Any:
    return value.held if isinstance(value, OnDevice) else value


def _is_cuda(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def _whole(device: Any) -> torch.device:
    device = torch.device(device)
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def _to_copy(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`.to(…)`: another device or type."""
    (source, *_), device = args, kwargs.get("device")
    target = _whole(device if device is not None else source.device)
    options = {k: v for k, v in kwargs.items() if k in ("dtype", "memory_format")}
    perform = torch.ops.aten._to_copy.default
    if target == source.device and isinstance(source, OnDevice):
        result = _counting().operation(perform, (source.held,), options)
    else:
        result = perform(_inner(source), **options)
    if target != source.device:
        _note_copy(result, to_device=target.type == "cuda", source=source)
    return OnDevice(result, target.index) if target.type == "cuda" else result


def _copy(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`target.copy_(source)`, between devices too."""
    target, source = args[:2]
    if target.device != source.device:
        _note_copy(source, to_device=isinstance(target, OnDevice))
    elif isinstance(target, OnDevice):
        _counting().operation(torch.ops.aten.copy_.default, (target.held, source.held), {})
        return target
    _inner(target).copy_(_inner(source))
    return target


def _note_copy(moved: torch.Tensor, *, to_device: bool, source: torch.Tensor | None = None) -> None:
    counts, way = _counting(), "to" if to_device else "from"
    counts.note(f"copy {way} device")
    counts[f"bytes {way} device"] += moved.nbytes
    source = moved if source is None else source
    if to_device and not isinstance(source, OnDevice) and not is_pinned(source):
        main = threading.current_thread() is threading.main_thread()
        counts.note("pageable copy" + (" by the main thread" if main else ""))


def _scalar(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if isinstance(args[0], OnDevice):
        _counting().note("wait: item")
    return func(_inner(args[0]))


def _batch_norm(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What is chosen for CUDA tensors, by what the CPU has."""
    plain = torch.ops.aten.native_batch_norm.default
    parts = _perform(plain, args, kwargs)
    return (*parts, OnDevice(torch.empty(0)))


_SPECIAL: dict[str, Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]] = {
    "_to_copy": _to_copy,
    "copy_": _copy,
    "_local_scalar_dense": _scalar,
    "cudnn_batch_norm": _batch_norm,
    "_pin_memory": lambda func, args, kwargs: pin(args[0].clone()),
    "is_pinned": lambda func, args, kwargs: is_pinned(args[0]),
    "_fused_sdp_choice": lambda func, args, kwargs: 0,  # attention as plain products
}


class _Stream:
    """A stream, and an event, of a device whose work is always done."""

    def __init__(self, device: Any = None) -> None:
        self.device = _whole(device or "cuda")

    def wait_stream(self, other: _Stream) -> None:
        """Go on: there is nothing to wait for."""

    def record_event(self) -> _Stream:
        """Return what has happened already."""
        return self

    def synchronize(self) -> None:
        """Go on."""


@contextmanager
def pretended_cuda(devices: int = 1, free: int = 70 << 30) -> Iterator[Counts]:
    """Pretend that this process, all its threads included, has CUDA devices.

    Args:
        devices: how many.
        free: bytes of memory that each has.

    Yields:
        What happened on them, counted as it happens.
    """
    counts, run = Counts([Memory(free) for _ in range(devices)]), threading.Thread.run

    def run_under_mode(thread: threading.Thread) -> None:
        torch._C._set_only_lift_cpu_tensors(True)  # which each thread has to itself
        with _Mode():  # type: ignore[no-untyped-call]
            run(thread)

    torch._C._ensureCUDADeviceGuardSet()
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    with ExitStack() as stack:
        for owner, name, value in _replacements(counts):
            stack.enter_context(mock.patch.object(owner, name, value))
        stack.enter_context(mock.patch.object(threading.Thread, "run", run_under_mode))
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwrite)
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch._C._set_only_lift_cpu_tensors, False)
        torch._C._set_only_lift_cpu_tensors(True)
        stack.callback(_current.remove, counts)
        _current.append(counts)
        stack.enter_context(_Mode())  # type: ignore[no-untyped-call]
        yield counts


def _replacements(counts: Counts) -> Iterator[tuple[Any, str, Any]]:
    """Yield what stands for CUDA's own functions while there is no CUDA."""

    def card(device: Any = None) -> Memory:
        device = "cuda" if device is None else device
        return counts.cards[device if isinstance(device, int) else _whole(device).index]

    def limit_to(share: float, device: Any = None) -> None:
        card(device).limit = int(share * whole)

    def mem_get_info(device: Any = None) -> tuple[int, int]:
        return card(device).limit - card(device).live, card(device).limit

    cuda: Any = torch.cuda
    whole = counts.cards[0].limit
    yield cuda, "_lazy_init", lambda: None
    yield cuda, "is_available", lambda: True
    yield cuda, "device_count", lambda: len(counts.cards)
    yield cuda, "current_device", lambda: 0
    yield cuda, "mem_get_info", mem_get_info
    yield cuda, "memory_allocated", lambda device=None: card(device).live
    yield cuda, "max_memory_allocated", lambda device=None: card(device).peak
    yield cuda, "max_memory_reserved", lambda device=None: card(device).peak
    yield cuda, "set_per_process_memory_fraction", limit_to
    yield cuda, "reset_peak_memory_stats", lambda device=None: card(device).reset_peak()
    yield cuda, "synchronize", lambda device=None: counts.note("wait: synchronize")
    yield cuda, "empty_cache", lambda: None
    yield cuda, "get_device_name", lambda device=None: "pretended"
    yield cuda, "get_device_capability", lambda device=None: (8, 0)
    yield cuda, "get_arch_list", lambda: ["sm_80", "compute_80"]
    yield cuda, "Stream", _Stream
    yield cuda, "current_stream", _Stream
    yield cuda, "stream", lambda stream: nullcontext()
    yield torch, "inference_mode", torch.no_grad  # wrapped tensors can't be inference tensors


def main(arguments: list[str]) -> int:
    """Run a module on a pretended device, and say what a GPU would wait for, hold and compute."""
    parser = argparse.ArgumentParser(prog="methods.testing.pretended", description=main.__doc__)
    parser.add_argument("--memory", type=float, default=70.0, help="of the card, in GiB")
    parser.add_argument("module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    sys.argv = [options.module, *options.arguments]
    status: object = 0
    with pretended_cuda(free=int(options.memory * 2**30)) as counts:
        try:
            runpy.run_module(options.module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code or 0
    sys.stderr.write("\n".join(_summary(counts)) + "\n")
    return status if isinstance(status, int) else 1


def _summary(counts: Counts) -> Iterator[str]:
    """Yield the lines of the project that cost most, and what all of them cost."""
    for (kind, place, line), number in counts.sites.most_common(SITES_SHOWN):
        yield f"{number:8} {kind:24} {place}:{line}"
    card, work = counts.cards[0], counts.work
    for (kind, place, line), number in work.sites.most_common(SITES_SHOWN):
        yield f"{number / 1e9:12.3f} GFLOP {kind:10} {place}:{line}"
    for (place, line), size in card.peak_lines.most_common(SITES_SHOWN):
        yield f"{size / 2**20:12.1f} MiB at the peak   {place}:{line}"
    for what, numbers in (
        ("products, GFLOP", work.products),
        ("factorisations, GFLOP", work.factorisations),
        ("elementwise, 10^9 numbers", work.elementwise),
    ):
        kinds = (f"{number / 1e9:.3f} {kind}" for kind, number in sorted(numbers.items()))
        yield f"{what}: {', '.join(kinds)}"
    yield f"memory: {card.peak / 2**20:.1f} MiB at most, {card.refused} allocations refused"
    yield (
        f"on a pretended device: {counts['operations']} operations, {counts.waits} waits, "
        f"{counts['copy to device']} copies ({counts['bytes to device']} bytes) to it, "
        f"{counts['copy from device']} ({counts['bytes from device']} bytes) from it"
    )


if __name__ == "__main__":
    # under its own name, so that there is one of it
    sys.exit(importlib.import_module("methods.testing.pretended").main(sys.argv[1:]))

"""The device that cells are evaluated on: memory free and at its peak."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

import psutil

from benchmarks.errors import BenchmarkError
from methods.lazy import torch


def choose_device(name: str) -> str:
    """Return "cpu", "cuda" or "cuda:N" for auto, cpu, cuda or cuda:N.

    Raises:
        BenchmarkError: another name, or a GPU that there is not.
    """
    kind, _, number = name.partition(":")
    if name not in ("auto", "cpu", "cuda") and not (kind == "cuda" and number.isdecimal()):
        raise BenchmarkError(f"--device {name}: take auto, cpu, cuda or cuda:N, as cuda:1")
    if name == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        if name == "auto":
            return "cpu"
        raise BenchmarkError(f"--device {name}: no usable CUDA device; take --device cpu or auto")
    count = torch.cuda.device_count()
    if number and int(number) >= count:
        raise BenchmarkError(f"--device {name}: there are {count} GPUs, from cuda:0")
    return "cuda" if name == "auto" else name


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(named.split(",")[:count]) if named else tuple(map(str, range(count)))


def free_memory(device: str) -> int:
    """Return how many bytes are free now; on a CPU within the control group's limit."""
    if device != "cpu":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    free = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # there is none, or no limit: "max"
        limit, used = (int((group / f"memory.{part}").read_text()) for part in ("max", "current"))
        return min(free, max(0, limit - used))
    return free


class PeakMemory:
    """The largest memory in use from now on: resident on a CPU, allocated on a GPU.

    Resident memory includes memory-mapped features, which the system drops when it runs short.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        if device != "cpu":
            torch.cuda.reset_peak_memory_stats(device)
            return
        with contextlib.suppress(OSError):  # without it the peak is the process's, not the cell's
            Path("/proc/self/clear_refs").write_text("5")

    def synchronise(self) -> None:
        """Wait for the device's queued work, so that clocks read right."""
        if self._device != "cpu":
            torch.cuda.synchronize(self._device)

    def megabytes(self) -> float:
        """Return the peak since creation, in 10⁶ bytes."""
        if self._device != "cpu":
            return float(torch.cuda.max_memory_allocated(self._device)) / 1e6
        with contextlib.suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024 / 1e6
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

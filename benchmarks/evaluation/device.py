"""The device that cells are evaluated on: which card it is, memory free and at its peak."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from functools import cache
from pathlib import Path

from benchmarks import control_groups
from benchmarks.console import say
from benchmarks.errors import BenchmarkError
from methods.lazy import torch


def check_device_name(name: str) -> None:
    """Check that a name is auto, cpu, cuda or cuda:N, whatever this machine has.

    Raises:
        BenchmarkError: it is another one.
    """
    kind, _, number = name.partition(":")
    if name not in ("auto", "cpu", "cuda") and not (kind == "cuda" and number.isdecimal()):
        raise BenchmarkError(f"--device {name}: take auto, cpu, cuda or cuda:N, as cuda:1")


def choose_device(name: str) -> str:
    """Return "cpu", "cuda" or "cuda:N" for auto, cpu, cuda or cuda:N; takes no memory on a GPU.

    A GPU older than PyTorch supports is not taken by auto, which says so.

    Raises:
        BenchmarkError: another name, or a GPU that there is not, or that is too old.
    """
    check_device_name(name)
    number = name.partition(":")[2]
    if name == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        if name == "auto":
            return "cpu"
        raise BenchmarkError(f"--device {name}: no usable CUDA device; take --device cpu or auto")
    count = torch.cuda.device_count()
    if number and int(number) >= count:
        raise BenchmarkError(f"--device {name}: there are {count} GPUs, from cuda:0")
    device = "cuda" if name == "auto" else name
    if why := _unsupported(device):
        if name != "auto":
            raise BenchmarkError(f"--device {name}: {why}; take --device cpu or another GPU")
        say(f"{why}, so the processor is taken")
        return "cpu"
    return device


def _unsupported(device: str) -> str:
    """Return why PyTorch, as it was built, can't use a GPU for its age; "" where it can."""
    kinds = (kind.rpartition("_")[2].rstrip("af") for kind in torch.cuda.get_arch_list())
    oldest = min((divmod(int(digits), 10) for digits in kinds), default=(0, 0))
    capability = torch.cuda.get_device_capability(device)
    if capability >= oldest:
        return ""
    has, needs = (".".join(map(str, version)) for version in (capability, oldest))
    return (
        f"{torch.cuda.get_device_name(device)} has compute capability {has}, and PyTorch "
        f"{torch.__version__} needs {needs} or newer"
    )


def card_name(device: str) -> str:
    """Return a GPU's name; "" for a CPU, and for GPUs of other machines alone."""
    here = device != "cpu" and torch.cuda.is_available()
    return torch.cuda.get_device_name(device) if here else ""


def card_of(device: str) -> dict[str, str]:
    """Return a GPU's name, compute capability and driver, and its libraries; nothing for a CPU."""
    if device == "cpu":
        return {}
    return {
        "name": card_name(device),
        "capability": ".".join(map(str, torch.cuda.get_device_capability(device))),
        "driver": _driver(),
        "cuda": torch.version.cuda or "",
        "cudnn": str(torch.backends.cudnn.version() or ""),
    }


@cache
def _driver() -> str:
    """Return the version of NVIDIA's driver; "" where it can't be asked for it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.partition("\n")[0].strip()
    return ""


def look_at_gpus(name: str) -> tuple[str, tuple[str, ...], str]:
    """Return the device that a name chooses, the GPUs to spread over, and the first one's name.

    Which may load CUDA: whoever is to hold nothing on a GPU has another process look.

    Raises:
        BenchmarkError: as `choose_device`.
    """
    device = choose_device(name)
    return device, visible_gpus() if device == "cuda" else (), card_name(device)


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process can use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    numbers = range(torch.cuda.device_count())
    names = named.split(",") if named else map(str, numbers)
    pairs = zip(names, numbers, strict=False)
    return tuple(name for name, number in pairs if not _unsupported(f"cuda:{number}"))


def free_memory(device: str) -> int:
    """Return how many bytes are free now; on a CPU within the control groups' limits."""
    if device == "cpu":
        return control_groups.free_memory()
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + unused


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
        """Wait for this thread's queued work, so that clocks read right.

        Another category's extraction, which has a stream of its own, is not waited for.
        """
        if self._device != "cpu":
            torch.cuda.current_stream(self._device).synchronize()

    def megabytes(self) -> float:
        """Return the peak since creation, in 10⁶ bytes."""
        if self._device != "cpu":
            return float(torch.cuda.max_memory_allocated(self._device)) / 1e6
        with contextlib.suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024 / 1e6
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6

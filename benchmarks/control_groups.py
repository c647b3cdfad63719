"""What the system and this process's control groups leave it of memory and processors."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

PROCESS = Path("/proc/self")

LIMITS = ("memory.max", "memory.high", "memory.limit_in_bytes")
USED = ("memory.current", "memory.usage_in_bytes")
QUOTAS = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
"""Files of version 2 come before those of version 1."""


def free_memory() -> int:
    """Return how many bytes are free now, within the limits of all groups around this process."""
    left = (_left(group) for group in _groups("memory"))
    return int(min((psutil.virtual_memory().available, *left)))


def processors() -> float:
    """Return how many processors' time the groups' quotas allow, infinity where there is none."""
    allowed = [math.inf]
    for group in _groups("cpu"):
        for names in QUOTAS:
            with suppress(OSError, ValueError):  # of the other version, or no quota: "max"
                texts = [(group / name).read_text().split() for name in names]
                quota, period = (int(number) for text in texts for number in text)
                allowed += [quota / period] if quota > 0 else []
    return min(allowed)


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and of those around it, as far as they are seen.

    A mount may show part of the groups, as in a container: its fourth field names the group that
    lies at its fifth (proc_pid_mountinfo(5), cgroups(7)). With both versions, both are looked at.
    """
    yield Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # another system's, or hidden
        groups = [line.split(":", 2) for line in (PROCESS / "cgroup").read_text().splitlines()]
        for mount in (PROCESS / "mountinfo").read_text().splitlines():
            where, _, what = mount.partition(" - ")
            root, place = where.split()[3:5]
            system, *_, options = what.split()
            first = system == "cgroup" and controller in options.split(",")
            for _, controllers, group in groups if first or system == "cgroup2" else ():
                if controller in controllers.split(",") if first else not controllers:
                    inside = os.path.relpath(group, root)
                    folder = Path(place, "" if inside.startswith("..") else inside)
                    yield from (at for at in (folder, *folder.parents) if at.is_relative_to(place))


def _left(group: Path) -> float:
    """Return the bytes that a group may still take; what files are cached in counts as free."""
    statistics: dict[str, float] = {}
    with suppress(OSError, ValueError):
        lines = (group / "memory.stat").read_text().splitlines()
        statistics = {name: float(value) for name, value in (line.split() for line in lines)}
    limits = [_number(group / name, math.inf) for name in LIMITS]
    limit = min(*limits, statistics.get("hierarchical_memory_limit", math.inf))
    used = max(_number(group / name, 0) for name in USED)
    files = (f"{total}{kind}_file" for total in ("", "total_") for kind in ("active", "inactive"))
    sizes = [statistics.get(name, 0) for name in files]
    cached = max(sum(sizes[:2]), sum(sizes[2:]))  # "total_…" includes groups inside, of version 1
    return max(0, limit - max(0, used - cached))


def _number(path: Path, otherwise: float) -> float:
    """Return what a file says; `otherwise` where it isn't there, or says "max"."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return otherwise

"""Memory and processors are what the process's control groups, and those around them, leave."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import control_groups, processes
from benchmarks.evaluation.device import free_memory

GB = 10**9
UNLIMITED = str(2**63 - 4096)


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 100 GB and 64 processors; its mounts and groups lie below a folder."""
    monkeypatch.setattr(control_groups, "PROCESS", tmp_path / "proc")
    free = SimpleNamespace(available=100 * GB)
    monkeypatch.setattr(control_groups.psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(64), raising=False)
    (tmp_path / "proc").mkdir()
    return tmp_path


def own(
    groups: Path, membership: str, mounts: Mapping[str, str], files: Mapping[str, object]
) -> None:
    """Lay down which groups the process is in, where kinds of groups are mounted, what they say."""
    (groups / "proc/cgroup").write_text(membership)
    lines = ["22 1 0:21 / /proc rw,nosuid - proc proc rw"]
    for number, (place, what) in enumerate(mounts.items()):
        root, _, system = what.partition(" ")
        lines.append(f"{30 + number} 22 0:9 {root} {groups / place} rw shared:1 - {system}")
    (groups / "proc/mountinfo").write_text("\n".join(lines) + "\n")
    for name, content in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(f"{content}\n")


SECOND = {"v2": "/ cgroup2 cgroup2 rw,nsdelegate"}
FIRST = {"v1/memory": "/ cgroup cgroup rw,memory", "v1/cpu": "/ cgroup cgroup rw,cpu,cpuacct"}
FIRSTS = "9:memory:/slurm/job/step\n4:cpu,cpuacct:/slurm/job/step\n1:name=systemd:/x\n0::/\n"

MEMORY = {
    "own limit": ("0::/job\n", SECOND, {"v2/job/memory.max": 4 * GB}, 4),
    "no limit": ("0::/job\n", SECOND, {"v2/job/memory.max": "max"}, 100),
    "a tighter group around it": (
        "0::/a/job\n",
        SECOND,
        {"v2/a/memory.max": 3 * GB, "v2/a/memory.current": 1 * GB, "v2/a/job/memory.max": 9 * GB},
        2,
    ),
    "throttled before the limit": (
        "0::/job\n",
        SECOND,
        {"v2/job/memory.max": 8 * GB, "v2/job/memory.high": 5 * GB},
        5,
    ),
    "files that are cached are free": (
        "0::/job\n",
        SECOND,
        {
            "v2/job/memory.max": 8 * GB,
            "v2/job/memory.current": 7 * GB,
            "v2/job/memory.stat": f"anon 1\ninactive_file {3 * GB}\nactive_file {GB}",
        },
        5,
    ),
    "more used than allowed": (
        "0::/job\n",
        SECOND,
        {"v2/job/memory.max": 2 * GB, "v2/job/memory.current": 3 * GB},
        0,
    ),
    "a namespace": ("0::/\n", SECOND, {"v2/memory.max": 6 * GB}, 6),
    "a namespace that it has left": ("0::/../x\n", SECOND, {"v2/memory.max": 6 * GB}, 6),
    "version 1": (
        FIRSTS,
        FIRST,
        {
            "v1/memory/slurm/job/step/memory.limit_in_bytes": UNLIMITED,
            "v1/memory/slurm/job/memory.limit_in_bytes": 7 * GB,
            "v1/memory/slurm/job/memory.usage_in_bytes": 2 * GB,
            "v1/memory/memory.limit_in_bytes": UNLIMITED,
        },
        5,
    ),
    "version 1 without a limit": (
        FIRSTS,
        FIRST,
        {"v1/memory/slurm/job/step/memory.limit_in_bytes": UNLIMITED},
        100,
    ),
    "version 1, a limit of a group that isn't seen": (
        "4:memory:/docker/abc\n",
        {"v1/memory": "/docker/abc cgroup cgroup rw,memory"},
        {
            "v1/memory/memory.limit_in_bytes": UNLIMITED,
            "v1/memory/memory.usage_in_bytes": 2 * GB,
            "v1/memory/memory.stat": f"inactive_file 0\nhierarchical_memory_limit {6 * GB}",
        },
        4,
    ),
    "a container's mount of its own group": (
        "4:memory:/docker/abc\n",
        {"v1/memory": "/docker/abc cgroup cgroup rw,memory"},
        {"v1/memory/memory.limit_in_bytes": 3 * GB},
        3,
    ),
    "a container that sees another group's name": (
        "4:memory:/kubepods/pod/abc\n",
        {"v1/memory": "/ cgroup cgroup rw,memory"},
        {"v1/memory/memory.limit_in_bytes": 3 * GB},
        3,
    ),
    "both versions": (
        "4:memory:/job\n0::/job\n",
        {"v1/memory": "/ cgroup cgroup rw,memory", "unified": "/ cgroup2 cgroup2 rw"},
        {"v1/memory/job/memory.limit_in_bytes": 5 * GB, "unified/job/memory.pressure": "some"},
        5,
    ),
    "another group": ("0::/job\n", SECOND, {"v2/jobs/memory.max": 4 * GB}, 100),
    "unreadable": ("no groups\n", SECOND, {"v2/memory.max": 4 * GB}, 100),
}


@pytest.mark.parametrize("case", MEMORY)
def test_free_memory_keeps_within_every_group(case: str, groups: Path) -> None:
    membership, mounts, files, free = MEMORY[case]
    own(groups, membership, mounts, files)
    assert free_memory("cpu") == free * GB


PROCESSORS = {
    "a quota": ("0::/job\n", SECOND, {"v2/job/cpu.max": "350000 100000"}, 3.5, 3),
    "none": ("0::/job\n", SECOND, {"v2/job/cpu.max": "max 100000"}, math.inf, 64),
    "less than one": ("0::/job\n", SECOND, {"v2/job/cpu.max": "50000 100000"}, 0.5, 1),
    "a tighter group around it": (
        "0::/a/job\n",
        SECOND,
        {"v2/a/cpu.max": "200000 100000", "v2/a/job/cpu.max": "400000 50000"},
        2,
        2,
    ),
    "version 1": (
        FIRSTS,
        FIRST,
        {
            "v1/cpu/slurm/job/step/cpu.cfs_quota_us": -1,
            "v1/cpu/slurm/job/step/cpu.cfs_period_us": 100000,
            "v1/cpu/slurm/job/cpu.cfs_quota_us": 150000,
            "v1/cpu/slurm/job/cpu.cfs_period_us": 50000,
        },
        3,
        3,
    ),
}


@pytest.mark.parametrize("case", PROCESSORS)
def test_cores_keep_within_every_groups_quota(case: str, groups: Path) -> None:
    membership, mounts, files, time, cores = PROCESSORS[case]
    own(groups, membership, mounts, files)
    assert control_groups.processors() == time
    assert processes.cores() == cores


def test_without_groups_the_system_decides(groups: Path) -> None:
    assert free_memory("cpu") == 100 * GB
    assert processes.cores() == 64

"""Worker processes, and what one does."""

from collections.abc import Callable, Mapping

from benchmarks.execution.workers import processes, ray_cluster
from benchmarks.execution.workers.tasks import Pool, WantedPool

__all__ = ["EXECUTORS", "WantedPool"]

EXECUTORS: Mapping[str, Callable[[WantedPool], Pool | None]] = {
    "local": processes.start,
    "ray": ray_cluster.start,
}
"""Value of --executor → what starts its workers; None where this process does all."""

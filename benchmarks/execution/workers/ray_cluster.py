"""Workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.execution.workers.tasks import Done, Task, WantedPool, perform


def start(wanted: WantedPool) -> RayCluster:
    """Return the cluster.

    Raises:
        BenchmarkError: Ray can't be had, or a single GPU was named, which Ray hands out itself.
    """
    if ":" in wanted.device:
        raise BenchmarkError(
            f"--device {wanted.device}: Ray hands out the GPUs; take --device cuda"
        )
    return RayCluster(wanted.address, wanted.jobs, int(wanted.device == "cuda"), wanted.patience)


class RayCluster:
    """A Ray cluster: one that runs already, or one of this machine for as long as this runs.

    Args:
        address: of a running cluster, as `ray.init` takes it; None starts one here.
        workers: how many processors a cluster that is started here has.
        gpus: GPUs that a task asks for.
        patience: seconds without any task done after which all are taken for hanging, and killed.

    Raises:
        BenchmarkError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, address: str | None, workers: int, gpus: int, patience: float) -> None:
        try:
            import ray
        except ImportError:
            raise BenchmarkError(
                "--executor ray: Ray is not installed; pip install -c constraints.txt -e '.[ray]'"
            ) from None
        own: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False}
        try:
            ray.init(address, log_to_driver=False, **({} if address else own))
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise BenchmarkError(f"--ray-address {address}: no cluster there ({reason})") from error
        self._ray, self._patience = ray, patience
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.workers = int(resources.get("CPU", 1))
        self.sharers = 1 if gpus else self.workers
        self._perform = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(perform)

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Done | None]]:
        """Yield each task as it is done, with None where its worker was lost."""
        ray = self._ray
        waiting = {self._perform.remote(task): task for task in tasks}
        while waiting:
            done, _ = ray.wait(list(waiting), timeout=self._patience)
            if not done:
                for reference in waiting:
                    ray.cancel(reference, force=True)
            for reference in done:
                task = waiting.pop(reference)
                try:
                    yield task, ray.get(reference)
                except ray.exceptions.TaskCancelledError:
                    yield task, None
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                except ray.exceptions.RayError:
                    yield task, None

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._ray.shutdown()

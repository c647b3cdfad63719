"""Nobody waits while there is work: the scheduler and the flow, run by workers that pretend."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.execution.dividing import LONGEST_BUNDLE, PlanDurations, divide_work
from benchmarks.execution.flow import flow
from benchmarks.execution.plan import images_to_pass
from benchmarks.execution.progress.forecast import Rates
from benchmarks.execution.scheduling import ATTEMPTS, Portion, Scheduler
from benchmarks.execution.simulation import SimulatedPool, simulate
from benchmarks.execution.workers.tasks import Done, Evaluate, IdleWorker
from benchmarks.features import CacheSettings, FeatureCache
from benchmarks.run import __main__ as run
from benchmarks.run import request
from tests.full_size_data import write


@dataclass(frozen=True, eq=False)
class Fake:
    """A task of nothing but its length."""

    seconds: float
    jobs: tuple[()] = ()


Work = list[Portion[Any]]

LENGTHS = st.floats(0.01, 100)


def portions(longest: int = 12) -> st.SearchStrategy[Work]:
    tasks = st.lists(st.builds(Fake, LENGTHS), min_size=1, max_size=longest).map(tuple)
    return st.lists(st.builds(Portion, tasks, tasks, st.integers(0, 50)), min_size=1, max_size=8)


class Watched(SimulatedPool):
    """Notes what starts; loses a task where its number says so."""

    def __init__(self, workers: int, losses: dict[Any, int] | None = None) -> None:
        super().__init__(workers)
        self.started: list[tuple[float, Any]] = []
        self.ended: dict[Any, float] = {}
        self.losses = losses or {}

    def start(self, worker: IdleWorker, task: Any) -> None:
        self.started.append((self.now, task))
        super().start(worker, task)

    def finished(self) -> Iterator[tuple[IdleWorker, Any, Done | None]]:
        for worker, task, done in super().finished():
            if self.losses.get(task, 0) > 0:
                self.losses[task] -= 1
                yield worker, task, None
            else:
                self.ended[task] = self.now
                yield worker, task, done


def tasks_of(work: Work) -> list[Any]:
    return [task for one in work for task in (*one.shards, *one.cells)]


@given(portions(), st.integers(1, 9))
def test_everything_is_done_once_and_cells_after_their_images(work: Work, workers: int) -> None:
    pool = Watched(workers)
    done = [task for task, _ in flow(Scheduler(work, workers), pool)]
    assert Counter(done) == Counter(tasks_of(work))
    began = {task: when for when, task in pool.started}
    for one in work:
        whole = max(pool.ended[shard] for shard in one.shards)
        assert min(began[cell] for cell in one.cells) >= whole


@given(portions(), st.integers(1, 9))
def test_no_worker_is_idle_while_anything_could_be_done(work: Work, workers: int) -> None:
    """(Graham's bound, which every schedule keeps that never leaves a worker idle for nothing.)"""
    found = simulate(work, workers, float("inf"))
    assert found.work == pytest.approx(sum(task.seconds for task in tasks_of(work)))
    assert found.bound <= found.makespan * (1 + 1e-9)
    assert found.makespan <= (found.work / workers + found.chain) * (1 + 1e-9)


@given(portions(40))
def test_where_there_is_enough_to_do_workers_are_busy(work: Work) -> None:
    """(Enough is ten times the longest chain for each worker.)"""
    chain, total = max(one.chain for one in work), sum(task.seconds for task in tasks_of(work))
    found = simulate(work, max(1, int(total // (10 * chain))), float("inf"))
    assert found.work / (found.workers * found.makespan) >= 0.9
    assert found.makespan <= 1.1 * found.bound


@given(portions(), st.integers(1, 5), st.randoms())
def test_lost_tasks_are_handed_out_again_and_then_given_up(
    work: Work, workers: int, dice: random.Random
) -> None:
    cells = [task for one in work for task in one.cells]
    losses = {task: dice.randint(0, ATTEMPTS) for task in cells}
    pool = Watched(workers, dict(losses))
    done = [task for task, _ in flow(Scheduler(work, workers), pool)]
    assert Counter(done) == Counter(tasks_of(work))
    starts = Counter(task for _, task in pool.started)
    for task in cells:
        assert starts[task] == min(ATTEMPTS, losses[task] + 1)
        assert (task in pool.ended) == (losses[task] < ATTEMPTS)


@given(portions(), st.integers(1, 5), st.data())
def test_a_category_without_features_is_given_up_alone(
    work: Work, workers: int, data: st.DataObject
) -> None:
    broken = data.draw(st.sampled_from(work))
    pool = Watched(workers, {broken.shards[0]: ATTEMPTS})
    done = dict(flow(Scheduler(work, workers), pool))
    for one in work:
        for cell in one.cells:
            assert cell in done
            assert (cell in pool.ended) == (one is not broken)


@given(portions(), st.integers(1, 5), st.integers(1, 120))
def test_categories_in_work_keep_within_the_room(work: Work, workers: int, room: int) -> None:
    pool = Watched(workers)
    scheduler = Scheduler(work, workers, room)
    home = {task: one for one in work for task in (*one.shards, *one.cells)}
    left = Counter({id(one): len(one.shards) + len(one.cells) for one in work})
    begun: set[int] = set()
    for task, _ in flow(scheduler, pool):
        begun |= {id(home[one]) for _, one in pool.started}
        sizes = [one.size for one in work if id(one) in begun and left[id(one)]]
        assert len(sizes) == 1 or sum(sizes) <= room
        left[id(home[task])] -= 1


def test_what_lay_on_a_lost_node_is_made_again_before_cells_go_on() -> None:
    shards, cells = (Fake(1), Fake(1)), (Fake(3), Fake(2))
    scheduler = Scheduler([Portion(shards, cells)], workers=2)
    first, second = scheduler.ready("a"), scheduler.ready("b")
    assert {first, second} == set(shards)
    assert first is not None
    assert second is not None
    assert scheduler.ready("a") is None
    assert not scheduler.done(first, "a")
    assert scheduler.done(second, "b")
    assert scheduler.ready("a") is cells[0]
    scheduler.done(cells[0], "a")
    scheduler.forget("b")
    assert scheduler.ready("a") is second
    assert scheduler.ready("a") is None
    assert scheduler.done(second, "a")
    assert scheduler.ready("a") is cells[1]
    scheduler.done(cells[1], "a")
    assert not scheduler.unfinished


def test_a_worker_gets_cells_of_what_its_place_has_worked_for() -> None:
    work = [Portion((Fake(1),), (Fake(length),)) for length in (9.0, 8.5)]
    scheduler = Scheduler(work, workers=2)
    long, short = scheduler.ready("a"), scheduler.ready("b")
    assert (long, short) == (work[0].shards[0], work[1].shards[0])
    scheduler.done(work[0].shards[0], "a")
    scheduler.done(work[1].shards[0], "b")
    assert scheduler.ready("b") is work[1].cells[0]
    assert scheduler.ready("b") is work[0].cells[0]


RATES = {"patchcore-25": 1.2e-6, "patchcore-1": 5e-7, "spade": 2.9e-6, "padim": 4e-8}
METHODS = ",".join(RATES)


@pytest.mark.usefixtures("folder")
def test_a_sweep_of_mvtec_ads_size_keeps_its_workers_busy(tmp_path: Path) -> None:
    write(tmp_path / "data")
    command = ["--data", str(tmp_path / "data"), "--backbone", "filterbank", "--methods", METHODS]
    options = run._parser().parse_args([*command, "--shots", "all,1,10,50", "--seeds", "0,1,2"])
    plan = request.plan_of(options)
    to_pass = images_to_pass(plan.extractors(FeatureCache(tmp_path / "cache")), plan.work)
    assert to_pass.total() == 5354
    durations = PlanDurations(plan, Rates(RATES, {"filterbank": 0.05}), to_pass)
    for workers in (2, 8, 32):
        work = divide_work(plan.work, durations, CacheSettings(tmp_path), workers)
        tasks = [task for one in work for task in one.cells if isinstance(task, Evaluate)]
        assert sum(len(task.jobs) for task in tasks) == 15 * 4 * 4 * 3
        assert all(len(task.jobs) == 1 or task.seconds <= LONGEST_BUNDLE for task in tasks)
        assert sum(task.seconds for one in work for task in one.shards) == pytest.approx(
            0.05 * 5354
        )
        found = simulate(work, workers, float("inf"))
        assert found.work / (found.workers * found.makespan) >= 0.9
        assert found.makespan <= 1.1 * found.bound

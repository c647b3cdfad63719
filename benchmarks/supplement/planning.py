"""From the trials of the chosen parts to plans, one a protocol, and to the cells they stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import methods
from benchmarks.backbones import Choice, joined, parse
from benchmarks.datasets import Category, Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation import Job
from benchmarks.evaluation.job import KeptMaps
from benchmarks.execution import Plan, make_plan
from benchmarks.execution.plan import Request, backbone_specs, is_done, unread
from benchmarks.results import Cell, Store
from benchmarks.results.metrics_csv import category_label
from benchmarks.specs import BackboneSpec, DType, EvaluationProtocol
from benchmarks.supplement.trials import Cells, Trial
from methods.base import Variant

_MORE = {"none": 0, "errors": 1, "all": 2}


@dataclass(frozen=True)
class Maps:
    """Which maps are kept where a trial is evaluated, and which it is useless without."""

    kept: KeptMaps = "none"
    needed: KeptMaps = "none"

    def __or__(self, other: Maps) -> Maps:
        return Maps(
            max(self.kept, other.kept, key=_MORE.__getitem__),
            max(self.needed, other.needed, key=_MORE.__getitem__),
        )


Requests = Mapping[Trial, Maps]

Members = tuple[tuple[Choice, BackboneSpec], ...]
"""The backbones of an ensemble, mostly one."""


@dataclass(frozen=True)
class Group:
    """Trials of one protocol.

    Attributes:
        plan: its plan.
        jobs: category → its jobs, each with the trial that it is for. A trial of more shots than a
            category has training images has none there.
    """

    plan: Plan
    jobs: Mapping[Category, Sequence[tuple[Trial, Job]]]


def merged(parts: Iterable[Requests]) -> dict[Trial, Maps]:
    """Return every trial once, with all the maps that some part asks for."""
    found: dict[Trial, Maps] = {}
    for requests in parts:
        for trial, maps in requests.items():
            found[trial] = found.get(trial, Maps()) | maps
    return found


def groups(
    requests: Requests, dataset: Dataset, dtype: DType, *, download: bool
) -> tuple[list[Group], dict[str, str]]:
    """Return trials grouped by protocol, so that each category's features serve all of them.

    Args:
        requests: the trials.
        dataset: the data set.
        dtype: type of cached features.
        download: fetch weights that aren't here yet.

    Returns:
        The groups, and backbone → why it can't be had, or some methods can't read it.
    """
    together: dict[Trial, list[Trial]] = {}
    for trial in requests:
        together.setdefault(replace(trial, method="", shots=None, seed=0), []).append(trial)
    specs: dict[str, Members] = {}
    unavailable: dict[str, str] = {}
    for backbone in dict.fromkeys(common.backbone for common in together):
        try:
            specs[backbone] = backbone_specs(parse(backbone), download=download)
        except BenchmarkError as error:
            unavailable[backbone] = str(error)
    found: list[Group] = []
    for common, trials in together.items():
        if (members := specs.get(common.backbone)) is None:
            continue
        spec = joined([spec for _, spec in members])
        if said := unread(spec, map(_variant, trials)):
            unavailable[common.backbone] = said
        if readable := [trial for trial in trials if not unread(spec, [_variant(trial)])]:
            found.append(_group(common, readable, requests, dataset, dtype, members=members))
    return found, unavailable


def _variant(trial: Trial) -> Variant:
    return methods.resolve(trial.method)


def _group(
    common: Trial,
    trials: list[Trial],
    requests: Requests,
    dataset: Dataset,
    dtype: DType,
    *,
    members: Members,
) -> Group:
    protocol = EvaluationProtocol(
        backbone=joined([spec for _, spec in members]),
        image_size=common.image_size,
        dtype=dtype,
        mask_resize=common.mask_resize,
        resize=common.resize or 0,
        fit=common.fit,
        interpolation=common.interpolation,
    )
    wanted = [
        Request(
            _variant(trial),
            trial.shots,
            trial.seed,
            requests[trial].kept,
            requests[trial].needed,
        )
        for trial in trials
    ]
    plan = make_plan(dataset, members, protocol, wanted)
    jobs = {
        category: [
            (trial, job)
            for trial, job in zip(trials, plan.work[category], strict=True)
            if (trial.shots or 0) <= len(category.train)
        ]
        for category in dataset.categories
    }
    work = {category: [job for _, job in pairs] for category, pairs in jobs.items()}
    return Group(replace(plan, work=work), jobs)


def restricted(group: Group, requests: Requests) -> Group:
    """Return what of a group is requested, with the maps that are, and the levels that it reads."""
    jobs = {
        category: [
            (trial, replace(job, kept_maps=maps.kept, needed_maps=maps.needed))
            for trial, job in pairs
            if (maps := requests.get(trial))
        ]
        for category, pairs in group.jobs.items()
    }
    work = {category: [job for _, job in pairs] for category, pairs in jobs.items()}
    every = [job for own in work.values() for job in own]
    levels = sorted({level for job in every for level in job.parameters.levels})
    return Group(replace(group.plan, work=work, levels=tuple(levels)), jobs)


def adopt(group: Group, store: Store) -> None:
    """Take over what other runs beside `store` have already stored of a group."""
    others = beside(store)
    for jobs in group.plan.missing(store).values():
        for job in jobs:
            if source := next((other for other in others if is_done(other, job)), None):
                store.adopt(job.spec, source)


def beside(store: Store) -> list[Store]:
    """Return the runs in the same folder, by name."""
    runs = {cells.parent for cells in store.run.parent.glob("*/cells")} - {store.run}
    return [Store(run) for run in sorted(runs)]


def collect(found: Iterable[Group], store: Store) -> Cells:
    """Return trial → category → its stored cell."""
    cells: dict[Trial, dict[str, Cell]] = {}
    for group in found:
        for category, pairs in group.jobs.items():
            for trial, job in pairs:
                if cell := store.find(job.spec):
                    cells.setdefault(trial, {})[category_label(category.name)] = cell
    return cells

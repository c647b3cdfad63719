"""From the trials of the chosen parts to plans, one a protocol, and to the cells they stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import methods
from benchmarks.backbones.choice import Choice, ensemble_spec, parse
from benchmarks.backbones.loading import backbone_specs
from benchmarks.datasets import Category, Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.job import Job, KeptMaps
from benchmarks.evaluation.scoring import describe_missing_levels
from benchmarks.execution import Plan, make_plan
from benchmarks.execution.dry_run import Work
from benchmarks.execution.plan import Request, is_done
from benchmarks.results import Cell, Store
from benchmarks.results.folders import find_runs_beside
from benchmarks.results.metrics_csv import category_label
from benchmarks.specs import BackboneSpec, DType, EvaluationProtocol
from benchmarks.supplement.trials import Cells, Trial

_more = partial(max, key=("none", "errors", "all").index)
"""The greater of two amounts of maps."""


@dataclass(frozen=True)
class Maps:
    """Which maps are kept where a trial is evaluated, and which it is useless without."""

    kept: KeptMaps = "none"
    needed: KeptMaps = "none"

    def __or__(self, other: Maps) -> Maps:
        return Maps(_more(self.kept, other.kept), _more(self.needed, other.needed))


NO_MAPS = Maps()

Requests = Mapping[Trial, Maps]

Members = tuple[tuple[Choice, BackboneSpec], ...]
"""The backbones of an ensemble, mostly one."""


@dataclass(frozen=True)
class Group:
    """Trials of one protocol.

    Attributes:
        plan: its plan. A trial of more shots than a category has training images has no job there.
        trials: a job's method, shots and seed → the trial that it is for.
    """

    plan: Plan
    trials: Mapping[tuple[str, int | None, int], Trial]

    def jobs(self) -> Iterator[tuple[Category, Trial, Job]]:
        """Yield every job of the plan, with its category and its trial."""
        for category, jobs in self.plan.work.items():
            for job in jobs:
                spec = job.spec
                yield category, self.trials[spec.method, spec.shots, spec.seed], job


def merge(parts: Iterable[Requests]) -> dict[Trial, Maps]:
    """Return every trial once, with all the maps that some part asks for."""
    merged: dict[Trial, Maps] = {}
    for requests in parts:
        for trial, maps in requests.items():
            merged[trial] = merged.get(trial, NO_MAPS) | maps
    return merged


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
    alike: dict[Trial, list[Trial]] = {}
    for trial in requests:
        alike.setdefault(replace(trial, method="", shots=None, seed=0), []).append(trial)
    members: dict[str, Members] = {}
    unavailable: dict[str, str] = {}
    for backbone in dict.fromkeys(common.backbone for common in alike):
        try:
            members[backbone] = backbone_specs(parse(backbone), download=download)
        except BenchmarkError as error:
            unavailable[backbone] = str(error)
    grouped: list[Group] = []
    for common, trials in alike.items():
        if common.backbone not in members:
            continue
        protocol = _protocol(common, members[common.backbone], dtype)
        variants = {trial: methods.resolve(trial.method) for trial in trials}
        if said := describe_missing_levels(protocol.backbone, variants.values()):
            unavailable[common.backbone] = said
        wanted = {
            trial: Request(
                variant, trial.shots, trial.seed, requests[trial].kept, requests[trial].needed
            )
            for trial, variant in variants.items()
            if not describe_missing_levels(protocol.backbone, [variant])
        }
        if wanted:
            plan = make_plan(dataset, members[common.backbone], protocol, wanted.values())
            work = {
                category: [job for job in jobs if (job.spec.shots or 0) <= len(category.train)]
                for category, jobs in plan.work.items()
            }
            named = {(variants[t].name, t.shots, t.seed): t for t in wanted}
            grouped.append(Group(replace(plan, work=work), named))
    return grouped, unavailable


def _protocol(common: Trial, members: Members, dtype: DType) -> EvaluationProtocol:
    return EvaluationProtocol(
        backbone=ensemble_spec([spec for _, spec in members]),
        image_size=common.image_size,
        dtype=dtype,
        mask_resize=common.mask_resize,
        resize=common.resize or 0,
        fit=common.fit,
        interpolation=common.interpolation,
    )


def restrict(group: Group, requests: Requests) -> Plan:
    """Return what of a group is requested, with the maps that are, and the levels that it reads."""
    work: dict[Category, list[Job]] = {category: [] for category in group.plan.work}
    for category, trial, job in group.jobs():
        if maps := requests.get(trial):
            asked = replace(job, kept_maps=maps.kept, needed_maps=maps.needed)
            work[category].append(asked)
    levels = {level for jobs in work.values() for job in jobs for level in job.parameters.levels}
    return replace(group.plan, work=work, levels=tuple(sorted(levels)))


def missing_of(requests: Requests, groups: Iterable[Group], store: Store, *, force: bool) -> Work:
    """Return the plans of what is requested, with what neither `store` nor a run beside it has.

    Args:
        requests: a part's, or several parts' merged.
        groups: those of at least that.
        store: where cells go to.
        force: whether stored cells count as missing.
    """
    plans = [restrict(group, requests) for group in groups]
    return [(plan, plan.missing(store, *stores_beside(store), force=force)) for plan in plans]


def adopt(groups: Iterable[Group], store: Store) -> None:
    """Copy to `store` what other runs beside it have already stored of some groups."""
    others = stores_beside(store)
    for job in (
        job for group in groups for jobs in group.plan.missing(store).values() for job in jobs
    ):
        if source := next((other for other in others if is_done(other, job)), None):
            store.adopt(job.spec, source)


def stores_beside(store: Store) -> list[Store]:
    """Return the runs in the same folder, by name."""
    return [Store(run) for run in find_runs_beside(store.run, "cells") if run != store.run]


def collect(groups: Iterable[Group], store: Store) -> Cells:
    """Return trial → category → its stored cell."""
    cells: dict[Trial, dict[str, Cell]] = {}
    for group in groups:
        for category, trial, job in group.jobs():
            if cell := store.find(job.spec):
                cells.setdefault(trial, {})[category_label(category.name)] = cell
    return cells

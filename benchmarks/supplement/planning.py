"""From the trials of the chosen parts to plans, one a protocol, and to the cells they stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import methods
from benchmarks.backbones.choice import Choice, ensemble_spec, parse
from benchmarks.backbones.loading import backbone_specs
from benchmarks.datasets import Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.job import KeptMaps
from benchmarks.evaluation.scoring import describe_missing_levels
from benchmarks.execution import Plan, make_plan
from benchmarks.execution.plan import Request, is_done
from benchmarks.results import Cell, Store
from benchmarks.results.folders import find_runs_beside
from benchmarks.results.result_set import category_of
from benchmarks.specs import BackboneSpec, DType, EvaluationProtocol
from benchmarks.supplement.trials import Cells, Trial

NO_MAPS, MAPS_KEPT, MAPS_NEEDED, ALL_MAPS = range(4)
"""Amounts of maps; of two that are asked for, the greater counts."""

_MAPS: tuple[tuple[KeptMaps, KeptMaps], ...] = (
    *(("none", "none"), ("errors", "none"), ("errors", "errors"), ("all", "all")),
)
"""Amount → which maps are kept where a trial is evaluated, and which it is useless without."""

Requests = Mapping[Trial, int]
"""Trial → the amount of maps."""

Members = tuple[tuple[Choice, BackboneSpec], ...]
"""The backbones of an ensemble, mostly one."""


class Group(NamedTuple):
    """Trials of one protocol.

    Attributes:
        plan: its plan. A trial of more shots than a category has training images has no job there.
        trials: a job's method, shots and seed → the trial that it is for.
    """

    plan: Plan
    trials: Mapping[tuple[str, int | None, int], Trial]


def merge(parts: Iterable[Requests]) -> dict[Trial, int]:
    """Return every trial once, with the greatest amount of maps that some part asks for."""
    merged: dict[Trial, int] = {}
    for requests in parts:
        merged |= {trial: max(maps, merged.get(trial, 0)) for trial, maps in requests.items()}
    return merged


class Planning:
    """Makes plans, and knows what can't be had for them.

    Args:
        dataset: the data set.
        dtype: type of cached features.
        download: fetch weights that aren't here yet.

    Attributes:
        unavailable: backbone → why it can't be had, or some methods can't read it.
    """

    def __init__(self, dataset: Dataset, dtype: DType, *, download: bool) -> None:
        self._dataset, self._dtype, self._download = dataset, dtype, download
        self._members: dict[str, Members] = {}
        self.unavailable: dict[str, str] = {}

    def groups(self, requests: Requests) -> list[Group]:
        """Return trials grouped by protocol, so that each category's features serve all of them."""
        alike: dict[Trial, list[Trial]] = {}
        for trial in requests:
            alike.setdefault(replace(trial, method="", shots=None, seed=0), []).append(trial)
        groups = (self._group(common, trials, requests) for common, trials in alike.items())
        return [group for group in groups if group]

    def _group(self, common: Trial, trials: Iterable[Trial], requests: Requests) -> Group | None:
        """Return the group of trials that are alike; None where nothing can evaluate them."""
        if not (members := self._members_of(common.backbone)):
            return None
        protocol = EvaluationProtocol(
            ensemble_spec([spec for _, spec in members]),
            common.image_size,
            self._dtype,
            common.mask_resize,
            resize=common.resize or 0,
            fit=common.fit,
            interpolation=common.interpolation,
        )
        variants = {trial: methods.resolve(trial.method) for trial in trials}
        if said := describe_missing_levels(protocol.backbone, variants.values()):
            self.unavailable.setdefault(common.backbone, said)
        wanted = {
            trial: Request(variant, trial.shots, trial.seed, *_MAPS[requests[trial]])
            for trial, variant in variants.items()
            if not describe_missing_levels(protocol.backbone, [variant])
        }
        if not wanted:
            return None
        plan = make_plan(self._dataset, members, protocol, wanted.values())
        work = {
            category: [job for job in jobs if (job.spec.shots or 0) <= len(category.train)]
            for category, jobs in plan.work.items()
        }
        named = {(variants[t].name, t.shots, t.seed): t for t in wanted}
        return Group(replace(plan, work=work), named)

    def _members_of(self, backbone: str) -> Members:
        """Return the backbones of an ensemble, none where they can't be had; looks but once."""
        if backbone not in {*self._members, *self.unavailable}:
            try:
                self._members[backbone] = backbone_specs(parse(backbone), download=self._download)
            except BenchmarkError as error:
                self.unavailable[backbone] = str(error)
        return self._members.get(backbone, ())


def adopt(groups: Iterable[Group], store: Store) -> None:
    """Copy to `store` what other runs beside it have already stored of some groups."""
    others = stores_beside(store)
    for job in chain.from_iterable(jobs for g in groups for jobs in g.plan.missing(store).values()):
        if source := next((other for other in others if is_done(other, job)), None):
            store.adopt(job.spec, source)


def stores_beside(store: Store) -> list[Store]:
    """Return the runs in the same folder, by name."""
    return [Store(run) for run in find_runs_beside(store.run, "cells") if run != store.run]


def collect(groups: Iterable[Group], store: Store) -> Cells:
    """Return trial → category → its stored cell."""
    cells: dict[Trial, dict[str, Cell]] = {}
    for plan, trials in groups:
        for spec in plan.specs:
            if cell := store.find(spec):
                trial = trials[spec.method, spec.shots, spec.seed]
                cells.setdefault(trial, {})[category_of(cell)] = cell
    return cells

"""What `benchmarks.supplement` does once its command line is read: evaluates, makes the parts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import methods
from benchmarks import chosen
from benchmarks.backbones.choice import without_overrides
from benchmarks.console import say, show
from benchmarks.datasets import KNOWN, Dataset
from benchmarks.datasets.known import is_complete
from benchmarks.errors import BenchmarkError
from benchmarks.execution import run_plan, say_changed_code, summary
from benchmarks.execution.dry_run import Work, needs
from benchmarks.execution.progress.forecast import rates
from benchmarks.features import FeatureCache
from benchmarks.files import require_writable, write_file
from benchmarks.reproduction.published_values import DATASET
from benchmarks.results import Store
from benchmarks.results.folders import default_run, plots_folder
from benchmarks.results.lock import only_writer
from benchmarks.results.metrics_csv import category_label
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.parts import PARTS, requests, tables
from benchmarks.supplement.planning import Group, Planning, adopt, collect, merge, stores_beside
from benchmarks.supplement.trials import NAMES, Settings, chosen_settings
from benchmarks.tables.rendering import captioned_table

ALL = "all of these"
"""The row of all parts above it."""

_HEADER = ("part", "cells", "stored", "missing", "images to pass", "features", "methods take")

_CAPTION = (
    f"What each part takes by itself; {ALL}: what parts share counts once. Features are what the "
    "cache will hold besides; methods take in proportion to earlier cells."
)


def make_supplement(options: argparse.Namespace) -> int:
    """Evaluate what the parts lack, and make them; return 1 where something is left, else 0.

    Raises:
        BenchmarkError: a part or a backbone is unknown, or the data can't be used.
    """
    for problem in methods.problems():
        say(f"warning: {problem}")
    parts = list(dict.fromkeys(options.parts)) or [*NAMES[:-1]]
    if unknown := [part for part in parts if part not in PARTS]:
        raise BenchmarkError(f"unknown part {unknown[0]!r}: known are {', '.join(PARTS)}")
    dataset = chosen.chosen_dataset(options)
    if dataset.name != DATASET:
        if "verdicts" in options.parts:
            raise BenchmarkError(
                f"verdicts: nothing is published on {dataset.name} here: leave the part out, or "
                "name MVTec AD's folder with --data"
            )
        parts = [part for part in parts if part != "verdicts"]
    settings = chosen_settings(options, synthetic=dataset.synthetic)
    named = default_run(dataset.name, without_overrides(settings.backbone), settings.image_size)
    run = options.out or named.with_name(f"{named.name}-supplement")
    store = Store(run)
    if options.dry_run:
        return _forecast(options, settings, parts, dataset, store)
    planning = Planning(dataset, options.dtype, download=True)
    groups = planning.groups(merge(requests(part, settings) for part in parts))
    _say_left_out(planning.unavailable)
    require_writable(run)
    names = tuple(category.name for category in dataset.categories)
    whole = is_complete(dataset.name, names) if dataset.name in KNOWN else not options.categories
    shown = tuple(map(category_label, names))
    plots = run / "plots" if options.out else plots_folder(run)
    with only_writer(run):
        left = _evaluate(groups, store, options)
        cells = collect(groups, store)
        evaluated = EvaluatedTrials(settings, cells, shown, dataset.name, whole, run)
        for path in _write(evaluated, parts, plots):
            show(str(path))
    if dataset.synthetic:
        say(chosen.NOTICE)
    return 1 if left or planning.unavailable else 0


def _say_left_out(unavailable: Mapping[str, str]) -> None:
    for backbone, reason in unavailable.items():
        say(f"left out: {backbone}: {reason}")


def _forecast(
    options: argparse.Namespace,
    settings: Settings,
    parts: Sequence[str],
    dataset: Dataset,
    store: Store,
) -> int:
    """Show what each part would take, the others below the sum, then the sum at length."""
    asked = {part: requests(part, settings) for part in parts}
    rows = {**asked, ALL: merge(asked.values())}
    if not options.parts:
        rows |= {part: requests(part, settings) for part in NAMES[-1:]}
    planning, others = Planning(dataset, options.dtype, download=False), stores_beside(store)
    work: dict[str, Work] = {}
    for name, requested in rows.items():
        plans = [plan for plan, _ in planning.groups(requested)]
        missing = [plan.missing(store, *others, force=options.force) for plan in plans]
        work[name] = list(zip(plans, missing, strict=True))
    _say_left_out(planning.unavailable)
    cache, (device, workers) = chosen.chosen_cache(options), chosen.simulated_machine(options)
    show(_by_part(work, store.run, cache, device))
    show(summary(work[ALL], store.run, cache, device, workers))
    return 0


def _by_part(work: Mapping[str, Work], run: Path, cache: FeatureCache, device: str) -> str:
    """Return a table, a row a part, of what is missing of it, and what that takes on a device."""
    known, rows = rates(run, device), []
    for part, of_part in work.items():
        needed = needs(of_part, known, cache)
        counts = (needed.cells, needed.cells - needed.left, needed.left, needed.images)
        count = len(needed.unknown)
        unknown = f"unknown of {count} method{'s' * (count > 1)}" if count else ""
        time = "; ".join(filter(None, (needed.minutes, unknown))) or "–"
        rows.append([part, *counts, f"{needed.size / 1e9:.2f} GB", time])
    return captioned_table(_CAPTION, _HEADER, rows, labels=1, style="simple")


def _evaluate(groups: Sequence[Group], store: Store, options: argparse.Namespace) -> bool:
    """Evaluate what neither the store nor a run beside it has; return whether anything is left."""
    if not options.force:
        adopt(groups, store)
    work = [(group.plan, group.plan.missing(store, force=options.force)) for group in groups]
    for plan, missing in work:
        say_changed_code(plan, missing, store)
        if not missing:
            store.ask(plan.specs, plan.dataset.place)
    counts = []
    left = [(plan, missing) for plan, missing in work if missing]
    if left:
        cache = chosen.chosen_cache(options)
        with chosen.chosen_machine(options) as machine:
            counts = [run_plan(plan, missing, store, cache, machine) for plan, missing in left]
    store.write_metrics(lambda line: say(f"warning: {line}"))
    passes = sum(count.passes for count in counts)
    evaluated = sum(len(jobs) for _, missing in left for jobs in missing.values())
    say(f"{evaluated} cells evaluated, {passes} images passed a backbone; all is in {store.run}")
    failed = any(count.failed for count in counts)
    return failed or any(group.plan.missing(store) for group in groups)


def _write(evaluated: EvaluatedTrials, parts: Sequence[str], plots: Path) -> Iterator[Path]:
    """Write the tables of some parts into the run, the figures into `plots`; yield the paths."""
    from benchmarks.figures.style import look, save
    from benchmarks.figures.writing import say_boxes

    written = []
    for part in parts:
        for name, text in tables(part, evaluated):
            path = evaluated.run / "tables" / name
            write_file(path, text.encode())
            yield path
        with look():
            for name, figure in PARTS[part].figures(evaluated):
                if name.startswith(part):
                    written.append(save(figure, plots, name))
                    yield from written[-1].paths
    say_boxes(written)

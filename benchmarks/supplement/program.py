"""What `benchmarks.supplement` does once its command line is read: evaluates, makes the parts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import methods
from benchmarks.backbones.choice import parse, split, without_overrides
from benchmarks.chosen import (
    NOTICE,
    chosen_cache,
    chosen_dataset,
    chosen_machine,
    simulated_machine,
)
from benchmarks.console import say, show
from benchmarks.datasets import KNOWN, Dataset
from benchmarks.datasets.known import is_complete
from benchmarks.errors import BenchmarkError
from benchmarks.execution import run_plan, say_changed_code, summary
from benchmarks.execution.dry_run import Work
from benchmarks.files import require_writable, write_file
from benchmarks.options import integers
from benchmarks.reproduction.published_values import DATASET
from benchmarks.results import Store
from benchmarks.results.folders import default_run, plots_folder
from benchmarks.results.lock import only_writer
from benchmarks.results.metrics_csv import category_label
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.forecast import ALL, by_part
from benchmarks.supplement.parts import PARTS, requests
from benchmarks.supplement.planning import Group, Planning, adopt, collect, merge, stores_beside
from benchmarks.supplement.trials import BACKBONES, EMBEDDED_SIZE, NAMES, PAPER_SIZE, Settings


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
    dataset = chosen_dataset(options)
    if dataset.name != DATASET:
        if "verdicts" in options.parts:
            raise BenchmarkError(
                f"verdicts: nothing is published on {dataset.name} here: leave the part out, or "
                "name MVTec AD's folder with --data"
            )
        parts = [part for part in parts if part != "verdicts"]
    settings = _settings(options, dataset)
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
        say(NOTICE)
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
    cache, (device, workers) = chosen_cache(options), simulated_machine(options)
    show(by_part(work, store.run, cache, device))
    show(summary(work[ALL], store.run, cache, device, workers))
    return 0


def _settings(options: argparse.Namespace, dataset: Dataset) -> Settings:
    chosen: dict[str, str] = {
        name: getattr(options, name) or (embedded if dataset.synthetic else real)
        for name, (_, real, embedded) in BACKBONES.items()
    }
    for backbone in chosen.values():
        for name in split(backbone):
            parse(name)  # a misspelt one stops everything, not only its rows
    backbones = tuple(dict.fromkeys(split(chosen.pop("backbones"))))
    seeds = tuple(integers(options.seeds, "--seeds", 0))
    size = options.image_size or (EMBEDDED_SIZE if dataset.synthetic else PAPER_SIZE)
    return Settings(**chosen, backbones=backbones, image_size=size, seeds=seeds)


def _evaluate(groups: Sequence[Group], store: Store, options: argparse.Namespace) -> bool:
    """Evaluate what neither the store nor a run beside it has; return whether anything is left."""
    if not options.force:
        adopt(groups, store)
    work = [(group.plan, group.plan.missing(store, force=options.force)) for group in groups]
    for plan, missing in work:
        say_changed_code(plan, missing, store)
        if not missing:
            store.ask(plan.specs, plan.dataset.place)
    counts, left = [], [(plan, missing) for plan, missing in work if missing]
    if left:
        cache = chosen_cache(options)
        with chosen_machine(options) as machine:
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
        for name, text in PARTS[part].tables(evaluated):
            path = evaluated.run / "tables" / name
            write_file(path, text.encode())
            yield path
        with look():
            for name, figure in PARTS[part].figures(evaluated):
                if name.startswith(part):
                    written.append(save(figure, plots, name))
                    yield from written[-1].paths
    say_boxes(written)

"""What `benchmarks.run` does once its command line is read: evaluates, and shows what is stored."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import methods
from benchmarks.backbones.loading import check_size
from benchmarks.backbones.timm_networks import DINO
from benchmarks.chosen import NOTICE, chosen_cache, chosen_machine, simulated_machine
from benchmarks.console import say, show
from benchmarks.evaluation.device import free_memory
from benchmarks.execution import Plan, run_plan, say_changed_code, summary
from benchmarks.execution.plan import JobsByCategory
from benchmarks.features import FeatureCache
from benchmarks.figures import writing
from benchmarks.figures.ahead import Ahead
from benchmarks.files import require_writable, write_file
from benchmarks.report.page import write_report
from benchmarks.results import Store, derived, result_sets
from benchmarks.results.command import unless_read_only
from benchmarks.results.folders import plots_folder, report_path
from benchmarks.results.lock import only_writer
from benchmarks.results.plans import as_toml
from benchmarks.run.plan_file import plan_to_store
from benchmarks.run.request import (
    plan_of,
    require_room,
    run_folder,
    say_promises,
    say_what_is_cut_off,
)
from benchmarks.tables.metric_tables import terminal_tables, write_tables


def list_methods() -> int:
    """Print the methods with their parameters, and timm's DINO networks; return 0."""
    _warn_of_packages()
    for name in methods.names():
        try:
            parameters = asdict(methods.resolve(name).parameters)
        except methods.MethodNameError as error:
            say(f"warning: {error}")
            continue
        values = ", ".join(f"{key}={value}" for key, value in parameters.items())
        show(f"{name:15} {values}")
    for name in DINO:
        patch = name.partition("_patch")[2][:2]
        show(f"--backbone timm/{name:38} --image-size: a multiple of {patch}")
    return 0


def _warn_of_packages() -> None:
    for problem in methods.problems():
        say(f"warning: {problem}")


def run_methods(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Evaluate what is missing and show the run; return 1 where cells failed or are left, else 0.

    Args:
        options: the command line's, after the plan's.
        parser: knows each option's default, for the plan that is stored.
    """
    _warn_of_packages()
    plan, cache = plan_of(options), chosen_cache(options)
    run, stored_plan = run_folder(options, plan), plan_to_store(parser, options, plan)
    if options.save_plan:
        write_file(options.save_plan, as_toml(stored_plan))
    if options.dry_run:
        missing = _missing(plan, Store(run), options)
        for job in itertools.chain.from_iterable(missing.values()):
            show(job.spec.label)
        device, workers = simulated_machine(options)
        show(summary([(plan, missing)], run, cache, device, workers))
        return 0
    plots = run / "plots" if options.out else plots_folder(run)
    with only_writer(run), Ahead(run, plots) as ahead:
        left = _evaluate(plan, Store(run), cache, options, stored_plan, ahead=ahead)
        _show(run, plots, options.metrics, ahead)
    if plan.dataset.synthetic:
        say(NOTICE)
    return 1 if left else 0


def _missing(plan: Plan, store: Store, options: argparse.Namespace) -> JobsByCategory:
    missing = plan.missing(store, force=options.force)
    say_what_is_cut_off(plan.protocol, missing)
    say_promises(options.calibrate, missing)
    say_changed_code(plan, missing, store)
    if plan.protocol.tiles > 1:
        device, _ = simulated_machine(options)
        require_room(plan, missing, int((options.memory_gb or 0) * 1e9) or free_memory(device) // 2)
    if missing:
        for choice, _ in plan.members:
            check_size(choice, plan.protocol.image_size, plan.protocol.tiles)
    return missing


def _evaluate(
    plan: Plan,
    store: Store,
    cache: FeatureCache,
    options: argparse.Namespace,
    stored_plan: Mapping[str, object],
    *,
    ahead: Ahead,
) -> bool:
    """Evaluate what the store lacks; return whether anything failed or is still missing."""
    missing, run = _missing(plan, store, options), store.run
    if not missing:
        store.ask(plan.specs, plan.dataset.place)
        say(f"nothing left to do: all cells are stored in {run} (--force evaluates again)")
        return False
    require_writable(run)
    with chosen_machine(options) as machine:
        if machine.device != "cpu":  # on which there is nothing to overlap with
            ahead.begin({category.name: len(jobs) for category, jobs in missing.items()})
        passes, failed = run_plan(
            plan, missing, store, cache, machine, options=stored_plan, stored=ahead.stored
        )
    say(f"{passes} images passed the backbone; every cell is in {run}")
    return bool(failed or plan.missing(store))


def _show(run: Path, plots: Path, metrics: Sequence[str], ahead: Ahead) -> None:
    """Print the tables, and write them, the figures and the report unless they match the cells."""
    sets = result_sets(run)
    show(terminal_tables(sets, metrics))
    if derived.is_current(run, metrics):
        return
    with unless_read_only(run):
        written = [*write_tables(sets), *writing.write_figures(sets, plots, drawn=ahead.drawn())]
        say(f"{len(written)} tables and figures written to {run / 'tables'} and {plots}")
        report = write_report([sets], report_path([run]), metrics)
        say(f"everything on one page: {report}")
        derived.record(run, [*written, report], metrics)

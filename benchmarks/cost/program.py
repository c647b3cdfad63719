"""What `benchmarks.cost` does once its command line is read: fits each method, and times it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import methods
from benchmarks.backbones.choice import Choice, choices
from benchmarks.chosen import chosen_datasets, most_agreeing
from benchmarks.console import say, show
from benchmarks.cost.measuring import measure_cost
from benchmarks.datasets import Dataset
from benchmarks.detection.detector import detector_of
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.device import choose_device
from benchmarks.figures.pareto import figures
from benchmarks.figures.writing import drawings, write_drawings
from benchmarks.files import require_writable
from benchmarks.results import Cell, ResultSet, result_sets
from benchmarks.results.costs import Cost, write_costs
from benchmarks.results.folders import find_run, plots_folder
from benchmarks.results.plans import kept_plans
from benchmarks.results.result_set import category_of
from benchmarks.tables.costs import cost_table
from methods.lazy import torch


def time_methods(options: argparse.Namespace) -> int:
    """Time a run's methods, store and show what they cost; return 0.

    Raises:
        BenchmarkError: none of them can be timed here, or a method is named that the run hasn't.
    """
    run, device = find_run(options.run), choose_device(options.device)
    require_writable(run)
    if options.threads:
        torch.set_num_threads(options.threads)
    sets, datasets = result_sets(run), chosen_datasets(run, options)
    known = dict.fromkeys(method for results in sets for method in results.methods)
    wanted = methods.split(options.methods) if options.methods else [*known]
    if unknown := [name for name in wanted if name not in known]:
        raise BenchmarkError(f"--methods {unknown[0]}: {run} has {', '.join(known)}")
    costs: list[Cost] = []
    for results in sets:
        dataset = most_agreeing(results, datasets)
        for cell, method in _cells(results, dataset, wanted):
            say(
                f"{method} on {category_of(cell)}: fitting, then {options.images} images one by one"
            )
            try:
                costs.append(_cost(cell, method, dataset, device, options))
            except BenchmarkError as error:
                say(f"{method} isn't timed: {error}")
                continue
            write_costs(run, costs)
    if not costs:
        raise BenchmarkError(f"{run}: none of its methods can be timed here")
    show(cost_table(costs))
    for path in write_drawings(drawings(sets, figures), plots_folder(run)):
        say(str(path))
    say(f"python -m benchmarks.report {options.run} shows these costs in the report")
    return 0


def _cells(
    results: ResultSet, dataset: Dataset, wanted: Sequence[str]
) -> Iterator[tuple[Cell, str]]:
    """Yield a cell of each method, all of one category where one has them all."""
    fingerprints = {category.name: category.fingerprint for category in dataset.categories}
    for method in (method for method in results.methods if method in wanted):
        spec = results.columns[method][0].spec
        if method in results.imported or spec.protocol.backbone.members > 1 or spec.contamination:
            say(f"{method}: imported maps, ensembles and contaminated images aren't timed")
            continue
        cells = [results.first.get((category, method)) for category in results.categories]
        done = [cell for cell in cells if cell and cell.status == "ok"]
        seen = [c for c in done if fingerprints.get(c.spec.category) == c.spec.dataset_fingerprint]
        if not seen:
            why = f"none of its categories is in {dataset.root} as it was; name --data"
            say(f"{method} isn't timed: {why if done else 'all of its cells failed'}")
        yield from ((cell, method) for cell in seen[:1])


def _cost(
    cell: Cell, method: str, dataset: Dataset, device: str, options: argparse.Namespace
) -> Cost:
    category = next(c for c in dataset.categories if c.name == cell.spec.category)
    detector = detector_of(cell.spec, _known_backbones(options), device)
    detector.fit([sample.path for sample in category.train])
    files = [sample.path for sample in category.test]
    return measure_cost(detector, files, options.images, cell=cell.spec.key, method=method)


def _known_backbones(options: argparse.Namespace) -> list[Choice]:
    """Return the backbones of the run's plans, with the weights of --weights, where it is given."""
    known: list[Choice] = []
    for plan in kept_plans(find_run(options.run)):
        weights, layers = plan.get("weights"), plan.get("layers")
        file = options.weights or (Path(str(weights)) if weights else None)
        known += choices(str(plan["backbone"]), file, str(layers) if layers else None)
    return known

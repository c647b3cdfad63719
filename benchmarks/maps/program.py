"""What `benchmarks.maps` does once its command line is read: imports maps, or exports them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import methods
from benchmarks.chosen import chosen_dataset, chosen_datasets, chosen_size, most_agreeing
from benchmarks.console import say, show
from benchmarks.datasets import Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.job import KeptMaps
from benchmarks.features import Crops, FeatureCache
from benchmarks.files import require_writable
from benchmarks.maps import exporting, image_scores, importing
from benchmarks.maps.exporting import Exported, export_category, find_method, folder_of
from benchmarks.maps.folder import folders_of_methods
from benchmarks.maps.importing import UNKNOWN, CheckedMaps, ImportedMaps, column, protocol_of
from benchmarks.results import Cell, Store, result_sets
from benchmarks.results.agreement import Measure, differing_data, measures
from benchmarks.results.folders import default_run, find_run
from benchmarks.results.lock import only_writer
from benchmarks.specs import IMPORTED, EvaluationProtocol
from benchmarks.tables.metric_tables import terminal_tables

_BEFORE = ("pad", "square")
"""Fit and score area of padded cells from before their images were scored without the border."""


def import_maps(options: argparse.Namespace) -> int:
    """Store the maps of the command line as cells; return 1 where one failed, else 0."""
    if not options.maps.is_dir():
        raise BenchmarkError(f"{options.maps}: no such folder of maps")
    dataset = chosen_dataset(options)
    names = [category.name for category in dataset.categories]
    if len(below := folders_of_methods(options.maps, names)) > 1:
        named = ", ".join(map(str, below))
        raise BenchmarkError(f"{options.maps} holds folders of several maps: name one of {named}")
    imported = _imported(options)
    store = Store(options.out or Path("results"))
    stored = store.standing(lambda line: say(f"warning: {line}")).cells if options.out else []
    protocol = protocol_of(_chosen_measure(options, dataset, stored))
    if not options.out:
        store = Store(default_run(dataset.name, IMPORTED, protocol.image_size))
        stored = store.standing().cells
    require_writable(store.run)
    checked = [importing.check_category(imported, dataset, c, protocol) for c in dataset.categories]
    if different := differing_data(stored, [Cell(maps.spec, "failed") for maps in checked]):
        raise BenchmarkError(f"{store.run}: {different}; name another run with --out")
    _say_what_else_lies_there(imported, checked, stored)
    with only_writer(store.run):
        failures = _store(checked, dataset, store, options)
        show(terminal_tables(result_sets(store.run)))
    images = sum(len(category.test) for category in dataset.categories)
    say(f"{images} maps read; python -m benchmarks.report {store.run} shows them beside the rest")
    return 1 if failures else 0


def _imported(options: argparse.Namespace) -> ImportedMaps:
    if bool(options.held_out) != bool(options.calibrate):
        raise BenchmarkError(
            "--calibrate and --held-out belong together: how many training images weren't fitted "
            "to, and their scores"
        )
    files = options.scores, options.held_out
    scores, held_out = (image_scores.read(file) if file else None for file in files)
    named = options.maps, column(options.name), options.seed
    return ImportedMaps(*named, scores, options.calibrate, held_out)


def _chosen_measure(
    options: argparse.Namespace, dataset: Dataset, cells: Sequence[Cell]
) -> Measure:
    """Return the one measure of a run's cells that agrees with the options, or the options' own.

    Args:
        options: those that `Measure` names, None where not said.
        dataset: whose maps are imported.
        cells: the run's.

    Raises:
        BenchmarkError: several of the run's measures agree, or none; or the options are at odds.
    """
    given = vars(options)
    wanted = {name: given[name] for name in Measure._fields if given.get(name) is not None}
    known = measures(cell for cell in cells if cell.spec.dataset == dataset.name)
    if not known:
        size = chosen_size(options, dataset, options.fit or EvaluationProtocol.fit)
        return Measure.of(EvaluationProtocol(UNKNOWN, **{**wanted, "image_size": size}))
    agreeing = [measure for measure in known if wanted.items() <= measure._asdict().items()]
    later = [measure for measure in agreeing if (measure.fit, measure.score_area) != _BEFORE]
    agreeing = later or agreeing
    if len(agreeing) == 1:
        return agreeing[0]
    stored = "; ".join(map(str, agreeing or known))
    if agreeing:
        raise BenchmarkError(
            f"{options.out} holds cells of several crops ({stored}): say which with --image-size, "
            "--fit, --resize, --mask-resize, --interpolation or --regions"
        )
    named = ", ".join(f"--{name}".replace("_", "-") for name in wanted)
    raise BenchmarkError(
        f"{options.out} holds cells of {stored}, beside which another crop can't stand: leave "
        f"{named} out, or name another --out"
    )


def _store(
    checked: Sequence[CheckedMaps], dataset: Dataset, store: Store, options: argparse.Namespace
) -> int:
    """Measure and store the maps of each category; return how many failed."""
    crops = Crops(FeatureCache(options.cache, 0), dataset.name, checked[0].spec.protocol)
    kept: KeptMaps = "all" if options.save_maps else "errors"
    failures = 0
    for maps in checked:
        result = importing.import_category(maps, crops=crops, kept_maps=kept)
        store.ask([maps.spec], dataset.place)
        cell = result.store(store, dataset.place)
        result.say_hints()
        if cell.status == "failed":
            say(f"{cell.spec.label}: FAILED: {cell.failure}")
            failures += 1
        if options.raises:
            result.raise_failure()
    store.write_metrics(lambda line: say(f"warning: {line}"))
    return failures


def _say_what_else_lies_there(
    imported: ImportedMaps, checked: Sequence[CheckedMaps], stored: Sequence[Cell]
) -> None:
    """Say which files are left out, and which stored maps give their place to these."""
    for others in (maps.others for maps in checked if maps.others):
        names = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        say(f"{imported.folder}: {len(others)} files are no test image's map, left out: {names}")
    replaced = {
        maps.spec.category
        for maps in checked
        for cell in stored
        if cell.spec != maps.spec == replace(cell.spec, params=maps.spec.params)
    }
    if replaced:
        say(
            f"warning: other maps of {imported.method}, seed {imported.seed}, are stored for "
            f"{', '.join(sorted(replaced))}: tables show the new ones; --seed or --name keeps both"
        )


def export_maps(options: argparse.Namespace) -> int:
    """Write the maps of the command line's run; return 0."""
    run = find_run(options.run)
    sets, names = result_sets(run), methods.split(options.methods)
    chosen = [pair for name in names for pair in find_method(sets, name)]
    if not chosen:
        raise BenchmarkError("--methods: name at least one")
    datasets, nothing = chosen_datasets(run, options), True
    for category in (category for dataset in datasets for category in dataset.categories):
        for _, method in chosen:
            exporting.require_short_names(method, category)
    several = len({results.dataset for results in sets}) > 1
    for results, method in chosen:
        out = options.out / (folder_of(results.dataset) if several else "") / folder_of(method)
        exported = Exported(options.dtype)
        for category in most_agreeing(results, datasets).categories:
            if category.name in results.categories:
                export_category(results, method, category, out, exported)
        if exported.scores:
            nothing = False
            _say_what_was_exported(method, out, exported)
    if nothing:
        roots = ", ".join(str(dataset.root) for dataset in datasets)
        raise BenchmarkError(f"{options.methods}: none of the run's categories is in {roots}")
    return 0


def _say_what_was_exported(method: str, out: Path, exported: Exported) -> None:
    image_scores.write(out / "scores.csv", exported.scores)
    say(f"{method}: {len(exported.scores)} maps in {out}, image scores in {out / 'scores.csv'}")
    say(
        "other programs take each map's maximum for the image's score; "
        f"of {exported.otherwise} maps that isn't {method}'s own"
    )
    if cut := exported.cut:
        say(f"{cut} images reach beyond the crop: there the map is filled with its minimum")
    if merged := exported.merged:
        say(f"warning: rounding makes values of {merged} maps equal; --dtype float64 keeps all")
    if enlarged := exported.enlarged:
        say(
            f"{enlarged} images are smaller than methods saw them: their maps are scaled down, and "
            "measure a little otherwise than the run's"
        )

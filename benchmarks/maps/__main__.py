"""Imports anomaly maps of other programs as cells of a run, or exports a run's for them.

    python -m benchmarks.maps import DIR --name efficientad --out results/RUN
    python -m benchmarks.maps export RUN --methods patchcore-25 --out DIR

Maps lie in the layout of MVTec's evaluation, <category>/test/<defect>/<image>.tiff, and show their
whole images at any resolution; .npy, .npz and grey .png are read, too.

Exit status: 0 done, 1 some cells failed, 2 usage, maps or data, 130 interrupted.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import methods
from benchmarks.chosen import chosen_dataset, chosen_datasets, most_agreeing
from benchmarks.console import command_parser, run_program, say, show
from benchmarks.datasets import Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.job import KeptMaps
from benchmarks.features import Crops, FeatureCache
from benchmarks.files import require_writable
from benchmarks.maps import exporting, image_scores, importing
from benchmarks.maps.choosing import chosen_measure
from benchmarks.maps.exporting import DType, Exported, export_category, find_method, folder_of
from benchmarks.maps.folder import folders_of_methods
from benchmarks.maps.importing import CheckedMaps, ImportedMaps, column, protocol_of
from benchmarks.options import add_data, add_raise, share_or_number, side
from benchmarks.places import written_path
from benchmarks.results import Cell, Store, result_sets
from benchmarks.results.agreement import differing_data
from benchmarks.results.folders import default_run, find_run
from benchmarks.results.lock import only_writer
from benchmarks.specs import GREATEST_SEED, IMPORTED, Fit, Interpolation, MaskResize, Regions
from benchmarks.tables.metric_tables import terminal_tables

_NAME = re.compile(r"[\w.+=-]+( [\w.+=-]+)*", re.ASCII)

LONGEST_NAME = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _main(_parser().parse_args(arguments)))


def _main(options: argparse.Namespace) -> int:
    return _import(options) if options.command == "import" else _export(options)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.maps", __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_import(commands.add_parser("import", help="store another program's maps as cells"))
    _add_export(commands.add_parser("export", help="write a run's maps for another program"))
    return parser


def _add_import(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("maps", type=written_path, metavar="DIR", help="the folder of the maps' categories")
    add("--name", required=True, type=_name, help="of the method; tables add (imported)")
    add(
        "--seed",
        type=_seed,
        default=0,
        help="with which the method was trained: tables show mean and deviation over the seeds "
        "imported (default: %(default)s)",
    )
    add(
        "--scores",
        type=written_path,
        metavar="FILE.csv",
        help="image scores: columns image (<category>/test/<defect>/<file>) and score (default: "
        "each map's maximum)",
    )
    add(
        "--held-out",
        type=written_path,
        metavar="FILE.csv",
        help="scores of nominal training images that the method wasn't fitted to, which set "
        "thresholds: columns image (<category>/train/good/<file>) and score",
    )
    add(
        "--calibrate",
        type=share_or_number,
        metavar="SHARE|NUMBER",
        help="how many these are, as a run's --calibrate, beside whose cells they then stand",
    )
    add(
        "--out",
        type=written_path,
        metavar="RUN",
        help="the run that they join (default: results/<data set>-imported-<image size>)",
    )
    add("--save-maps", action="store_true", help="store all maps (default: as a run does)")
    add_raise(parser)
    add("--image-size", type=side, help="side of the crop in pixels (default: the run's)")
    add("--fit", choices=get_args(Fit), help="how an image becomes a square (default: the run's)")
    add("--resize", type=side, help="the shorter side before the crop (default: the run's)")
    add("--mask-resize", choices=get_args(MaskResize), help="(default: the run's)")
    add("--interpolation", choices=get_args(Interpolation), help="(default: the run's)")
    add("--regions", choices=get_args(Regions), help="as a run's (default: the run's)")
    add_data(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder, or its name under results/")
    add("--methods", required=True, help="comma-separated, as its tables call them")
    add(
        "--out",
        type=written_path,
        required=True,
        metavar="DIR",
        help="where the maps go: DIR/<method>/<category>/test/<defect>/<image>.tiff",
    )
    add(
        "--dtype",
        choices=get_args(DType),
        default="float32",
        help="type of the numbers; MVTec AD 2's server takes float16 (default: %(default)s)",
    )
    add_data(parser)


def _seed(text: str) -> int:
    if not (text.isdecimal() and text.isascii()) or int(text) > GREATEST_SEED:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r}: give an integer from 0 to {GREATEST_SEED}"
        )
    return int(text)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or len(text) > LONGEST_NAME:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r}: use up to {LONGEST_NAME} letters, digits and . + = _ -"
        )
    return text


def _import(options: argparse.Namespace) -> int:
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
    protocol = protocol_of(chosen_measure(options, dataset, stored))
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
    table = options.scores
    scores = image_scores.read(table) if table else None
    imported = ImportedMaps(options.maps, column(options.name), options.seed, table, scores)
    if bool(options.held_out) != bool(options.calibrate):
        raise BenchmarkError(
            "--calibrate and --held-out belong together: how many training images weren't fitted "
            "to, and their scores"
        )
    if not options.held_out:
        return imported
    scores, file = image_scores.read(options.held_out), options.held_out
    return replace(imported, calibrate=options.calibrate, held_out_table=file, held_out=scores)


def _store(
    checked: Sequence[CheckedMaps], dataset: Dataset, store: Store, options: argparse.Namespace
) -> int:
    """Measure and store the maps of each category; return how many failed."""
    crops = Crops(FeatureCache(options.cache, 0), dataset.name, checked[0].spec.protocol)
    kept: KeptMaps = "all" if options.save_maps else "errors"
    failures = 0
    for maps in checked:
        result = importing.import_category(maps, dataset, crops=crops, kept_maps=kept)
        store.ask([maps.spec], dataset.place)
        r = result
        cell = store.write(r.cell, r.scores, r.maps, r.traceback, r.held_out)
        if cell.status == "failed":
            say(f"{cell.spec.label}: FAILED: {cell.failure}")
            failures += 1
        for line in result.hints:
            say(f"warning: {cell.spec.category}: {line}")
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


def _export(options: argparse.Namespace) -> int:
    run = find_run(options.run)
    sets = result_sets(run)
    chosen = [find_method(sets, name) for name in methods.split(options.methods)]
    if not chosen:
        raise BenchmarkError("--methods: name at least one")
    datasets, nothing = chosen_datasets(run, options), True
    for _, method in itertools.chain.from_iterable(chosen):
        for category in itertools.chain.from_iterable(dataset.categories for dataset in datasets):
            exporting.require_short_names(method, category)
    for results, method in itertools.chain.from_iterable(chosen):
        several = len({results.dataset for results in sets}) > 1
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


if __name__ == "__main__":
    sys.exit(main())

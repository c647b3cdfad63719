"""Regenerates the tables and figures of the paper's supplement, running only missing cells.

    python -m benchmarks.supplement
    python -m benchmarks.supplement S1 S5 figS4

Exit status: 0 done or nothing left to do, 1 some cells failed or some backbone can't be had,
2 usage or data, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
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
from benchmarks.console import CONTINUES, command_parser, run_program, say, show
from benchmarks.datasets import KNOWN, Dataset
from benchmarks.datasets.known import is_complete
from benchmarks.errors import BenchmarkError
from benchmarks.execution import run_plan, say_changed_code, summary
from benchmarks.files import require_writable, write_file
from benchmarks.options import EMBEDDED_BACKBONE, REAL_BACKBONE, add_shared, integers, positive
from benchmarks.places import written_path
from benchmarks.reproduction.published_values import DATASET
from benchmarks.results import Store
from benchmarks.results.folders import default_run, plots_folder
from benchmarks.results.lock import only_writer
from benchmarks.results.metrics_csv import category_label
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.forecast import ALL, by_part
from benchmarks.supplement.parts import PARTS, SUPPLEMENT, requests
from benchmarks.supplement.planning import Group, adopt, collect, groups, merge, missing_of
from benchmarks.supplement.trials import PAPER_SIZE, Settings

_LARGE = "wide_resnet101_2"

# The ends of stages 2, 4 and 5, as public code of PaDiM on this network reads them.
_EFFICIENTNET = "timm/tf_efficientnet_b5.aa_in1k[layers=blocks.1+blocks.3+blocks.4]"

_RESNETS = "resnet50,wide_resnet50_2,resnet101,wide_resnet101_2,resnext101_32x8d"

_BACKBONES = {
    "backbone": ("S1–S3, S5, and the figures'", REAL_BACKBONE, EMBEDDED_BACKBONE),
    "starred": ("PaDiM*'s, in S1", _EFFICIENTNET, EMBEDDED_BACKBONE),
    "large": ("S4's", _LARGE, EMBEDDED_BACKBONE),
    "ensemble": (
        "S4's last, joined by +",
        f"{_LARGE}+resnext101_32x8d+densenet201",
        "+".join([EMBEDDED_BACKBONE] * 3),
    ),
    "backbones": (
        "S6's, comma-separated",
        f"{_RESNETS},timm/vit_small_patch14_dinov2.lvd142m,filterbank",
        EMBEDDED_BACKBONE,
    ),
}
"""Option → whose backbone it is, its default on real data, and that on the embedded set, where the
filter bank stands for every network."""

EMBEDDED_SIZE = PAPER_SIZE // 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _supplement(_parser().parse_args(arguments)), CONTINUES)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.supplement", __doc__)
    add = parser.add_argument
    add(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"any of {', '.join(PARTS)}; differences measures what the choices in which tools "
        "differ change (default: all but differences)",
    )
    add_shared(parser)
    for name, (whose, real, embedded) in _BACKBONES.items():
        add(
            f"--{name}",
            help=f"{whose}; NAME or NAME[weights=FILE,layers=a+b+c+d] (default: {real}; "
            f"{embedded} on the embedded set)",
        )
    add(
        "--image-size",
        type=positive,
        help="stands for the paper's 224 pixels, and its other sizes are scaled alike "
        f"(default: {PAPER_SIZE}; {EMBEDDED_SIZE} on the embedded set)",
    )
    add(
        "--seeds",
        default="0,1,2,3,4",
        help="S5's and the verdicts', comma-separated; all else takes the first "
        "(default: %(default)s)",
    )
    add(
        "--out",
        type=written_path,
        help="folder of cells and tables (default: results/<data set>-<backbone>-<image size>-"
        "supplement); what runs beside it have stored is taken over",
    )
    return parser


def _supplement(options: argparse.Namespace) -> int:
    for problem in methods.problems():
        say(f"warning: {problem}")
    parts = list(dict.fromkeys(options.parts)) or list(SUPPLEMENT)
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
    asked = merge(requests(part, settings) for part in parts)
    grouped, unavailable = groups(asked, dataset, options.dtype, download=True)
    _say_left_out(unavailable)
    require_writable(run)
    names = tuple(category.name for category in dataset.categories)
    whole = is_complete(dataset.name, names) if dataset.name in KNOWN else not options.categories
    shown = tuple(map(category_label, names))
    plots = run / "plots" if options.out else plots_folder(run)
    with only_writer(run):
        left = _evaluate(grouped, store, options)
        cells = collect(grouped, store)
        evaluated = EvaluatedTrials(settings, cells, shown, dataset.name, whole, run)
        for path in _write(evaluated, parts, plots):
            show(str(path))
    if dataset.synthetic:
        say(NOTICE)
    return 1 if left or unavailable else 0


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
        rows |= {part: requests(part, settings) for part in PARTS if part not in SUPPLEMENT}
    grouped, unavailable = groups(merge(rows.values()), dataset, options.dtype, download=False)
    _say_left_out(unavailable)
    work = {
        name: missing_of(requested, grouped, store, force=options.force)
        for name, requested in rows.items()
    }
    cache, (device, workers) = chosen_cache(options), simulated_machine(options)
    show(by_part(work, store.run, cache, device))
    show(summary(work[ALL], store.run, cache, device, workers))
    return 0


def _settings(options: argparse.Namespace, dataset: Dataset) -> Settings:
    size = EMBEDDED_SIZE if dataset.synthetic else PAPER_SIZE
    chosen: dict[str, str] = {}
    for name, (_, real, embedded) in _BACKBONES.items():
        chosen[name] = getattr(options, name) or (embedded if dataset.synthetic else real)
        for backbone in split(chosen[name]):
            parse(backbone)  # a misspelt one stops everything, not only its rows
    return Settings(
        backbone=chosen["backbone"],
        starred=chosen["starred"],
        large=chosen["large"],
        ensemble=chosen["ensemble"],
        backbones=tuple(dict.fromkeys(split(chosen["backbones"]))),
        image_size=options.image_size or size,
        seeds=tuple(integers(options.seeds, "--seeds", 0)),
    )


def _evaluate(grouped: Sequence[Group], store: Store, options: argparse.Namespace) -> bool:
    """Evaluate what neither the store nor a run beside it has; return whether anything is left."""
    if not options.force:
        adopt(grouped, store)
    work = [(group.plan, group.plan.missing(store, force=options.force)) for group in grouped]
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
    return failed or any(group.plan.missing(store) for group in grouped)


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


if __name__ == "__main__":
    sys.exit(main())

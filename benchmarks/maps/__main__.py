"""Imports anomaly maps of other programs as cells of a run, or exports a run's for them.

    python -m benchmarks.maps import DIR --name efficientad --out results/RUN
    python -m benchmarks.maps export RUN --methods patchcore-25 --out DIR

Maps lie in the layout of MVTec's evaluation, <category>/test/<defect>/<image>.tiff, and show their
whole images at any resolution; .npy, .npz and grey .png are read, too.

Exit status: 0 done, 1 some cells failed, 2 usage, maps or data, 130 interrupted.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import get_args

from benchmarks.console import command_parser, run_program
from benchmarks.options import add_data, add_raise, share_or_number, side
from benchmarks.places import written_path
from benchmarks.specs import GREATEST_SEED, Fit, Interpolation, MaskResize, Regions

_NAME = re.compile(r"[\w.+=-]+( [\w.+=-]+)*", re.ASCII)

LONGEST_NAME = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _main(_parser().parse_args(arguments)))


def _main(options: argparse.Namespace) -> int:
    from benchmarks.maps import program  # long to import: not for --help

    return (program.import_maps if options.command == "import" else program.export_maps)(options)


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
        choices=("float32", "float16", "float64"),
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


if __name__ == "__main__":
    sys.exit(main())

"""Compares methods on every category of a data set and prints the tables.

    python -m benchmarks.run --methods patchcore-25,spade,padim

Exit status: 0 done or nothing left to do, 1 some cells failed, 2 usage or data, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import get_args

from benchmarks.console import CONTINUES, command_parser, run_program
from benchmarks.options import (
    EMBEDDED_BACKBONE,
    EMBEDDED_SIZE,
    REAL_BACKBONE,
    REAL_SIZE,
    add_shared,
    share_or_number,
    shares,
    side,
)
from benchmarks.places import written_path
from benchmarks.results.command import add_metrics
from benchmarks.run.plan_file import add_plan, parse_with_plan
from benchmarks.specs import Augment, Fit, Interpolation, MaskResize, Regions

DEFAULT_METHODS = "patchcore-25,spade,padim"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _main(parse_with_plan(_parser(), arguments)), CONTINUES)


def _main(options: argparse.Namespace) -> int:
    from benchmarks.run.program import list_methods, run_methods  # long to import: not for --help

    return list_methods() if options.list else run_methods(options, _parser())


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.run", __doc__)
    add = parser.add_argument
    add(
        "--methods",
        default=DEFAULT_METHODS,
        help="comma-separated names, parameters in brackets: patchcore-25[patch_size=5]; all: what "
        "is registered and reads no level that the backbone lacks (default: %(default)s)",
    )
    add_shared(parser)
    _add_images(parser)
    _add_conditions(parser)
    add(
        "--mask-resize",
        choices=get_args(MaskResize),
        default="nearest",
        help="official: as the official PatchCore code, which erodes defects (default: nearest)",
    )
    add(
        "--regions",
        choices=get_args(Regions),
        default="resized",
        help="where AUPRO's regions are connected: in the resized masks, as the official PatchCore "
        "code; original: at the images' own size (default: resized)",
    )
    add(
        "--out",
        type=written_path,
        help="the run's folder (default: results/<data set>-<backbone>-<image size>)",
    )
    add(
        "--save-maps",
        action="store_true",
        help="store all anomaly maps (default: an example of each kind, and what is misclassified)",
    )
    add_metrics(parser)
    add("--list", action="store_true", help="list methods, and timm's DINO networks")
    add_plan(parser)
    return parser


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what methods learn from, and what they judge."""
    add = parser.add_argument
    add("--seeds", default="0", help="comma-separated integers (default: %(default)s)")
    add(
        "--shots",
        default="all",
        help="comma-separated numbers of nominal training images, or all (default: %(default)s)",
    )
    add(
        "--calibrate",
        type=share_or_number,
        metavar="SHARE|NUMBER",
        help="hold out a share of the nominal training images, as 0.35, or a number, as 100, and "
        "set thresholds by their scores (default: none)",
    )
    add(
        "--contamination",
        type=shares,
        metavar="SHARES",
        help="comma-separated shares of the training images that anomalous test images replace, as "
        "0,0.05,0.1; none of them is judged at any share (default: none)",
    )
    add(
        "--shift",
        metavar="SHIFTS",
        help="comma-separated shifts of the test images alone, each at a severity from 1 to 5, as "
        "brightness=3,motion_blur=2; unshifted ones are judged, too (default: none)",
    )
    add(
        "--augment",
        choices=get_args(Augment),
        default="none",
        help="learn from copies of the training images, too: mirrored, or turned by each multiple "
        "of 45 degrees (default: %(default)s)",
    )


def _add_images(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what becomes of an image."""
    add = parser.add_argument
    add(
        "--backbone",
        help="torchvision name, timm/<name.tag>, or filterbank; several joined by + are an "
        f"ensemble (default: {REAL_BACKBONE}; {EMBEDDED_BACKBONE} on the embedded set)",
    )
    add(
        "--weights",
        type=written_path,
        help=".pth or .safetensors file (default: the pinned ImageNet weights, downloaded once); "
        "in an ensemble: NAME[weights=FILE,layers=a+b+c+d]+NAME…",
    )
    add(
        "--layers",
        help="comma-separated module names for levels 1,2,3,4 (default: known for ResNets, "
        "DenseNets and timm; needed for others)",
    )
    add(
        "--image-size",
        type=side,
        help="side of the centre crop in pixels "
        f"(default: {REAL_SIZE}; {EMBEDDED_SIZE} on the embedded set)",
    )
    add(
        "--tiles",
        type=int,
        choices=(1, 2),
        default=1,
        help="2: the backbone sees 2 × 2 overlapping windows of images twice as large as "
        "--image-size and --resize say, and maps are so, too (default: %(default)s)",
    )
    add(
        "--fit",
        choices=get_args(Fit),
        default="crop",
        help="how an image becomes a square: its centre, as in the paper; the whole of it "
        "stretched; or padded, in its proportions (default: %(default)s)",
    )
    add(
        "--resize",
        type=side,
        help="the shorter side before the crop, in pixels (default: 8/7 of the crop)",
    )
    add(
        "--interpolation",
        choices=get_args(Interpolation),
        default="bilinear",
        help="how images are resized: bilinear, as the official PatchCore code; lanczos, as "
        "popular code of PaDiM and SPADE (default: %(default)s)",
    )


if __name__ == "__main__":
    sys.exit(main())

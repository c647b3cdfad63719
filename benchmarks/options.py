"""Command-line options that several programs share; `benchmarks.chosen` has what they choose."""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import get_args

from benchmarks.errors import BenchmarkError
from benchmarks.places import DEFAULT_LIMIT_GB, default_folder, written_path
from benchmarks.specs import GREATEST_SIDE, DType

REAL_BACKBONE, REAL_SIZE = "wide_resnet50_2", 224
EMBEDDED_BACKBONE, EMBEDDED_SIZE = "filterbank", 128
"""The defaults on real data and on the embedded set."""

EXECUTOR_NAMES, SHARES = ("local", "ray"), ("folder", "objects")
"""Of `execution.workers`, which takes too long to import for a program's help."""

GREATEST = 10**6
"""Gigabytes, minutes or processes; clocks and memory take no more."""


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the data, of which `chosen_dataset` makes a data set."""
    add = parser.add_argument
    add(
        "--data",
        type=written_path,
        help="folder of a data set, as python -m benchmarks.datasets lists them, or of category "
        "folders in MVTec AD's layout (default: $MVTEC_AD_ROOT, "
        "else the embedded synthetic set)",
    )
    add("--categories", help="comma-separated (default: all in the data set)")
    add(
        "--split-seed",
        type=int,
        metavar="SEED",
        help="draws which normal images are for testing, of a data set that has no split of its "
        "own, as a folder of normal/ and abnormal/ (default: 0)",
    )
    add(
        "--no-masks",
        action="store_true",
        help="don't read masks, nor miss them: image-level metrics alone",
    )
    add("--cache", type=written_path, default=default_folder(), help="(default: %(default)s)")


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Add the options that say on which data, and on what machine, cells are evaluated."""
    add_data(parser)
    add = parser.add_argument
    add(
        "--dtype",
        choices=get_args(DType),
        default="float32",
        help="type of cached features (default: %(default)s)",
    )
    add(
        "--cache-gb",
        type=size,
        default=DEFAULT_LIMIT_GB,
        help="size beyond which the least recently used features go (default: %(default)s)",
    )
    add(
        "--no-disk-cache",
        action="store_true",
        help="leave the disk out: features stay in memory until their category is done",
    )
    add("--force", action="store_true", help="evaluate stored cells again (default: never)")
    add_raise(parser)
    add("--dry-run", action="store_true", help="say what would run, and run nothing")
    add(
        "--workers",
        type=positive,
        help="with --dry-run: simulate the run on so many, by what earlier cells took "
        "(default: --jobs)",
    )
    _add_machine(parser)


def add_raise(parser: argparse.ArgumentParser) -> None:
    """Add the option that stops at the first failure."""
    parser.add_argument(
        "--raise",
        action="store_true",
        dest="raises",
        help="stop at the first cell that fails, and show its traceback (default: go on)",
    )


def _add_machine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--device",
        default="auto",
        help="auto (a GPU where there is one), cpu, cuda or cuda:N (default: %(default)s)",
    )
    add(
        "--memory-gb",
        type=amount,
        help="memory on the device for caches and blocks; changes no result (default: half of "
        "what is free)",
    )
    add(
        "--executor",
        choices=EXECUTOR_NAMES,
        default="local",
        help="where cells run; ray: a cluster, one of this machine unless --ray-address names "
        "another (default: %(default)s)",
    )
    add(
        "--jobs",
        type=positive,
        default=1,
        help="processes on this machine that evaluate cells side by side (default: %(default)s)",
    )
    add(
        "--threads",
        type=positive,
        help="of the processor, for each process: equal numbers of them give equal results to the "
        "last digit (default: the cores of its machine, shared by the processes there)",
    )
    add(
        "--patience-minutes",
        type=amount,
        default=120.0,
        help="workers of which none has finished a task for so long are killed as hanging, and "
        "their tasks handed out again (default: %(default)s)",
    )
    add("--ray-address", help="of a running Ray cluster, auto for the one this machine is in")
    add(
        "--share",
        choices=SHARES,
        default="folder",
        help="where a cluster's workers read features: --cache, a folder that every node sees, or "
        "Ray's object store, each node with a cache of its own (default: %(default)s)",
    )


def positive(text: str) -> int:
    """Return a positive integer."""
    if not text.isdecimal() or float(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    if float(text) > GREATEST:
        raise argparse.ArgumentTypeError(f"{text[:20]} is more than {GREATEST}")
    return int(text)


def side(text: str) -> int:
    """Return a number of pixels that an image may be wide."""
    if (pixels := positive(text)) > GREATEST_SIDE:
        raise argparse.ArgumentTypeError(f"{pixels} is more than {GREATEST_SIDE} pixels")
    return pixels


def size(text: str) -> float:
    """Return a positive number, or 0."""
    return 0.0 if text.strip() in ("0", "0.0") else amount(text)


def amount(text: str) -> float:
    """Return a positive number."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= GREATEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number up to {GREATEST}")
    return number


def integers(text: str, what: str, least: int, most: int = 10**9) -> list[int]:
    """Return the integers of a comma-separated list, each once.

    Raises:
        BenchmarkError: it holds something else, or an integer below `least` or above `most`.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and least <= float(part) for part in parts):
        raise BenchmarkError(f"{what} {text!r}: give integers from {least}, separated by commas")
    if large := [part for part in parts if float(part) > most]:
        raise BenchmarkError(f"{what} {large[0][:40]}: give integers up to {most}")
    return list(dict.fromkeys(map(int, parts)))


def share_or_number(text: str) -> float:
    """Return what --calibrate says: a share of images below 1, or a number of them.

    Raises:
        ArgumentTypeError: it is neither.
    """
    with suppress(ValueError):
        if text.isdecimal() and int(text) >= 1:
            return int(text)
        if 0 < float(text) < 1:
            return float(text)
    raise argparse.ArgumentTypeError(
        f"{text[:40]!r}: give a share of the training images, as 0.35, or a number, as 100"
    )


def shares(text: str) -> tuple[float, ...]:
    """Return the shares of a comma-separated list, from 0 to below 1, each once.

    Raises:
        ArgumentTypeError: it holds something else.
    """
    with suppress(ValueError):
        numbers = tuple(dict.fromkeys(float(part) for part in text.split(",")))
        if all(0 <= number < 1 for number in numbers):
            return numbers
    raise argparse.ArgumentTypeError(f"{text[:40]!r}: give shares from 0 to below 1, as 0,0.05,0.1")

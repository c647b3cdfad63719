"""Command-line options that several programs share, and the objects that they choose."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import get_args

from benchmarks.console import say
from benchmarks.datasets import Dataset
from benchmarks.datasets import indexing as datasets
from benchmarks.datasets.framing import require_crop
from benchmarks.datasets.left_out import NOT_IMAGES
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.device import choose_device, free_memory
from benchmarks.execution import Machine
from benchmarks.execution.workers import EXECUTORS, WantedPool
from benchmarks.execution.workers.tasks import Share
from benchmarks.features import FeatureCache
from benchmarks.features.cache import DEFAULT_LIMIT_GB, default_folder
from benchmarks.names import composed, printable
from benchmarks.places import written_path
from benchmarks.processes import cores
from benchmarks.results import ResultSet
from benchmarks.results.plans import kept_data
from benchmarks.specs import GREATEST_SIDE, DType
from benchmarks.synthetic import writing as synthetic
from benchmarks.synthetic.products import VERSION
from methods.lazy import torch

REAL_BACKBONE, REAL_SIZE = "wide_resnet50_2", 224
EMBEDDED_BACKBONE, EMBEDDED_SIZE = "filterbank", 128
"""The defaults on real data and on the embedded set."""

NOTICE = """\
###############################################################################
# SYNTHETIC DATA: neither --data nor $MVTEC_AD_ROOT names a data set, so the  #
# embedded synthetic set is used. Its numbers say nothing about real products #
###############################################################################"""


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
        choices=tuple(EXECUTORS),
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
        choices=get_args(Share),
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


def chosen_dataset(options: argparse.Namespace) -> Dataset:
    """Return the data set of --data and --categories, the embedded one where none is named.

    Raises:
        DataError: it can't be used as it is.
    """
    named = options.data or os.environ.get("MVTEC_AD_ROOT") or None
    if named is None:
        say(NOTICE)
    root = options.cache / VERSION if named is None else written_path(str(named))
    if root == options.cache / VERSION:  # as plans of runs on it name it
        root = synthetic.ensure(options.cache)
    names = options.categories.split(",") if options.categories else None
    cache = None if getattr(options, "no_disk_cache", False) else options.cache
    dataset = datasets.index(root, names, masks=not options.no_masks, cache=cache)
    for category in dataset.categories:
        for line in category.left_out:
            if not line.endswith(NOT_IMAGES):
                say(f"{printable(category.name)}: {line}")
    for warning in dataset.warnings:
        say(f"warning: {warning}")
    return dataset


def chosen_size(options: argparse.Namespace, dataset: Dataset, fit: str) -> int:
    """Return the side of the square of --image-size, or the usual one of such a data set.

    Raises:
        BenchmarkError: --resize is of no crop, or less than it.
    """
    size: int = options.image_size or (EMBEDDED_SIZE if dataset.synthetic else REAL_SIZE)
    require_crop(options.resize or 0, size, fit)
    return size


def chosen_datasets(run: Path, options: argparse.Namespace) -> list[Dataset]:
    """Return the data sets of --data, else of the run's plans, else as a run chooses.

    Each of several plans' is asked for those of --categories that it holds, or that none does.
    """
    kept = [] if options.data else kept_data(run)
    inside = [{*map(composed, datasets.category_names(data))} for data, _ in kept]
    wanted = options.categories.split(",") if options.categories else []
    absent, chosen = {*map(composed, wanted)}.difference(*inside), []
    for (data, no_masks), names in zip(kept, inside, strict=True):
        here = [name for name in wanted if composed(name) in names | absent]
        if here or not wanted:
            given = {"data": data, "categories": ",".join(here)}
            given |= {"no_masks": no_masks or options.no_masks}
            chosen.append(chosen_dataset(argparse.Namespace(**{**vars(options), **given})))
    return chosen or [chosen_dataset(options)]


def most_agreeing(results: ResultSet, datasets: Sequence[Dataset]) -> Dataset:
    """Return the data set that most of the cells saw."""
    seen = {(cell.spec.category, cell.spec.dataset_fingerprint) for cell in results.cells}

    def agreeing(dataset: Dataset) -> int:
        return len(seen & {(c.name, c.fingerprint) for c in dataset.categories})

    return max(datasets, key=agreeing)


def chosen_cache(options: argparse.Namespace) -> FeatureCache:
    """Return the cache of --cache, --cache-gb and --no-disk-cache.

    Raises:
        BenchmarkError: workers, which share features through the disk, are to do without it; or
            processes through an object store, which only Ray has.
    """
    if options.share == "objects" and options.executor != "ray":
        raise BenchmarkError("--share objects is of Ray's object store: add --executor ray")
    limit = 0.0 if options.no_disk_cache else options.cache_gb
    if limit == 0 and (options.jobs > 1 or options.executor != "local"):
        raise BenchmarkError("--no-disk-cache is for one process: workers share features on disk")
    return FeatureCache(options.cache, limit, warn=lambda line: say(f"warning: {line}"))


def simulated_machine(options: argparse.Namespace) -> tuple[str, int]:
    """Return the device and the number of workers of a dry run, which asks no cluster."""
    elsewhere = options.executor == "ray" and options.device == "cuda"
    device = options.device if elsewhere else choose_device(options.device)
    return device, options.workers or options.jobs


@contextmanager
def chosen_machine(options: argparse.Namespace) -> Iterator[Machine]:
    """Yield where cells are evaluated, by --device, --memory-gb, --threads, --executor and --jobs.

    Raises:
        BenchmarkError: a GPU was named that there is not; Ray can't be had; or workers were named,
            which only a dry run pretends.
    """
    if options.workers:
        raise BenchmarkError("--workers is of --dry-run: name real ones with --jobs or --executor")
    threads = torch.get_num_threads()
    memory = int(options.memory_gb * 1e9) if options.memory_gb else None
    wanted = WantedPool(
        options.jobs,
        options.device,
        60 * options.patience_minutes,
        options.ray_address,
        options.threads,
        memory,
        options.share,
    )
    pool = EXECUTORS[options.executor](wanted)
    try:
        torch.set_num_threads(options.threads or min(threads, cores()))
        if pool is not None:  # this process keeps off the workers' devices
            yield Machine(pool.device, 0, pool, options.raises)
        else:
            device = choose_device(options.device)
            yield Machine(device, memory or free_memory(device) // 2, None, options.raises)
    finally:
        torch.set_num_threads(threads)
        if pool is not None:
            pool.close()

"""What the options that several programs share choose: data sets, a cache, a machine."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.console import say
from benchmarks.datasets import Dataset
from benchmarks.datasets import indexing as datasets
from benchmarks.datasets.framing import require_crop
from benchmarks.datasets.left_out import NOT_IMAGES
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.device import choose_device, free_memory
from benchmarks.execution import Machine
from benchmarks.execution.workers import EXECUTORS, WantedPool
from benchmarks.features import FeatureCache
from benchmarks.names import composed, printable
from benchmarks.options import EMBEDDED_SIZE, REAL_SIZE
from benchmarks.places import written_path
from benchmarks.processes import cores
from benchmarks.results import ResultSet
from benchmarks.results.plans import kept_data
from benchmarks.synthetic import writing as synthetic
from benchmarks.synthetic.products import VERSION
from methods.lazy import torch

NOTICE = """\
###############################################################################
# SYNTHETIC DATA: neither --data nor $MVTEC_AD_ROOT names a data set, so the  #
# embedded synthetic set is used. Its numbers say nothing about real products #
###############################################################################"""


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
    seed, masks = options.split_seed or 0, not options.no_masks
    dataset = datasets.index(root, names, masks=masks, cache=cache, split_seed=seed)
    for category in dataset.categories:
        for line in (*category.notes, *category.left_out):
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
    inside = [{*map(composed, datasets.category_names(data))} for data, *_ in kept]
    wanted = options.categories.split(",") if options.categories else []
    absent, chosen = {*map(composed, wanted)}.difference(*inside), []
    for (data, no_masks, split_seed), names in zip(kept, inside, strict=True):
        here = [name for name in wanted if composed(name) in names | absent]
        if here or not wanted:
            given = {"data": data, "categories": ",".join(here)}
            given |= {"no_masks": no_masks or options.no_masks, "split_seed": split_seed}
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
    how = options.ray_address, options.threads, memory, options.share
    wanted = WantedPool(options.jobs, options.device, 60 * options.patience_minutes, *how)
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

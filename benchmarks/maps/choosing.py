"""Over which pixels imported maps are measured: as the run that they join, or as asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.datasets import Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.options import EMBEDDED_SIZE, REAL_SIZE
from benchmarks.results import Cell
from benchmarks.results.agreement import Measure, measures
from benchmarks.specs import Fit, resize_for


def chosen_measure(options: argparse.Namespace, dataset: Dataset, cells: Sequence[Cell]) -> Measure:
    """Return the one measure of a run's cells that agrees with the options, or the options' own.

    Args:
        options: those that `Measure` names, None where not said.
        dataset: whose maps are imported.
        cells: the run's.

    Raises:
        BenchmarkError: several of the run's measures agree, or none; or the options are at odds.
    """
    wanted = {name: getattr(options, name) for name in Measure._fields}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    known = measures(cell for cell in cells if cell.spec.dataset == dataset.name)
    if not known:
        return _asked_for(options, dataset)
    agreeing = [one for one in known if wanted.items() <= one._asdict().items()]
    if len(agreeing) == 1:
        return agreeing[0]
    there = "; ".join(map(str, agreeing or known))
    if agreeing:
        raise BenchmarkError(
            f"{options.out} holds cells of several crops ({there}): say which with --image-size, "
            "--fit, --resize, --mask-resize or --interpolation"
        )
    named = ", ".join(f"--{name}".replace("_", "-") for name in wanted)
    raise BenchmarkError(
        f"{options.out} holds cells of {there}, beside which another crop can't stand: leave "
        f"{named} out, or name another --out"
    )


def _asked_for(options: argparse.Namespace, dataset: Dataset) -> Measure:
    size = options.image_size or (EMBEDDED_SIZE if dataset.synthetic else REAL_SIZE)
    fit: Fit = options.fit or "crop"
    if options.resize and fit != "crop":
        raise BenchmarkError(f"--resize is of the crop; with --fit {fit} leave it out")
    if options.resize and options.resize < size:
        raise BenchmarkError(f"--resize {options.resize} is less than the crop's {size} pixels")
    usual = resize_for(size) if fit == "crop" else size
    return Measure(
        size,
        options.resize or usual,
        fit,
        options.mask_resize or "nearest",
        options.interpolation or "bilinear",
    )

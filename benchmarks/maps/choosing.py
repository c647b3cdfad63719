"""Over which pixels imported maps are measured: as the run that they join, or as asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.chosen import chosen_size
from benchmarks.datasets import Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.maps.importing import UNKNOWN
from benchmarks.results import Cell
from benchmarks.results.agreement import Measure, measures
from benchmarks.specs import EvaluationProtocol

_BEFORE = ("pad", "square")
"""Fit and score area of padded cells from before their images were scored without the border."""


def chosen_measure(options: argparse.Namespace, dataset: Dataset, cells: Sequence[Cell]) -> Measure:
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

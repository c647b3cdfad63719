"""Times PaDiM against a loop over positions."""

from __future__ import annotations

import numpy as np

import methods
from benchmarks.speed import references as plain
from benchmarks.speed.report import Comparison
from benchmarks.speed.timing import Bench, Reference, close
from methods.lazy import Tensor, torch
from methods.padim import dims_of_backbone


def padim(bench: Bench) -> list[Comparison]:
    """Time PaDiM's fit and score of a category."""
    train, test = bench.inputs.train, bench.inputs.test
    _, height, width = train.shape(1)
    total = sum(train.shape(level)[0] for level in (1, 2, 3))
    count = dims_of_backbone(total)
    drawn = torch.randperm(total, generator=torch.Generator().manual_seed(0))[:count]
    dims = sorted(drawn.tolist())
    where = np.linspace(0, height * width - 1, bench.scale.positions).astype(int)
    nominal, tested = (plain.positions(f, dims, where.tolist()) for f in (train, test))

    def fit_and_score() -> Tensor:
        method = methods.create("padim").fit(train, torch.Generator().manual_seed(0))
        return method.score(test).grids[0]

    ours = fit_and_score().flatten(1)[:, where].T.cpu()
    expected = torch.from_numpy(plain.position_loop(nominal, tested))
    return bench.compare(
        "padim",
        f"{len(train)} training, {len(test)} test images, {height} × {width} × {len(dims)}",
        fit_and_score,
        [
            Reference(
                "loop over positions",
                lambda: plain.position_loop(nominal, tested),
                height * width / len(where),
                f"{len(where)} of {height * width:,} positions run, embedding not counted",
            )
        ],
        close(ours, expected, "distances"),
    )

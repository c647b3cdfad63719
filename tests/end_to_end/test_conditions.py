"""Contamination, shifts and tiles give one process's numbers on workers and on a device."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from benchmarks.results import Cell, Store
from benchmarks.results.scores import read_image_scores
from benchmarks.run.__main__ import main as run
from methods.testing.pretended import pretended_cuda
from tests.helpers.data_sets import write_category

RELATIVE = 1e-5
"""Two orders of adding numbers differ by this much of their size at most."""

CONDITIONS = {
    "dirt and shifts": (
        *("--contamination", "0,0.25", "--shift", "rotation=4,gaussian_noise=3"),
        *("--calibrate", "6", "--seeds", "0,1", "--image-size", "32"),
        *("--methods", "padim,knn,patchcore-25,softpatch,spade[neighbours=3]"),
    ),
    "tiles": (
        *("--tiles", "2", "--shift", "translation=3", "--image-size", "96"),
        *("--methods", "padim,knn,patchcore-25,spade[neighbours=3]"),
    ),
}


def compared(out: str, *options: str) -> dict[str, Cell]:
    command = ["--data", "data", "--backbone", "filterbank", "--threads", "1", "--out", out]
    with pretended_cuda() if "cuda" in options else nullcontext():
        assert run([*command, "--cache", f"{out}-cache", *options]) == 0
    return {cell.spec.key: cell for cell in Store(Path(out)).cells()}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_workers_and_a_device_judge_alike(condition: str, folder: Path, no_figures: None) -> None:
    for name in ("cup", "plate"):
        write_category(Path("data") / name, train=16, good=6, defect=10)
    options = CONDITIONS[condition]
    alone = compared("alone", *options)
    assert len(alone) == {"dirt and shifts": 2 * 5 * 2 * 2 * 3, "tiles": 2 * 4 * 2}[condition]
    tolerances = {"workers": 0.0, "device": RELATIVE}
    for out, where in (("workers", ("--jobs", "2")), ("device", ("--device", "cuda"))):
        cells = compared(out, *options, *where)
        assert cells.keys() == alone.keys()
        for key, cell in alone.items():
            near = {"rel": tolerances[out], "abs": tolerances[out]}
            assert cells[key].metrics == pytest.approx(cell.metrics, **near)
            assert cells[key].thresholds == pytest.approx(cell.thresholds, **near)
            scores, others = (
                read_image_scores(Path(run) / str(which.scores))
                for run, which in (("alone", cell), (out, cells[key]))
            )
            assert others["path"].tolist() == scores["path"].tolist()
            assert others["score"].tolist() == pytest.approx(scores["score"].tolist(), **near)

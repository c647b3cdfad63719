"""Contamination, shifts and tiles give one process's numbers on workers and on a device."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
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
        *("--contamination", "0,0.25", "--shift", "rotation=4", "--calibrate", "4"),
        *("--image-size", "32", "--methods", "padim,patchcore-25"),
    ),
    "tiles": ("--tiles", "2", "--image-size", "96", "--methods", "padim,knn"),
}


def compared(out: str, *options: str) -> dict[str, Cell]:
    command = ["--data", "data", "--backbone", "filterbank", "--threads", "1", "--out", out]
    with pretended_cuda() if "cuda" in options else nullcontext():
        assert run([*command, "--cache", f"{out}-cache", *options]) == 0
    return {cell.spec.key: cell for cell in Store(Path(out)).cells()}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_workers_and_a_device_judge_alike(condition: str, folder: Path, no_figures: None) -> None:
    for name in ("cup", "plate"):
        write_category(Path("data") / name, train=8, good=4, defect=6)
    options = CONDITIONS[condition]
    alone = compared("alone", *options)
    assert len(alone) == {"dirt and shifts": 2 * 2 * 2 * 2, "tiles": 2 * 2}[condition]
    tolerances = {"workers": 0.0, "device": RELATIVE}
    for out, where in (("workers", ("--jobs", "2")), ("device", ("--device", "cuda"))):
        cells = compared(out, *options, *where)
        assert cells.keys() == alone.keys()
        for key, cell in alone.items():
            names, values = numbers(Path("alone"), cell)
            others = numbers(Path(out), cells[key])
            assert others[0] == names
            near = tolerances[out]
            np.testing.assert_allclose(others[1], values, rtol=near, atol=near, err_msg=key)


def numbers(run: Path, cell: Cell) -> tuple[list[str], np.ndarray]:
    """Return a cell's metrics, thresholds and image scores, by name; what is undefined is NaN."""
    frame = read_image_scores(run / str(cell.scores))
    scores = dict(zip(frame["path"], frame["score"], strict=True))
    named = {**cell.metrics, **cell.thresholds, **scores}
    return list(named), np.array(list(named.values()), float)

"""The real category: the official algorithm's published behaviour, reproduced end to end."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from benchmarks.run import __main__ as run

ROOT = os.environ.get("MVTEC_AD_ROOT")
WEIGHTS = Path(ROOT or "").absolute().parent / "mobilenet_v2_imagenet.pth"

pytestmark = pytest.mark.skipif(
    not (ROOT and WEIGHTS.exists()),
    reason="$MVTEC_AD_ROOT does not name the real data with mobilenet_v2's weights beside it",
)

OFFICIAL = {
    "image_auroc": 0.9715,
    "pixel_auroc": 0.9891,
    "aupro_30": 0.9529,
    "false_positives_at_full_recall": 16,
    "false_positives_at_f1_optimal": 3,
    "false_negatives_at_f1_optimal": 8,
}
"""What the official code gives with the whole memory bank and squared distances."""


def test_the_official_algorithms_figures_are_reproduced(tmp_path: Path) -> None:
    arguments = [
        *("--methods", "patchcore-100[squared=true]", "--categories", "screw"),
        *("--data", str(ROOT), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")),
        *("--backbone", "mobilenet_v2", "--weights", str(WEIGHTS)),
        *("--layers", "features.3,features.6,features.13,features.18"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert run.main(arguments) == 0
    with (tmp_path / "out" / "metrics.csv").open(newline="") as file:
        values = {row["metric"]: float(row["value"]) for row in csv.DictReader(file)}
    assert {name: round(values[name], 4) for name in OFFICIAL} == OFFICIAL

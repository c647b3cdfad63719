"""--methods all: what is registered, but for what reads levels that the backbone lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

import methods
from benchmarks.run import request
from benchmarks.run.__main__ import _parser
from tests.helpers.data_sets import write_dataset


def planned(folder: Path, *more: str) -> list[str]:
    data = ["--data", str(folder), "--methods", "all", "--dry-run"]
    plan = request.plan_of(_parser().parse_args([*data, *more]))
    return [spec.method for spec in plan.specs]


def test_all_methods_run_on_a_whole_pyramid(tmp_path: Path) -> None:
    write_dataset(tmp_path, "cup")
    assert planned(tmp_path, "--backbone", "filterbank") == [*methods.names()]


def test_what_the_backbone_lacks_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path, "cup")
    left = planned(tmp_path, "--backbone", "resnet18", "--layers", "layer1,layer2,layer3")
    assert {"knn", "anomalydino", "padim", "patchcore-1", "dfm", "softpatch"} <= {*left}
    assert not {"spade", "rad", "mahalanobis"} & {*left}
    said = capsys.readouterr().err
    assert "resnet18 lacks levels that these read: mahalanobis, rad, spade, spade-5" in said

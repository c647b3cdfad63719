"""What is accepted runs: what a run could not finish with is refused before it starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from benchmarks.datasets import index
from benchmarks.errors import DataError
from benchmarks.figures import writing as figures
from benchmarks.results import Store
from benchmarks.run import __main__ as run
from benchmarks.specs import GREATEST_SEED
from tests.helpers.data_sets import SIDE, write_category


@pytest.fixture(autouse=True)
def cup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOTAL_RECALL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MVTEC_AD_ROOT", raising=False)
    monkeypatch.setattr(figures, "write_figures", lambda *_, **__: [])
    return write_category(Path("data/cup"))


def compare(*arguments: str) -> int:
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32"]
    return run.main([*command, "--methods", "padim", "--device", "cpu", *arguments])


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line of a run that is refused before any image passes."""
    capsys.readouterr()
    assert compare(*arguments) == 2
    said = capsys.readouterr().err
    assert "passed the backbone" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("error:")]
    return line


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("where", ["train/good/000.png", "test/spot/000.png"])
def test_images_of_32_bits_are_refused_by_the_check(cup: Path, dtype: type, where: str) -> None:
    path = (cup / where).with_suffix(".tif")
    (cup / where).unlink()
    Image.fromarray(np.ones((SIDE, SIDE), dtype)).save(path)
    with pytest.raises(DataError, match=rf"{path.name}: 32-bit pixels have no defined range"):
        index(cup.parent)


def test_a_mask_of_32_bits_is_read(cup: Path) -> None:
    path = cup / "ground_truth/spot/000_mask.png"
    mask = np.asarray(Image.open(path)) > 0
    path.unlink()
    Image.fromarray(mask.astype(np.float32)).save(path.with_suffix(".tif"))
    assert index(cup.parent).warnings == ()
    assert compare() == 0


NOT_UTF8 = os.fsdecode(b"caf\xe9")


def rename(path: Path) -> None:
    path.rename(path.with_name(NOT_UTF8 + path.suffix))


@pytest.mark.parametrize("where", ["train/good/000.png", "test/good/000.png", "."])
def test_a_name_that_is_not_utf8_is_refused(
    cup: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rename(cup.parent / "cup" / where if where != "." else cup)
    line = refusal(capsys)
    assert "caf\\udce9" in line
    assert "the name isn't UTF-8; rename it" in line


def test_a_data_set_whose_name_is_not_utf8_is_refused(
    cup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rename(cup.parent)
    assert "isn't UTF-8" in refusal(capsys, "--data", NOT_UTF8)


def test_a_category_name_may_be_long_but_not_too_long(
    cup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cup.rename(cup.with_name("x" * 150))
    assert compare() == 0
    cup.with_name("x" * 150).rename(cup.with_name("é" * 76))
    assert "the category's name is longer than 150 bytes" in refusal(capsys)


def test_a_default_folder_may_not_be_too_long(
    cup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cup.parent.rename("d" * 195)
    assert "name one with --out" in refusal(capsys, "--data", "d" * 195)
    assert compare("--data", "d" * 195, "--out", "out") == 0


def test_the_greatest_seed_runs_and_a_greater_one_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = str(GREATEST_SEED)
    assert compare("--seeds", seed, "--methods", "padim,patchcore-25", "--out", "out") == 0
    assert {cell.status for cell in Store(Path("out")).cells()} == {"ok"}
    assert f"give integers up to {seed}" in refusal(capsys, "--seeds", str(GREATEST_SEED + 1))
    assert f"give integers up to {seed}" in refusal(capsys, "--seeds", "9" * 5000)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--image-size", "8193", "8193 is more than 8192 pixels"),
        ("--resize", "100000", "100000 is more than 8192 pixels"),
        ("--image-size", "9" * 5000, "is more than 1000000"),
        ("--jobs", "9" * 5000, "is more than 1000000"),
        ("--cache-gb", "1e300", "is not a positive number up to 1000000"),
        ("--patience-minutes", "1e300", "is not a positive number up to 1000000"),
    ],
)
def test_numbers_that_nothing_can_hold_are_refused(
    option: str, value: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        compare(option, value)
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


def weights(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    torch.manual_seed(0)
    state = torchvision.models.mobilenet_v2().state_dict()
    change(state)
    torch.save(state, path)
    return path


LAYERS = "features.3,features.6,features.13,features.18"


def test_features_too_large_for_float16_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    def enlarge(state: dict[str, torch.Tensor]) -> None:
        name = [n for n in state if n.startswith("features.3.conv") and n.endswith("weight")][-1]
        state[name] = state[name] * 1e12

    file = weights(Path("weights.pth"), enlarge)
    own = ["--backbone", "mobilenet_v2", "--weights", str(file), "--layers", LAYERS]
    own += ["--methods", "patchcore-25[levels=1+2]", "--out", "out"]
    assert compare(*own, "--dtype", "float16") == 1
    (cell,) = Store(Path("out")).cells()
    assert "beyond what float16 holds: pass --dtype float32" in cell.error
    assert compare(*own, "--dtype", "float32") == 0


def test_a_size_that_a_network_refuses_is_refused_before_images_pass(
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.manual_seed(0)
    torch.save(torchvision.models.vit_b_16().state_dict(), "vit.pth")
    line = refusal(
        capsys,
        *("--backbone", "vit_b_16", "--weights", "vit.pth", "--image-size", "100"),
        *("--layers", "encoder.layers.encoder_layer_3"),
        *("--methods", "patchcore-25[levels=1]"),
    )
    assert "100" in line

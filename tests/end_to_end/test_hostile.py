"""Hostile input: a clear refusal or a right result; no code is run, no file written elsewhere."""

from __future__ import annotations

import contextlib
import csv
import pickle
import string
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import methods
from benchmarks.backbones import choice as choices
from benchmarks.datasets import indexing as datasets
from benchmarks.errors import BenchmarkError, DataError
from benchmarks.results import Store
from benchmarks.run import __main__ as run
from tests.helpers.data_sets import save, write_category, write_dataset
from tests.helpers.networks import network

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work one level deeper, so that what is written outside is seen."""
    path = folder / "inside"
    path.mkdir()
    monkeypatch.chdir(path)
    monkeypatch.setenv("TOTAL_RECALL_CACHE", str(path / "cache"))
    yield path
    assert list(folder.iterdir()) == [path]


def compare(*arguments: str) -> int:
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32"]
    return run.main([*command, "--methods", "padim", "--out", "out", *arguments])


def rows() -> list[dict[str, str]]:
    with Path("out/metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# Images: each replaces one training image of an otherwise sound category


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


def one_pixel(path: Path) -> None:
    save(pixels(1, 1, 3), path)


def long_strip(path: Path) -> None:
    save(pixels(40, 20_000), path)


def palette(path: Path) -> None:
    Image.fromarray(pixels(40, 40, 3)).quantize(16).save(path)


def sixteen_bit(path: Path) -> None:
    Image.fromarray(pixels(40, 40).astype(np.uint16) * 257).save(path)


def transparent(path: Path) -> None:
    save(pixels(40, 40, 4), path)


@pytest.mark.parametrize("write", [one_pixel, long_strip, palette, sixteen_bit, transparent])
def test_odd_images_are_read(write: Callable[[Path], None]) -> None:
    write_category(Path("data/cup"))
    write(Path("data/cup/train/good/000.png"))
    assert compare() == 0
    assert {row["status"] for row in rows()} == {"ok"}


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(path)


def animation(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("../../escaped.txt", "outside")


def program(path: Path) -> None:
    path.write_text("import os; os.mkdir('/tmp/never')")


def link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.png")


@pytest.mark.parametrize("write", [bomb, animation, archive, program, link_to_nowhere])
def test_what_is_no_image_is_refused_by_name(
    write: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_category(Path("data/cup"))
    write(Path("data/cup/train/good/000.png"))
    assert compare() == 2
    errors = capsys.readouterr().err
    assert "data/cup/train/good/000.png" in errors
    assert "Traceback" not in errors


# Weights


class Escape:
    """Makes a folder where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (Path("../escaped"),)  # type: ignore[return-value]


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Escape()))


def pickled_by_torch(path: Path) -> None:
    torch.save({"state_dict": network("resnet18").state_dict(), "hook": Escape()}, path)


def infinite(path: Path) -> None:
    state = network("resnet18").state_dict()
    state["conv1.weight"][0, 0, 0, 0] = float("inf")
    torch.save(state, path)


def not_a_number(path: Path) -> None:
    state = network("resnet18").state_dict()
    state["layer2.0.bn1.running_var"][0] = float("nan")
    torch.save(state, path)


def truncated(path: Path) -> None:
    torch.save(network("resnet18").state_dict(), path)
    path.write_bytes(path.read_bytes()[:-1000])


def of_another_network(path: Path) -> None:
    torch.save(network("resnet34").state_dict(), path)


WEIGHTS = [
    pickled,
    pickled_by_torch,
    infinite,
    not_a_number,
    truncated,
    archive,
    of_another_network,
]


@pytest.mark.parametrize("write", WEIGHTS)
def test_weights_that_are_none_are_refused_and_run_nothing(
    write: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_category(Path("data/cup"))
    write(Path("w.pth"))
    assert compare("--backbone", "resnet18", "--weights", "w.pth") == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line]
    assert [line.startswith("error:") and "w.pth" in line for line in errors] == [True]
    assert not Path("out").exists()


# Names


NAMES = [
    "two words",
    "Zahnräder",
    "牙輪",
    "a,b",
    'quo"te',
    "line\nbreak",
    "-option",
    "a|b",
    "$x_^%&#",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind_reach_the_tables(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_category(Path("data") / name)
    good = Path("data") / name / "test" / "good"
    (good / "000.png").rename(good / f"{name}.png")
    assert compare() == 0
    assert {row["category"] for row in rows()} == {name}
    (cell,) = Store(Path("out")).cells()
    assert cell.scores is not None
    with (Path("out") / cell.scores).open(newline="", encoding="utf-8") as file:
        assert f"test/good/{name}.png" in {row["path"] for row in csv.DictReader(file)}
    for path in Path("out/tables").glob("image_auroc.*"):
        lines = path.read_text("utf-8").splitlines()
        assert sum("\\" + "\\" in line for line in lines) == (3 if path.suffix == ".tex" else 0)


OUTSIDE = ["../other", "/etc", "cup/..", "cup/../../other", "..", "."]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_category_is_no_path(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(Path("data"), "cup")
    write_dataset(Path("."), "other")
    assert compare("--categories", name) == 2
    assert f"no category {name!r}" in capsys.readouterr().err


METHOD_NAMES = [
    "padim[dims=../x]", "padim[__class__=1]", "../padim", "padim]", "padim[dims=1e999]",
    "padim[epsilon=nan]", "padim[epsilon=inf]", "patchcore-25[coreset_ratio=nan]",
    "padim[dims=9**9]",
]  # fmt: skip


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_a_method_is_no_expression(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(Path("data"), "cup")
    status = compare("--methods", name)
    errors = capsys.readouterr().err
    assert status == 2, errors
    assert errors.count("error:") == 1


# Fuzzing


@given(st.text(string.printable, max_size=40))
@settings(max_examples=300)
def test_any_method_name_resolves_or_is_refused(text: str) -> None:
    with contextlib.suppress(methods.MethodNameError):
        variant = methods.resolve(text)
        assert methods.resolve(variant.name) == variant


@given(st.text("ab[]=,+ /.weightslayers", max_size=40))
@settings(max_examples=300)
def test_any_backbone_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(BenchmarkError):
        members = choices.parse(text)
        assert all(member.name == member.name.strip() != "" for member in members)


PARTS = st.sampled_from(["cup", "train", "test", "good", "spot", "ground_truth", "000_mask.png"])
PATHS = st.lists(st.one_of(PARTS, st.text("a0._ -é", min_size=1, max_size=6)), max_size=4)
CONTENTS = st.sampled_from([b"", b"text", b"\x89PNG\r\n\x1a\n", None])


@given(st.lists(st.tuples(PATHS, st.sampled_from(["000.png", "a.jpg", "b.txt"]), CONTENTS)))
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_any_tree_is_indexed_or_refused(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[list[str], str, bytes | None]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for parts, name, content in files:
        path = root.joinpath(*[part for part in parts if part.strip(". ")], name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None and not name.endswith(".txt"):
                save(pixels(8, 8, 3), path)
            else:
                path.write_bytes(content or b"")
        except OSError:
            continue  # a file is in the way
    with contextlib.suppress(DataError):
        found = datasets.index(root)
        assert all(category.train and category.test for category in found.categories)

"""The embedded set: its files, its defects, and the same bytes everywhere."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.datasets import GOOD, Dataset, index, load_mask
from benchmarks.datasets.known import OFFICIAL_COUNTS
from benchmarks.errors import StorageError
from benchmarks.synthetic import __main__ as synthetic_command
from benchmarks.synthetic import drawing as drawing_module
from benchmarks.synthetic import writing
from benchmarks.synthetic.__main__ import main
from benchmarks.synthetic.drawing import Frame, direction, wave
from benchmarks.synthetic.products import PRODUCTS, render
from benchmarks.synthetic.writing import ensure

KINDS = [(category, kind) for category in PRODUCTS for kind in PRODUCTS[category].defects]

SMALL = """
import sys
from pathlib import Path
from benchmarks.synthetic import writing
writing.PRODUCTS = {"brushed_steel": writing.PRODUCTS["brushed_steel"]}
print(writing.ensure(Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The whole embedded set, written once and read through the index."""
    return index(ensure(tmp_path_factory.mktemp("embedded")))


@pytest.fixture
def only_steel(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (writing, synthetic_command):
        monkeypatch.setattr(module, "PRODUCTS", {"brushed_steel": PRODUCTS["brushed_steel"]})


def contents(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


# --- the data set as others read it ----------------------------------------------------------


def test_the_embedded_set_is_a_valid_data_set(dataset: Dataset) -> None:
    assert (dataset.name, dataset.synthetic, dataset.warnings) == ("synthetic", True, ())
    assert [category.name for category in dataset.categories] == sorted(PRODUCTS)
    assert len(dataset.categories) == 15
    for category in dataset.categories:
        defects = [sample for sample in category.test if sample.label]
        assert (len(category.train), len(category.test) - len(defects)) == (64, 12)
        assert {sample.defect for sample in defects} == set(PRODUCTS[category.name].defects)
        assert len(defects) in (18, 20)


def test_no_category_borrows_an_official_name() -> None:
    assert not set(PRODUCTS) & set(OFFICIAL_COUNTS)


def test_every_defect_shows_in_the_crop(dataset: Dataset) -> None:
    masks = [
        load_mask(sample.masks, drawing_module.SIZE, 128, "nearest")
        for category in dataset.categories
        for sample in category.test
        if sample.label
    ]
    assert min(mask.sum() for mask in masks) >= 8
    assert max(mask.mean() for mask in masks) < 0.1


def test_no_two_images_are_the_same(dataset: Dataset) -> None:
    paths = [s.path for category in dataset.categories for s in (*category.train, *category.test)]
    assert len({path.read_bytes() for path in paths}) == len(paths)


def test_grey_categories_are_stored_grey(dataset: Dataset) -> None:
    for category in dataset.categories:
        with Image.open(category.train[0].path) as image:
            assert image.mode == ("L" if PRODUCTS[category.name].grey else "RGB")
            assert image.size == (146, 146)


def test_the_set_stays_small(dataset: Dataset) -> None:
    size = sum(path.stat().st_size for path in dataset.root.rglob("*") if path.is_file())
    assert size <= 40_000_000


def test_a_fingerprint_is_the_same_on_every_machine(dataset: Dataset) -> None:
    """A change here makes every stored result on the embedded set incomparable: raise its version.

    The bytes depend on nothing but basic arithmetic and zlib's Huffman coding.
    """
    fingerprints = {category.name: category.fingerprint for category in dataset.categories}
    assert (
        fingerprints["mesh"] == "857d02b1407e7154900de4495ea7b3420728669b810ac90d371d46513bf31f4e"
    )


# --- one specimen ----------------------------------------------------------------------------


@pytest.mark.parametrize(("category", "kind"), KINDS)
def test_a_defect_changes_the_specimen_exactly_within_its_mask(category: str, kind: str) -> None:
    for number in range(PRODUCTS[category].per_defect):
        image, nominal, mask = render(category, "test", kind, number)
        changed = image != nominal
        if changed.ndim == 3:
            changed = changed.any(axis=2)
        assert not changed[~mask].any()
        assert changed.sum() >= 8
        assert changed[mask].mean() > 0.2  # the overlap of a moved part with itself looks alike


@pytest.mark.parametrize("category", PRODUCTS)
def test_a_nominal_specimen_has_an_empty_mask(category: str) -> None:
    image, nominal, mask = render(category, "test", GOOD, 0)
    assert not mask.any()
    np.testing.assert_array_equal(image, nominal)


def test_rendering_depends_on_nothing_but_its_arguments() -> None:
    first = render("gear", "test", "rust", 3)
    np.random.default_rng(0).random(5)
    render("cork", "train", GOOD, 0)
    for one, other in zip(first, render("gear", "test", "rust", 3), strict=True):
        np.testing.assert_array_equal(one, other)


# --- drawing ---------------------------------------------------------------------------------


@given(turns=st.floats(-3, 3))
def test_directions_have_unit_length_and_turn_by_quarters(turns: float) -> None:
    x, y = direction(turns)
    assert x * x + y * y == pytest.approx(1, abs=1e-12)
    assert direction(turns + 0.25) == pytest.approx((-y, x), abs=1e-9)


@pytest.mark.parametrize(("turns", "expected"), [(0, 1), (0.25, 0), (0.5, -1), (0.75, 0), (1, 1)])
def test_the_wave_meets_the_cosine_at_its_quarters(turns: float, expected: float) -> None:
    assert wave(turns) == expected


@settings(max_examples=20)
@given(radius=st.floats(5, 40), turns=st.floats(0, 1))
def test_shapes_cover_their_areas(radius: float, turns: float) -> None:
    frame = Frame(2.3, -1.7, turns)
    assert frame.disc(radius).sum() == pytest.approx(np.pi * radius**2, rel=0.01)
    assert frame.box(2 * radius, radius).sum() == pytest.approx(2 * radius**2, rel=0.05)
    line = frame.line((radius, 0), 2)
    assert line.sum() == pytest.approx(4 * radius + 4 * np.pi, rel=0.05)


# --- writing ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("only_steel")
def test_written_twice_the_files_are_the_same(tmp_path: Path) -> None:
    first, second = ensure(tmp_path / "one"), ensure(tmp_path / "two")
    assert len(contents(first)) == 64 + 12 + 3 * 6 * 2 + 1
    assert contents(first) == contents(second)


@pytest.mark.usefixtures("only_steel")
def test_a_complete_set_is_left_alone(tmp_path: Path) -> None:
    root = ensure(tmp_path / "new" / "folder")
    assert root == tmp_path / "new" / "folder" / "synthetic-v2"
    probe = root / "brushed_steel" / "train" / GOOD / "000.png"
    probe.write_bytes(b"untouched")
    assert ensure(tmp_path / "new" / "folder") == root
    assert probe.read_bytes() == b"untouched"


@pytest.mark.usefixtures("only_steel")
def test_an_interrupted_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        if arguments[3] == 5:
            raise KeyboardInterrupt
        return original(*arguments)

    original = writing.render
    with monkeypatch.context() as patch:
        patch.setattr(writing, "render", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ensure(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(index(ensure(tmp_path)).categories) == 1


def test_two_processes_may_write_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SMALL, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = {process.communicate()[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs == {str(tmp_path / "synthetic-v2")}
    assert [path.name for path in tmp_path.iterdir()] == ["synthetic-v2"]
    assert len(index(tmp_path / "synthetic-v2").categories) == 1


@pytest.mark.usefixtures("only_steel")
def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="can't write the embedded data set") as caught:
        ensure(tmp_path / "file")
    assert str(tmp_path / "file") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("only_steel")
def test_the_command_says_where_and_how_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "set")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'set'}: 94 images in 1 categories\n"
    assert index(tmp_path / "set").synthetic


@pytest.mark.parametrize("name", [".", "taken.txt"])
def test_the_command_refuses_what_is_not_an_empty_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "taken.txt").write_text("mine")
    assert main(["--out", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "not an empty folder" in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["taken.txt"]


def test_importing_loads_no_heavy_library() -> None:
    code = "import sys, benchmarks.synthetic; print(sorted({'torch', 'scipy'} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"

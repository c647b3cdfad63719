"""Maps go out and come back with the same metrics; whatever doesn't fit is one clear line."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.maps import importing
from benchmarks.maps.__main__ import main as maps
from benchmarks.report.content import build
from benchmarks.report.pictures import Sheets
from benchmarks.results import Cell, Store, result_sets
from benchmarks.results.intervals import cell_intervals
from benchmarks.results.lock import only_writer
from benchmarks.results.pairs import all_pairs
from benchmarks.results.scores import read_image_scores
from benchmarks.run.__main__ import main as run
from benchmarks.synthetic.products import VERSION
from tests.helpers.data_sets import write_category, write_dataset

SIZE = 32

FOLDER = "patchcore-100_filterbank_dtype_float32"


@pytest.fixture
def data(folder: Path, no_figures: None) -> Path:
    """Two categories of 40 × 40 pixels; of `bar` the images are 70 × 52."""
    root = write_dataset(Path("data"), "bar", "cup")
    for path in root.rglob("bar/**/*.png"):
        large = Image.open(path).resize((70, 52), Image.Resampling.NEAREST)
        large.save(path)
    return root


def compare(*options: str, methods: str = "patchcore-100,padim") -> int:
    command = ["--data", "data", "--methods", methods, "--backbone", "filterbank", "--out", "out"]
    return run([*command, "--image-size", str(SIZE), "--cache", "cache", *options])


def take(*options: str, name: str = "copy", source: str = "maps/patchcore-100") -> int:
    command = ["import", source, "--name", name, "--data", "data", "--cache", "cache"]
    return maps([*command, *options])


def give(*options: str, methods: str = "patchcore-100", out: str = "maps") -> int:
    command = ["export", "out", "--methods", methods, "--out", out, "--data", "data"]
    return maps([*command, "--cache", "cache", *options])


def cells(method: str, out: str = "out") -> dict[str, Cell]:
    found = Store(Path(out)).cells()
    return {cell.spec.category: cell for cell in found if cell.spec.method == method}


@pytest.mark.parametrize(("length", "status"), [(250, 0), (251, 2)])
def test_names_too_long_for_maps_are_refused_before_any_is_written(
    length: int, status: int, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare("--save-maps")
    image = min(data.rglob("cup/test/good/*.png"))
    image.rename(image.with_stem("y" * length))
    compare("--save-maps", "--force")
    capsys.readouterr()
    assert give() == status
    assert len([*Path("maps").rglob("*.tiff")]) == (
        0 if status else len([*data.rglob("test/*/*.png")])
    )
    assert ("too long for a map's file or folder" in capsys.readouterr().err) == bool(status)


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
def test_export_and_import_give_the_same_metrics(
    data: Path, capsys: pytest.CaptureFixture[str], fit: str
) -> None:
    assert compare("--fit", fit, "--save-maps") == 0
    assert give() == 0
    said = capsys.readouterr().err
    beyond = "14 images reach beyond the crop: there the map is filled with its minimum"
    assert (beyond in said) == (fit == "crop")
    assert "scaled down" not in said
    assert take("--out", "out", "--scores", "maps/patchcore-100/scores.csv", "--save-maps") == 0
    before, after = cells("patchcore-100"), cells("copy (imported)")
    assert before.keys() == after.keys() == {"bar", "cup"}
    for category, cell in after.items():
        assert cell.metrics == before[category].metrics
        assert cell.metrics["pixel_auroc"] > 0.5
        assert (cell.unseen_defects, cell.unseen_share) == (
            before[category].unseen_defects,
            before[category].unseen_share,
        )
        scores = [read_image_scores(Path("out") / c.scores) for c in (cell, before[category])]
        assert scores[0].equals(scores[1])
        stored = [np.load(Path("out") / c.maps) for c in (cell, before[category])]
        assert stored[0].files == stored[1].files
        for name in stored[0].files:
            np.testing.assert_array_equal(stored[0][name], stored[1][name])


def test_an_import_that_fails_leaves_its_traceback(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--save-maps", methods="patchcore-100") == 0
    assert give() == 0

    def out_of_patience(*_: object) -> None:
        raise RuntimeError("size mismatch")

    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.evaluation.evaluating.measure_pixels", out_of_patience)
        assert take("--out", "other", "--raise") == 1
        assert {*cells("copy (imported)", "other")} == {"bar"}  # the first is the last
        assert "in out_of_patience" in capsys.readouterr().err
        assert take("--out", "other") == 1
    failed, said = cells("copy (imported)", "other"), capsys.readouterr().err
    assert {*failed} == {"bar", "cup"}
    for cell in failed.values():
        assert "in out_of_patience" in (Path("other") / str(cell.log)).read_text()
        assert f"{cell.spec.label}: FAILED: {cell.error}; traceback: {cell.log}" in said
    assert take("--out", "other") == 0
    assert not [*Path("other/logs").glob("*/*")]


def test_exported_maps_have_their_images_names_and_sizes(data: Path) -> None:
    assert compare("--save-maps") == 0
    assert give(methods="padim,patchcore-100") == 0
    for method in ("padim", "patchcore-100"):
        written = sorted(Path("maps", method).rglob("*.tiff"))
        images = sorted(path for path in data.rglob("test/*/*.png"))
        assert [path.relative_to(f"maps/{method}").with_suffix(".png") for path in written] == [
            path.relative_to(data) for path in images
        ]
        for path, image in zip(written, images, strict=True):
            found = tifffile.imread(path)
            assert found.dtype == np.float32
            assert found.shape[::-1] == Image.open(image).size


def test_maps_of_small_images_come_back_nearly(
    folder: Path, no_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup")
    assert compare("--image-size", "56", "--save-maps", methods="padim") == 0
    assert give(methods="padim") == 0
    assert "7 images are smaller than methods saw them" in capsys.readouterr().err
    assert take("--out", "out", source="maps/padim") == 0
    before, after = cells("padim")["cup"].metrics, cells("copy (imported)")["cup"].metrics
    assert after["pixel_auroc"] != before["pixel_auroc"]
    assert after["pixel_auroc"] == pytest.approx(before["pixel_auroc"], abs=0.01)


def test_metrics_of_imported_maps_are_scikit_learns_of_the_files(data: Path) -> None:
    random, values, masks, labels, scores = np.random.default_rng(0), [], [], [], []
    for image in sorted((data / "cup/test").rglob("*.png")):
        values.append(random.random((40, 40)).astype(np.float32))
        mask = data / "cup/ground_truth" / image.parent.name / f"{image.stem}_mask.png"
        masks.append(np.asarray(Image.open(mask)) > 0 if mask.exists() else np.zeros((40, 40)))
        labels.append(mask.exists())
        scores.append(values[-1].max())
        path = Path("other/cup/test") / image.parent.name / f"{image.stem}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, values[-1])
    whole = ["--image-size", "40", "--resize", "40", "--categories", "cup", "--out", "whole"]
    assert take(*whole, source="other") == 0
    metrics = cells("copy (imported)", "whole")["cup"].metrics
    flat = np.ravel(masks), np.ravel(values)
    assert metrics["pixel_auroc"] == pytest.approx(roc_auc_score(*flat))
    assert metrics["pixel_ap"] == pytest.approx(average_precision_score(*flat))
    assert metrics["image_auroc"] == pytest.approx(roc_auc_score(labels, scores))


def test_imported_methods_stand_beside_others(data: Path) -> None:
    assert compare("--save-maps", methods="padim,patchcore-100") == 0
    assert compare("--save-maps", "--dtype", "float16", methods="padim") == 0
    assert give("--categories", "cup", methods="padim") == 2
    assert give("--categories", "cup", methods="patchcore-100") == 0
    copied = sorted(Path("maps", FOLDER, "cup").rglob("*.tiff"))
    for number, path in enumerate(copied):
        tifffile.imwrite(path, tifffile.imread(path) + np.float32(number % 3))
    here = ("--categories", "cup", "--out", "out", "--save-maps")
    assert take(*here, source=f"maps/{FOLDER}") == 0
    (one,) = result_sets(Path("out"))
    names = [
        "padim @ filterbank dtype float32",
        "patchcore-100 @ filterbank dtype float32",
        "padim @ filterbank dtype float16",
        "copy (imported)",
    ]
    assert list(one.methods) == names
    origin = "copy (imported): maps of another program, image scores: each map's maximum"
    assert origin in one.caption("x")
    frame = all_pairs(one)
    tests = frame[(frame["test"] == "paired") & (frame["category"] == "cup")]
    assert {*zip(tests["first"], tests["second"], strict=True)} == {
        (names[i], names[j]) for i in range(4) for j in range(i + 1, 4)
    }
    key = ("cup", "copy (imported)")
    assert "pixel_auroc" in cell_intervals(one.scores[key], one.maps[key])
    (shown,) = build([[one]], Sheets())["sets"]
    assert dict(shown["facts"])["copy (imported)"].startswith("maps of another program, as they")
    column = [cell and cell["maps"] for cell in shown["cells"][1]]
    assert all(number is not None for number in column)
    assert shown["cells"][0][3] is None  # `bar` wasn't imported


def test_a_maps_file_format_is_no_identity_but_its_numbers_are(data: Path) -> None:
    assert compare("--save-maps", "--categories", "cup", methods="padim") == 0
    assert give("--categories", "cup", methods="padim") == 0
    here = ("--categories", "cup", "--out", "out")
    assert take(*here, source="maps/padim") == 0
    first = cells("copy (imported)")["cup"]
    for path in Path("maps/padim/cup").rglob("*.tiff"):
        np.save(path.with_suffix(".npy"), tifffile.imread(path).astype(np.float64))
        path.unlink()
    assert take(*here, source="maps/padim") == 0
    assert cells("copy (imported)")["cup"].key == first.key
    changed = next(Path("maps/padim/cup").rglob("*.npy"))
    np.save(changed, np.load(changed) * 1.001)
    assert take(*here, source="maps/padim") == 0
    both = [c for c in Store(Path("out")).cells() if c.spec.method == "copy (imported)"]
    assert len({cell.key for cell in both}) == 2
    (one,) = result_sets(Path("out"))
    assert list(one.methods) == ["padim", "copy (imported)"]  # the newest alone is shown


def some_maps(shape: tuple[int, int] = (40, 40)) -> list[Path]:
    written = []
    for image in sorted(Path("data/cup/test").rglob("*.png")):
        path = Path("other/cup/test") / image.parent.name / f"{image.stem}.tiff"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.random.default_rng(0).random(shape).astype(np.float32))
        written.append(path)
    return written


def emptied(path: Path) -> None:
    path.unlink()
    np.save(path.with_suffix(".npy"), np.zeros((0, 0)))


def linked_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("gone.tiff")


def moved_deeper(path: Path) -> None:
    Path("other/cup").rename("cup")
    Path("other/flow").mkdir()
    Path("cup").rename("other/flow/cup")


def moved_higher(path: Path) -> None:
    for folder in Path("other/cup").iterdir():
        folder.rename(Path("other") / folder.name)


SPOILT: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "twice": lambda path: np.save(path.with_suffix(".npy"), np.zeros((40, 40))),
    "nan": lambda path: tifffile.imwrite(path, np.full((40, 40), np.nan, np.float32)),
    "shape": lambda path: tifffile.imwrite(path, np.zeros((40, 60), np.float32)),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "nothing": lambda path: path.write_bytes(b""),
    "no values": emptied,
    "link to nothing": linked_to_nothing,
    "ending": lambda path: path.rename(path.with_suffix(".jpg")),
    "suffix": lambda path: path.rename(path.with_name("000_anomaly.tiff")),
    "capital": lambda path: path.parent.rename(path.parent.with_name("Good")),
    "deeper": moved_deeper,
    "higher": moved_higher,
    "empty": lambda path: shutil.rmtree("other/cup"),
}


READ = "(.tiff, .tif, .npy, .npz, .png are read)"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", "test/good/000.png has none: add cup/test/good/000.tiff"),
        ("twice", "test/good/000.png has several: keep one of 000.npy, 000.tiff"),
        ("nan", "other/cup/test/good/000.tiff: 1600 of 1600 values are NaN"),
        ("shape", "the map is 60×40 pixels and its image 40×40: a map shows its whole image"),
        ("truncated", "other/cup/test/good/000.tiff: not a readable map"),
        ("nothing", "other/cup/test/good/000.tiff: not a readable map"),
        ("no values", "other/cup/test/good/000.npy: holds 0 × 0 values of type float64"),
        ("link to nothing", "000.tiff is a link to gone.tiff, which isn't there"),
        ("ending", f"a map each; other has cup/test/good/000.jpg {READ}"),
        ("suffix", f"a map each; other has cup/test/good/000_anomaly.tiff {READ}"),
        ("capital", f"a map each; other has cup/test/Good/000.tiff {READ}"),
        ("deeper", f"a map each; other has flow/cup/test/good/000.tiff {READ}"),
        ("higher", f"a map each; other has test/good/000.tiff {READ}"),
        ("empty", f"a map each; other has nothing {READ}"),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_maps_that_do_not_fit_are_named_and_nothing_is_stored(
    data: Path, capsys: pytest.CaptureFixture[str], how: str, said: str, last: bool
) -> None:
    SPOILT[how](some_maps()[0])
    if last:  # a category whose maps are right comes before it
        write_category(data / "amp", good=1, defect=1)
        for image in (data / "amp/test").rglob("*.png"):
            path = Path("other") / image.relative_to(data).with_suffix(".npy")
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.random.default_rng(0).random((40, 40)))
        said = said.replace("has nothing", "has amp/test/good/000.npy")
    names = "amp,cup" if last else "cup"
    assert take("--categories", names, "--out", "out", source="other") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not [*Path("out").rglob("*")]


def test_scores_that_lack_an_image_of_the_last_category_store_nothing(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--save-maps", methods="patchcore-100") == 0
    assert give() == 0
    rows = Path("maps/patchcore-100/scores.csv").read_text().splitlines()
    assert rows[-1].startswith("cup/")
    Path("s.csv").write_text("\n".join(rows[:-1]))
    assert take("--out", "other", "--scores", "s.csv") == 2
    assert "no score of cup/test/spot/003.png; the nearest name is bar/" in capsys.readouterr().err
    assert not [*Path("other").rglob("*")]


def test_maps_that_change_between_their_two_readings_are_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = some_maps()[0]
    check = importing.check_category

    def and_change(*given: Any) -> importing.CheckedMaps:
        checked = check(*given)
        tifffile.imwrite(first, np.zeros((40, 40), np.float32))
        return checked

    monkeypatch.setattr(importing, "check_category", and_change)
    assert take("--categories", "cup", "--out", "out", source="other") == 2
    assert "maps of cup changed while they were read" in capsys.readouterr().err
    assert not [*Path("out").rglob("*.json")]


def test_links_capital_endings_and_other_forms_of_unicode_are_maps(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    composed, decomposed = (unicodedata.normalize(form, "späne") for form in ("NFC", "NFD"))
    (data / "cup/test/spot").rename(data / f"cup/test/{composed}")
    (data / "cup/ground_truth/spot").rename(data / f"cup/ground_truth/{composed}")
    for path in some_maps():
        path.rename(path.with_suffix(".TIFF"))
    Path(f"other/cup/test/{composed}").rename(f"other/cup/test/{decomposed}")
    Path("other/cup/test/good").rename("elsewhere")
    Path("other/cup/test/good").symlink_to(Path("elsewhere").absolute())
    assert take("--categories", "cup", "--out", "out", source="other") == 0
    assert "left out" not in capsys.readouterr().err
    assert cells("copy (imported)")["cup"].metrics["pixel_auroc"] is not None
    Path(f"other/cup/test/{decomposed}").rename("besides")
    Path(f"other/cup/test/{decomposed}").symlink_to(Path("besides").absolute())
    Path("other/cup/test/loop").symlink_to(Path("other").absolute())
    Path("linked").symlink_to("other")
    assert take("--categories", "cup", "--out", "out", source="linked", name="again") == 0
    again, before = (cells(f"{name} (imported)")["cup"] for name in ("again", "copy"))
    assert again.spec.params == before.spec.params


def test_a_folder_of_methods_names_them(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some_maps()
    for number in (1, 2):
        shutil.copytree("other", f"several/m{number}")
    every = "data, other, several/m1, several/m2"
    for source, named in (("several", "several/m1, several/m2"), (".", every)):
        assert take("--categories", "cup", source=source) == 2
        assert f"name one of {named}" in capsys.readouterr().err


# --- where the data are ----------------------------------------------------------------------


def test_an_export_knows_its_runs_data(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", "out", "--cache", "other-cache", "--methods", "patchcore-100,padim"]
    for options in ([], ["--no-masks"]):
        assert compare("--save-maps", *options) == 0
        assert maps([*command, "--out", "with" if not options else "without"]) == 0
        shutil.rmtree("out")
    said = capsys.readouterr().err
    assert not (Path("other-cache") / VERSION).exists()  # nothing was drawn
    assert said.count("other programs take each map's maximum for the image's score") == 4
    assert "of 0 maps that isn't padim's own" in said
    assert "of 14 maps that isn't patchcore-100's own" in said
    for method in ("patchcore-100", "padim"):
        assert len([*Path("with", method).rglob("*.tiff")]) == 14


def test_a_run_of_two_data_sets_is_exported_by_them(data: Path) -> None:
    write_category(Path("others/cup"), good=5)
    assert compare("--save-maps", methods="padim") == 0
    command = ["--methods", "padim", "--backbone", "filterbank", "--image-size", str(SIZE)]
    assert run([*command, "--data", "others", "--out", "out", "--save-maps"]) == 0
    assert maps(["export", "out", "--methods", "padim", "--out", "maps"]) == 0
    counts = {path.name: len([*path.rglob("*.tiff")]) for path in Path("maps").iterdir()}
    assert counts == {"data": 14, "others": 9}
    assert len([*Path("maps/data/padim/bar").rglob("*.tiff")]) == 7


def test_categories_are_exported_of_the_data_sets_that_hold_them(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two data sets, both with `cup`, the first alone with `bar`, the other with `mug`."""
    for name in ("cup", "mug"):
        write_category(Path("others") / name, good=5)
    assert compare("--save-maps", methods="padim") == 0
    command = ["--methods", "padim", "--backbone", "filterbank", "--image-size", str(SIZE)]
    assert run([*command, "--data", "others", "--out", "out", "--save-maps"]) == 0
    export = ["export", "out", "--methods", "padim", "--categories"]
    expected = {
        "bar": {"data/padim/bar"},
        "mug": {"others/padim/mug"},
        "cup": {"data/padim/cup", "others/padim/cup"},
        "mug,bar": {"data/padim/bar", "others/padim/mug"},
    }
    for names, folders in expected.items():
        assert maps([*export, names, "--out", "maps"]) == 0
        written = {path.relative_to("maps").as_posix() for path in Path("maps").glob("*/*/*/")}
        assert {folder for folder in written if not folder.endswith(".csv")} == folders
        shutil.rmtree("maps")
    capsys.readouterr()
    for names in ("mugg", "bar,mugg"):
        assert maps([*export, names, "--out", "maps"]) == 2
        assert "no category 'mugg'" in capsys.readouterr().err
    assert maps([*export, "mug", "--data", "data", "--out", "maps"]) == 2
    assert "no category 'mug'" in capsys.readouterr().err


# --- precision -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f8", "i4", "i8"])
@pytest.mark.parametrize("size", [20, 40, 56])
def test_maps_keep_the_order_of_their_values(data: Path, kind: str, size: int) -> None:
    """Values that single precision merges are measured as the same values in a smaller range."""
    random, values = np.random.default_rng(0), {}
    for path in some_maps():
        path.unlink()
        values[path.with_suffix(".npy")] = random.integers(0, 2000, (40, 40))
    metrics, intervals = [], []
    for offset in (0, 2**29):
        for path, numbers in values.items():
            np.save(path, (numbers / 8 if kind == "f8" else numbers).astype(kind) + offset)
        out = f"out-{offset}"
        here = ("--categories", "cup", "--out", out, "--resize", str(size), "--save-maps")
        assert take(*here, "--image-size", str(size), source="other") == 0
        cell = cells("copy (imported)", out)["cup"]
        metrics.append(cell.metrics)
        with np.load(Path(out) / str(cell.maps)) as stored:
            assert stored["maps"].dtype == (np.float64 if offset else np.float32)
            assert len(np.unique(stored["preview_maps"])) > 100
        stored_beside = Path(out) / str(cell.scores), Path(out) / str(cell.maps)
        intervals.append(cell_intervals(*stored_beside)["pixel_auroc"])
    np.testing.assert_allclose(*intervals, atol=1e-3)
    if size <= 40:  # coarser maps are interpolated, in the precision that they have
        assert metrics[0] == metrics[1]
    else:
        assert metrics[0] == pytest.approx(metrics[1], abs=1e-3)


def test_maps_in_double_precision_go_out_and_come_back(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, path in enumerate(some_maps()):
        values = np.random.default_rng(number).random((40, 40))
        tifffile.imwrite(path, 1e6 + values / 1e4)
    here = ("--categories", "cup", "--out", "out", "--save-maps")
    assert take(*here, "--image-size", "32", source="other") == 0
    before = cells("copy (imported)")["cup"]
    out = ("--categories", "cup")
    assert give(*out, methods="copy (imported)") == 0
    said = "warning: rounding makes values of 7 maps equal; --dtype float64 keeps all"
    assert said in capsys.readouterr().err
    assert give(*out, "--dtype", "float64", methods="copy (imported)") == 0
    assert "warning" not in capsys.readouterr().err
    scores = ("--scores", "maps/copy_imported/scores.csv")
    assert take(*here, *scores, source="maps/copy_imported", name="again") == 0
    assert cells("again (imported)")["cup"].metrics == before.metrics


# --- seeds, and maps that are imported again -------------------------------------------------


def test_maps_of_several_seeds_give_a_mean_and_a_deviation(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aurocs = []
    for seed in (0, 3):
        for number, path in enumerate(some_maps()):
            values = np.random.default_rng([seed, number]).random((40, 40))
            tifffile.imwrite(path, values.astype(np.float32))
        here = ("--categories", "cup", "--out", "out", "--seed", str(seed))
        assert take(*here, source="other") == 0
        assert "are stored for" not in capsys.readouterr().err
        newest = max(Store(Path("out")).cells(), key=lambda cell: cell.started_utc)
        assert newest.spec.seed == seed
        aurocs.append(newest.metrics["pixel_auroc"])
    assert aurocs[0] != aurocs[1]
    (results,) = result_sets(Path("out"))
    assert results.methods == {"copy (imported)": (0, 3)}
    table = results.table("pixel_auroc")
    assert table.values.loc["cup", "copy (imported)"] == pytest.approx(np.mean(aurocs))
    deviation = np.std(np.array(aurocs, float), ddof=1)
    assert table.deviations.loc["cup", "copy (imported)"] == pytest.approx(deviation)


def test_other_maps_of_a_name_are_said_to_replace_those_before(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = some_maps()
    here = ("--categories", "cup", "--out", "out")
    said = "other maps of copy (imported), seed 0, are stored for cup: tables show the new ones"
    for changed, warned in ((False, False), (False, False), (True, True)):
        if changed:
            tifffile.imwrite(first, np.zeros((40, 40), np.float32))
        assert take(*here, source="other") == 0
        assert (said in capsys.readouterr().err) == warned
    assert take(*here, "--seed", "1", source="other") == 0
    assert said not in capsys.readouterr().err


def test_the_maps_that_were_imported_last_are_shown_also_where_they_came_first(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = some_maps()
    content, here = first.read_bytes(), ("--categories", "cup", "--out", "out")
    assert take(*here, source="other") == 0
    table = capsys.readouterr().out
    tifffile.imwrite(first, np.full((40, 40), 9, np.float32))
    assert take(*here, source="other") == 0
    assert capsys.readouterr().out != table
    with only_writer(Path("out")):
        assert take(*here, source="other") == 2
    assert "another command writes there" in capsys.readouterr().err
    first.write_bytes(content)
    assert take(*here, source="other") == 0
    assert capsys.readouterr().out == table
    assert len(Store(Path("out")).cells()) == 2


@pytest.mark.parametrize("seed", ["-1", "0,1", "x", "²", "1.5", str(2**32)])
def test_a_seed_is_one_integer(folder: Path, seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        take(f"--seed={seed}")
    assert stop.value.code == 2
    assert f"{seed!r}: give an integer from 0 to 4294967295" in capsys.readouterr().err


def test_maps_of_the_wrong_sign_get_a_hint(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted((data / "cup/test").rglob("*.png")):
        similarity = 255 - np.asarray(Image.open(path).convert("L"), np.float32)
        out = Path("other") / path.relative_to(data).with_suffix(".npy")
        out.parent.mkdir(parents=True, exist_ok=True)
        np.save(out, similarity)
    assert take("--categories", "cup", "--out", "out", source="other") == 0
    hint = "copy (imported) s0: pixel AUROC 0.0 is far below chance: is higher more anomalous?"
    assert f"warning: cup: {hint}" in capsys.readouterr().err
    assert list(cells("copy (imported)")["cup"].warnings) == [hint]


def test_what_is_left_out_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some_maps()
    Path("other/cup/notes.txt").write_text("x")
    (Path("other/cup/test/good") / "999.tiff").write_bytes(b"")
    assert take("--categories", "cup", "--out", "out", source="other") == 0
    assert (
        "other: 2 files are no test image's map, left out: notes.txt, test/good/999.tiff"
        in capsys.readouterr().err
    )


def test_the_images_themselves_are_no_maps(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert take("--categories", "cup", "--out", "out", source="data") == 2
    assert "is the image itself; name the folder of the maps" in capsys.readouterr().err


Rows = list[list[str]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[:-1], "no score of cup/test/spot/003.png"),
        (
            lambda rows: [*rows, ["cup/test/spot/9.png", "1"]],
            "cup/test/spot/9.png is no test image: the nearest is cup/test/spot/",
        ),
        (lambda rows: [*rows, rows[-1]], "line 9: cup/test/spot/003.png has a score already"),
        (lambda rows: [*rows[:-1], [rows[-1][0], "inf"]], "line 8: the score of cup/test/spot/003"),
        (lambda rows: [*rows[:-1], [rows[-1][0], "high"]], "'high', not a finite number"),
        (lambda rows: [["file", "value"], *rows[1:]], "below the columns image and score"),
        (lambda rows: rows[:1], "below the columns image and score"),
    ],
)
def test_scores_that_do_not_fit_are_named(
    data: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Rows], Rows],
    said: str,
) -> None:
    names = sorted(path.relative_to("data").as_posix() for path in data.rglob("cup/test/*/*.png"))
    rows = [["image", "score"], *([name, "0.5"] for name in names)]
    some_maps()
    Path("s.csv").write_text("\n".join(map(",".join, change(rows))) + "\n")
    assert take("--categories", "cup", "--out", "out", "--scores", "s.csv", source="other") == 2
    assert said in capsys.readouterr().err


def score_rows() -> list[tuple[str, str]]:
    """Each test image of `cup` with a score, no two the same; defects have the higher ones."""
    names = sorted(
        path.relative_to("data").as_posix() for path in Path("data").rglob("cup/test/*/*")
    )
    return [(name, f"{number}.5") for number, name in enumerate(names)]


Form = Callable[[list[tuple[str, str]]], bytes]


def lines_of(rows: list[tuple[str, str]], mark: str = ",", end: str = "\n") -> bytes:
    return "".join(f"{image}{mark}{score}{end}" for image, score in rows).encode()


def headed(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("image", "score"), *rows]


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: lines_of(headed(rows)),
        lambda rows: lines_of(headed(rows), ";"),
        lambda rows: lines_of(headed(rows), "\t"),
        lambda rows: lines_of(headed(rows), "   "),
        lambda rows: lines_of(headed(rows), ", "),
        lambda rows: b"\xef\xbb\xbf" + lines_of(headed(rows), ";", "\r\n"),
        lambda rows: lines_of([("Image", " Score "), *rows]),
        lambda rows: lines_of(headed(rows), end=",\n").replace(b"score,", b"score"),
        lambda rows: lines_of(headed([(f"/home/me/data/{n}", s) for n, s in rows])),
        lambda rows: lines_of(headed([(f"./{n}", s) for n, s in rows])),
        lambda rows: lines_of(headed([("C:\\" + n.replace("/", "\\"), s) for n, s in rows])),
        lambda rows: lines_of([("score", "image"), *((s, n) for n, s in rows)]),
        lambda rows: lines_of([*headed(rows), ("bolt/test/good/000.png", "7")]),
    ],
)
def test_scores_are_read_whatever_separates_them_and_however_images_are_named(
    data: Path, form: Form
) -> None:
    some_maps()
    Path("s.csv").write_bytes(form(score_rows()))
    assert take("--categories", "cup", "--out", "o", "--scores", "s.csv", source="other") == 0
    stored = read_image_scores(Path("o") / str(cells("copy (imported)", "o")["cup"].scores))
    given = {name: float(score) for name, score in score_rows()}
    found = zip(stored["path"], stored["score"], strict=True)
    assert {f"cup/{name}": score for name, score in found} == given


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (
            lambda rows: lines_of(headed([(n, s.replace(".", ",")) for n, s in rows])),
            "line 2: the score of cup/test/good/000.png is '0,5', not a finite number, as 0.5",
        ),
        (
            lambda rows: lines_of(headed([(n, s.replace(".", ",")) for n, s in rows]), ";"),
            "line 2: the score of cup/test/good/000.png is '0,5', not a finite number, as 0.5",
        ),
        (
            lambda rows: lines_of(headed([("cup/test/a,b.png", "1"), *rows])),
            "line 2: the score of cup/test/a is 'b.png,1', not a finite number",
        ),
        (lambda rows: lines_of(headed(rows), "|"), "the first line is 'image|score'"),
        (lines_of, "the first line is 'cup/test/good/000.png,0.5'"),
        (lambda rows: b"", "the first line is ''"),
        (lambda rows: lines_of(headed(rows)).decode().encode("utf-16"), "not a readable CSV"),
        (
            lambda rows: lines_of(headed([*rows, (f"/data/{rows[0][0]}", "3")])),
            "/data/cup/test/good/000.png and cup/test/good/000.png are the same image; keep one",
        ),
        (
            lambda rows: lines_of(headed([(n.removeprefix("cup/"), s) for n, s in rows])),
            "no score of cup/test/good/000.png; the nearest name is test/good/000.png",
        ),
        (
            lambda rows: lines_of(headed([(n.replace(".png", ".PNG"), s) for n, s in rows])),
            "no score of cup/test/good/000.png; the nearest name is cup/test/good/000.PNG",
        ),
    ],
)
def test_scores_that_could_be_misread_are_refused(
    data: Path, capsys: pytest.CaptureFixture[str], form: Form, said: str
) -> None:
    some_maps()
    Path("s.csv").write_bytes(form(score_rows()))
    assert take("--categories", "cup", "--out", "o", "--scores", "s.csv", source="other") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not [*Path("o").rglob("*")]


def test_scores_in_double_precision_keep_their_order(data: Path) -> None:
    some_maps()
    rows = [(name, f"{1e6 + number / 1e6!r}") for number, (name, _) in enumerate(score_rows())]
    Path("s.csv").write_bytes(lines_of(headed(rows)))
    assert take("--categories", "cup", "--out", "o", "--scores", "s.csv", source="other") == 0
    assert cells("copy (imported)", "o")["cup"].metrics["image_auroc"] == 1


def test_given_scores_count_and_are_part_of_the_identity(data: Path) -> None:
    some_maps()
    names = sorted(path.relative_to("data").as_posix() for path in data.rglob("cup/test/*/*.png"))
    keys = set()
    for good, defect, auroc in ((0, 1, 1.0), (1, 0, 0.0)):
        rows = [f"{name},{defect if 'spot' in name else good}" for name in names]
        Path("s.csv").write_text("\n".join(["image,score", *rows]) + "\n")
        assert take("--categories", "cup", "--out", "o", "--scores", "s.csv", source="other") == 0
        found = max(Store(Path("o")).cells(), key=lambda cell: cell.started_utc)
        assert found.metrics["image_auroc"] == auroc
        keys.add(found.key)
    assert len(keys) == 2


def test_the_crop_is_the_runs_and_another_is_refused(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some_maps()
    here = ("--categories", "cup", "--out", "out")
    assert compare("--categories", "cup", "--fit", "pad", methods="padim") == 0
    assert take(*here, source="other") == 0
    assert cells("copy (imported)")["cup"].spec.protocol.fit == "pad"
    assert take(*here, "--image-size", "24", source="other") == 2
    said = capsys.readouterr().err
    assert "out holds cells of 32 px, fit pad, masks nearest, beside which another crop" in said
    assert "leave --image-size out, or name another --out" in said
    assert compare("--categories", "cup", methods="padim") == 0
    assert take(*here, source="other") == 2
    assert "out holds cells of several crops" in capsys.readouterr().err
    assert take(*here, "--fit", "crop", source="other") == 0


def test_imported_maps_say_how_the_runs_images_were_resized(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some_maps()
    here = ("--categories", "cup", "--out", "out")
    assert compare("--categories", "cup", "--interpolation", "lanczos", methods="padim") == 0
    assert take(*here, "--interpolation", "bilinear", source="other") == 2
    assert "masks nearest, lanczos, beside which another crop" in capsys.readouterr().err
    assert take(*here, source="other") == 0
    assert cells("copy (imported)")["cup"].spec.protocol.interpolation == "lanczos"
    (results,) = result_sets(Path("out"))
    assert list(results.methods) == ["padim", "copy (imported)"]
    assert take(*here[:2], "--interpolation", "box", "--out", "alone", source="other") == 0
    assert cells("copy (imported)", "alone")["cup"].spec.protocol.interpolation == "box"


def test_other_data_are_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some_maps()
    assert compare("--categories", "cup", methods="padim") == 0
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save("data/cup/test/good/000.png")
    assert take("--categories", "cup", "--out", "out", source="other") == 2
    assert "out: images or masks of cup are not the same" in capsys.readouterr().err
    assert give("--categories", "cup", methods="padim") == 2
    assert "padim on cup was evaluated on other images or masks" in capsys.readouterr().err


def test_exports_need_all_maps_and_a_method_that_is_there(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--categories", "cup", methods="padim") == 0
    assert give("--categories", "cup", methods="padim") == 2
    assert "--save-maps" in capsys.readouterr().err
    assert give("--categories", "cup", methods="spade") == 2
    assert "--methods spade: out has padim" in capsys.readouterr().err


def test_half_precision_is_written_or_refused(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some_maps()
    here = ("--categories", "cup", "--out", "out", "--save-maps", "--image-size", "32")
    assert take(*here, source="other") == 0
    assert give("--categories", "cup", "--dtype", "float16", methods="copy (imported)") == 0
    (path, *_) = sorted(Path("maps/copy_imported/cup").rglob("*.tiff"))
    half = tifffile.imread(path)
    assert half.dtype == np.float16
    assert take("--categories", "cup", "--out", "again", source="maps/copy_imported") == 0
    tifffile.imwrite(some_maps()[0], np.full((40, 40), 1e6, np.float32))
    assert take(*here, source="other") == 0
    assert give("--categories", "cup", "--dtype", "float16", methods="copy (imported)") == 2
    assert "1e+06 is more than half precision holds; leave --dtype out" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "a,b", "a/b", "a [x]", " a", "ä" * 3, "x" * 101])
def test_a_name_is_one(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        take(name=name)
    assert stop.value.code == 2
    assert "letters, digits" in capsys.readouterr().err


def test_a_cell_says_what_it_is(data: Path) -> None:
    some_maps()
    assert take("--categories", "cup", source="other") == 0
    (path,) = Path("results/data-imported-224/cells").rglob("*.json")
    stored: dict[str, Any] = json.loads(path.read_text())
    spec = stored["spec"]
    assert spec["method"] == "copy (imported)"
    assert len(spec["params"]["maps_sha256"]) == 64
    assert spec["params"]["scores"] == "each map's maximum"
    assert spec["protocol"]["backbone"]["name"] == "imported"
    assert spec["protocol"]["smoothing_sigma"] == 0
    assert stored["fit_seconds"] is stored["score_seconds"] is None

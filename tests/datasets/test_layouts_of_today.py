"""MVTec AD 2, Real-IAD, KolektorSDD2, DAGM and MTD are read as they are distributed."""

from __future__ import annotations

import json
import shutil
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets import KNOWN, index, load_mask
from benchmarks.datasets.images import ImageFile
from benchmarks.datasets.layouts import paired
from benchmarks.datasets.layouts.magnetic_tiles import tiles
from benchmarks.datasets.masks import read_mask
from benchmarks.figures import writing as figures
from benchmarks.run import __main__ as run
from tests.datasets.reading import only, problem
from tests.datasets.test_layouts_added import WRITERS as ADDED
from tests.helpers.data_sets import SIDE, save


def image(path: Path) -> Path:
    """Write noise, another in each place."""
    dice = np.random.default_rng(zlib.crc32("/".join(path.parts[-4:]).encode()))
    save(dice.integers(80, 120, (SIDE, SIDE, 3)).astype(np.uint8), path)
    return path


def mask(path: Path, *, marked: bool = True) -> Path:
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    if marked:
        pixels[10:20, 12:24] = 255
    save(pixels, path)
    return path


def write_mvtec_2(root: Path) -> Path:
    can = root / "can"
    for folder, count in (("train/good", 4), ("validation/good", 2), ("test_public/good", 2)):
        for number in range(count):
            image(can / folder / f"{number:03}_regular.png")
    for number in range(3):
        image(can / f"test_public/bad/{number:03}_shift_1.png")
        mask(can / f"test_public/ground_truth/bad/{number:03}_shift_1_mask.png")
        image(can / f"test_private/{number:03}_regular.png")
        image(can / f"test_private_mixed/{number:03}_mixed.png")
    return root


def write_real_iad(root: Path) -> Path:
    folder = root / "realiad_1024" / "usb"
    content: dict[str, list[dict[str, str | None]]] = {"train": [], "test": []}
    for split, kind, count in (("train", "OK", 4), ("test", "OK", 2), ("test", "AK", 3)):
        for number in range(count):
            sub = "OK" if kind == "OK" else f"NG/{kind}"
            name = f"{sub}/S{number:04}/usb_{number:04}_{sub[:2]}_{split}_C1.jpg"
            image(folder / name)
            masked = str(Path(name).with_suffix(".png")) if kind != "OK" else None
            if masked:
                mask(folder / masked)
            content[split].append(
                {"category": "usb", "anomaly_class": kind, "image_path": name, "mask_path": masked}
            )
    table = root / "realiad_jsons" / "realiad_jsons" / "usb.json"
    table.parent.mkdir(parents=True)
    meta = {"prefix": "usb/", "normal_class": "OK", "pre_transform": None}
    table.write_text(json.dumps({"meta": meta, **content}))
    return root


def write_kolektor(root: Path) -> Path:
    for split, good, bad in (("train", 4, 2), ("test", 2, 3)):
        for number in range(good + bad):
            image(root / split / f"{number + 10}.png")
            mask(root / split / f"{number + 10}_GT.png", marked=number >= good)
    return root


def write_dagm(root: Path) -> Path:
    for split, good, bad in (("Train", 4, 1), ("Test", 2, 3)):
        lines = ["1"]
        for number in range(1, good + bad + 1):
            image(root / "Class1" / split / f"{number:04}.PNG")
            label = f"{number:04}_label.PNG" if number > good else "0"
            lines.append(f"{number}\t{int(number > good)}\t{number:04}.PNG\t0\t{label}")
            if number > good:
                mask(root / "Class1" / split / "Label" / label)
        (root / "Class1" / split / "Label").mkdir(exist_ok=True)
        (root / "Class1" / split / "Label" / "Labels.txt").write_text("\n".join(lines))
    return root


def write_mtd(root: Path) -> Path:
    """Two exposures of five tiles without a defect, the fifth for testing; 3 blowholes."""
    for tile in range(5):
        for exposure in (1, 3):
            path = root / "MT_Free" / "Imgs" / f"exp{exposure}_num_{100 * tile + exposure}.jpg"
            image(path)
            mask(path.with_suffix(".png"), marked=False)
    for number in range(3):
        path = root / "MT_Blowhole" / "Imgs" / f"exp1_num_{number}.jpg"
        image(path)
        mask(path.with_suffix(".png"))
    return root


WRITERS: dict[str, Callable[[Path], Path]] = {
    "can": write_mvtec_2,
    "usb": write_real_iad,
    "kolektor_sdd2": write_kolektor,
    "Class1": write_dagm,
    "magnetic_tile": write_mtd,
}
COUNTS = dict.fromkeys(WRITERS, (4, 2, 3)) | {"magnetic_tile": (8, 2, 3)}
KINDS = {"can": "bad", "usb": "AK", "magnetic_tile": "blowhole"}


@pytest.mark.parametrize("name", WRITERS)
def test_it_is_read_as_it_is_distributed(tmp_path: Path, name: str) -> None:
    category = only(WRITERS[name](tmp_path / "data"))
    assert (category.name, category.counts) == (name, COUNTS[name])
    assert category.warnings == ()
    defects = [sample for sample in category.test if sample.label]
    assert {sample.defect for sample in defects} == {KINDS.get(name, "defect")}
    for sample in defects:
        expected = np.zeros((SIDE, SIDE), bool)
        expected[10:20, 12:24] = True
        np.testing.assert_array_equal(load_mask(sample.masks, SIDE, SIDE), expected)
    for samples in (category.train, category.test):
        names = [sample.name for sample in samples]
        assert names == sorted(set(names))


@pytest.mark.parametrize("name", [*WRITERS, *ADDED])
def test_the_fingerprint_forgets_the_place_and_heeds_every_file(tmp_path: Path, name: str) -> None:
    root = {**WRITERS, **ADDED}[name](tmp_path / "here")
    before = only(root)
    assert only(Path(shutil.copytree(root, tmp_path / "else"))).fingerprint == before.fingerprint
    for sample in (*before.train, *before.test):
        for path in (sample.path, *sample.masks):
            content = path.read_bytes()
            path.write_bytes(content + b"\0")
            assert only(root).fingerprint != before.fingerprint
            path.write_bytes(content)
    assert only(root) == before


@pytest.mark.parametrize("name", WRITERS)
def test_an_image_for_training_moved_to_the_tests_is_another_set(tmp_path: Path, name: str) -> None:
    before = only(WRITERS[name](tmp_path))
    path = before.train[0].path
    assert path not in {sample.path for sample in before.test}
    content = path.read_bytes()
    path.write_bytes(before.test[0].path.read_bytes())
    assert "are the same as training images" in "".join(index(tmp_path).warnings)
    path.write_bytes(content)


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_damaged_is_named(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path)
    defect = next(sample for sample in only(root).test if sample.label)
    for path in (defect.path, defect.masks[0]):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        assert f"{path}: not a readable image" in problem(root)
        path.write_bytes(content)


@pytest.mark.parametrize("name", WRITERS)
def test_it_runs_with_and_without_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOTAL_RECALL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(figures, "write_figures", lambda *_, **__: [])
    WRITERS[name](tmp_path / "data")
    command = [
        "--data",
        "data",
        "--backbone",
        "filterbank",
        "--image-size",
        "32",
        "--device",
        "cpu",
    ]
    command += ["--methods", "patchcore-25"]
    for more, measured in (["--out", "a"], True), (["--out", "b", "--no-masks"], False):
        assert run.main([*command, *more]) == 0
        (path,) = Path(more[1]).glob("cells/*/*.json")
        cell = json.loads(path.read_text())
        assert (cell["status"], cell["n_train"]) == ("ok", COUNTS[name][0])
        assert cell["metrics"]["image_auroc"] is not None
        assert (cell["metrics"]["pixel_auroc"] is not None) == measured


# --- MVTec AD 2 ------------------------------------------------------------------------------


def test_private_parts_are_said_to_be_scored_elsewhere(tmp_path: Path) -> None:
    said = only(write_mvtec_2(tmp_path)).left_out
    assert len(said) == 2
    assert said[0].startswith("6 files, as test_private/000_regular.png, left out: private test")
    assert "the data set's own server scores them" in said[0]
    assert "validation" in said[1]


def test_the_known_set_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = index(write_mvtec_2(tmp_path / "anything"))
    assert dataset.name == "anything"
    assert "but MVTec AD 2 has 412 train, 72 test good and 90 test defect" in dataset.warnings[0]
    (category,) = dataset.categories
    monkeypatch.setitem(KNOWN["mvtec_ad_2"].counts, "can", category.counts)  # type: ignore[arg-type]
    dataset = index(tmp_path / "anything")
    assert (dataset.name, dataset.warnings) == ("mvtec_ad_2", ())


def test_without_public_tests_there_is_nothing_to_score(tmp_path: Path) -> None:
    shutil.rmtree(write_mvtec_2(tmp_path) / "can" / "test_public")
    assert "no images in test_public/good or test_public/<defect>" in problem(tmp_path)


def test_its_category_folder_points_to_the_parent(tmp_path: Path) -> None:
    assert "is itself a category folder" in problem(write_mvtec_2(tmp_path) / "can")


# --- Real-IAD --------------------------------------------------------------------------------


def test_the_largest_images_are_read_and_the_others_said_to_be_left_out(tmp_path: Path) -> None:
    images = write_real_iad(tmp_path) / "realiad_1024"
    shutil.copytree(images, tmp_path / "realiad_256")
    dataset = index(tmp_path)
    assert all("realiad_1024" in str(sample.path) for sample in dataset.categories[0].train)
    assert dataset.warnings == ("realiad_256: left out: it holds images, but is no category",)


@pytest.mark.parametrize("how", ["missing", "twice", "outside", "no table", "defect in train"])
def test_a_wrong_table_is_named(tmp_path: Path, how: str) -> None:
    table = write_real_iad(tmp_path) / "realiad_jsons" / "realiad_jsons" / "usb.json"
    content = json.loads(table.read_text())
    images = tmp_path / "realiad_1024/usb"
    gone = min(images.glob("NG/*/*/*.png"))
    if how == "missing":
        gone.unlink()
    if how == "twice":
        content["test"].append(content["test"][0])
    if how == "outside":
        content["test"][0]["image_path"] = "../../x.jpg"
    if how == "defect in train":
        content["train"].append(content["test"].pop())
    table.write_text("no" if how == "no table" else json.dumps(content))
    says = {
        "missing": f"no file '{gone.relative_to(images).as_posix()}'; copy it from Real-IAD",
        "twice": "twice; copy the file again",
        "outside": "'../../x.jpg' is no path inside the category",
        "no table": "usb.json: not a table of Real-IAD",
        "defect in train": "trains on the defect NG/AK",
    }
    assert says[how] in problem(tmp_path)


# --- KolektorSDD2 and DAGM -------------------------------------------------------------------


def test_masks_that_tell_the_label_are_read_no_oftener_than_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, read = write_kolektor(tmp_path), Counter[Path]()
    original = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        read[path] += 1
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    category = only(root)
    assert sum(sample.label for sample in category.test) > 0
    masks = {*root.rglob("*_GT.png")}
    images = {sample.path for sample in (*category.train, *category.test)}
    assert read == {**dict.fromkeys(masks, 2), **dict.fromkeys(images, 1)}
    for sample in category.test:
        if sample.label:
            np.testing.assert_array_equal(
                sample.defect_pixels, read_mask(sample.masks).defect, strict=True
            )


def test_a_mask_that_changes_while_its_label_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_kolektor(tmp_path)
    original = paired.inspect

    def inspect_then_change(path: Path) -> ImageFile:
        file = original(path)
        path.write_bytes(path.read_bytes() + b"\0")
        return file

    monkeypatch.setattr(paired, "inspect", inspect_then_change)
    assert "_GT.png: changed while the command was at work" in problem(root)


@pytest.mark.parametrize(("write", "count"), [(write_kolektor, 4), (write_dagm, 2)])
def test_training_images_of_defects_are_left_out_and_said(
    tmp_path: Path, write: Callable[[Path], Path], count: int
) -> None:
    said = [line for line in only(write(tmp_path)).left_out if "not images" not in line]
    (line,) = said
    assert line.startswith(f"{count} files, as ")
    assert line.endswith("left out: methods learn from nominal images alone")


def test_a_mask_that_is_missing_is_named_since_it_tells_the_class(tmp_path: Path) -> None:
    (write_kolektor(tmp_path) / "test" / "12_GT.png").unlink()
    assert "12.png: no mask 12_GT.png beside it" in problem(tmp_path)


def test_a_label_that_the_list_names_is_not_missed_in_silence(tmp_path: Path) -> None:
    (write_dagm(tmp_path) / "Class1" / "Test" / "Label" / "0003_label.PNG").unlink()
    assert "0003_label.PNG: named in Labels.txt, but missing" in problem(tmp_path)


def test_classes_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_dagm(tmp_path)
    for number in (10, 2):
        shutil.copytree(tmp_path / "Class1", tmp_path / f"Class{number}")
    names = [category.name for category in index(tmp_path).categories]
    assert names == ["Class1", "Class2", "Class10"]


# --- MTD -------------------------------------------------------------------------------------


def test_exposures_of_a_tile_stay_together_and_every_fifth_is_for_testing(tmp_path: Path) -> None:
    names = ["exp1_num_5", "exp3_num_9", "exp2_num_30", "exp4_num_31", "exp4_num_40", "exp0_num_2"]
    found = tiles([Path(f"{name}.jpg") for name in names])
    assert [[path.stem for path in tile] for tile in found] == [
        ["exp0_num_2", "exp1_num_5", "exp3_num_9"],
        ["exp2_num_30", "exp4_num_31"],
        ["exp4_num_40"],
    ]
    category = only(write_mtd(tmp_path))
    good = [sample.name for sample in category.test if not sample.label]
    assert good == ["test/good/exp1_num_401.jpg", "test/good/exp3_num_403.jpg"]


def test_a_tile_without_its_number_is_named(tmp_path: Path) -> None:
    image(write_mtd(tmp_path) / "MT_Free" / "Imgs" / "other.jpg")
    assert "other.jpg: its name doesn't end in exp<N>_num_<M>" in problem(tmp_path)


def test_a_blowhole_without_a_mask_is_named(tmp_path: Path) -> None:
    (write_mtd(tmp_path) / "MT_Blowhole" / "Imgs" / "exp1_num_1.png").unlink()
    assert "a defect without a mask; add exp1_num_1.png beside it" in problem(tmp_path)
    assert only(tmp_path, masks=False).counts == COUNTS["magnetic_tile"]

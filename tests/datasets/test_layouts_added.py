"""AutoVI, MVTec 3D-AD, VAD, Eyecandies, KolektorSDD and those that lie as MVTec AD are read."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.datasets import index, load_mask
from benchmarks.datasets.__main__ import main as check
from benchmarks.datasets.known import EVERY, KNOWN
from benchmarks.datasets.layouts.folders import FOLDER_LAYOUTS
from tests.datasets.reading import only, problem
from tests.helpers.data_sets import SIDE, save

MARKED = np.zeros((SIDE, SIDE), bool)
MARKED[10:20, 12:24] = True


def image(path: Path) -> Path:
    """Write noise, another in each place."""
    dice = np.random.default_rng(zlib.crc32("/".join(path.parts[-4:]).encode()))
    save(dice.integers(80, 120, (SIDE, SIDE, 3)).astype(np.uint8), path)
    return path


def images(folder: Path, count: int) -> None:
    for number in range(count):
        image(folder / f"{number:03}.png")


def mask(path: Path, value: int = 255) -> Path:
    save(MARKED * np.uint8(value), path)
    return path


def write_as_mvtec_ad(root: Path, category: str, defect: str, ending: str) -> Path:
    images(root / category / "train/good", 4)
    images(root / category / "test/good", 2)
    images(root / category / "test" / defect, 3)
    for number in range(3):
        mask(root / category / "ground_truth" / defect / f"{number:03}{ending}.png")
    return root


def write_goodsad(root: Path) -> Path:
    return write_as_mvtec_ad(root, "drink_bottle", "opened", "")


def write_3cad(root: Path) -> Path:
    return write_as_mvtec_ad(root, "Aluminum_Ipad", "scratch", "")


def write_rad(root: Path) -> Path:
    return write_as_mvtec_ad(root, "ribbon", "defect", "")


def write_pad(root: Path) -> Path:
    """Write a toy, with the cameras' places beside its folders."""
    write_as_mvtec_ad(root, "01Gorilla", "Burrs", "_mask")
    (root / "01Gorilla/transforms.json").write_text('{"frames": []}')
    return root


def write_autovi(root: Path) -> Path:
    """Write three defects of two kinds, the last with two masks of different greys."""
    wiring = root / "engine_wiring"
    images(wiring / "train/good", 4)
    images(wiring / "test/good", 2)
    for kind, number in (("blue_hoop", 0), ("fastening", 0), ("fastening", 1)):
        image(wiring / f"test/{kind}/{number:04}.png")
        mask(wiring / f"ground_truth/{kind}/{number:04}/0000.png", value=200 + number)
    corner = np.zeros((SIDE, SIDE), np.uint8)
    corner[12, 14] = 100
    save(corner, wiring / "ground_truth/fastening/0001/0001.png")
    return root


def write_mvtec_3d(root: Path) -> Path:
    """Write pictures with depths of 32 bits beside them, and black masks of nominal ones."""
    bagel = root / "bagel"
    for kind, count in (("train/good", 4), ("validation/good", 1), ("test/good", 2)):
        images(bagel / kind / "rgb", count)
    images(bagel / "test/crack/rgb", 3)
    for picture in list(bagel.rglob("rgb/*.png")):
        depth = picture.parent.parent / "xyz" / f"{picture.stem}.tiff"
        depth.parent.mkdir(exist_ok=True)
        Image.fromarray(np.ones((SIDE, SIDE), np.float32)).save(depth)
        if "test" in picture.parts:
            marked = 255 * ("crack" in picture.parts)
            mask(picture.parent.parent / "gt" / picture.name, marked)
    return root


def write_vad(root: Path) -> Path:
    for kind, count in (("train/good", 4), ("train/bad", 5), ("test/good", 2), ("test/bad", 2)):
        images(root / "vad" / kind, count)
    images(root / "vad/test/bad_unseen_defects", 1)
    (root / "vad/low_shot_train.json").write_text("{}")
    return root


def write_eyecandies(root: Path) -> Path:
    """Write objects of six pictures each, with masks; of test_public three have a defect."""
    for split, count in (("train", 4), ("val", 1), ("test_public", 5), ("test_private", 2)):
        data = root / "CandyCane" / split / "data"
        for number in range(count):
            for picture in ("image_0", "image_1", "image_4", "image_5", "normals"):
                image(data / f"{number:03}_{picture}.png")
            depth = np.full((SIDE, SIDE), 1 << 15, np.uint16)
            Image.fromarray(depth).save(data / f"{number:03}_depth.png")
            (data / f"{number:03}_pose.txt").write_text("1 0 0 0")
            if split == "test_private":
                continue
            defect = split == "test_public" and number % 2 == 0
            (data / f"{number:03}_metadata.yaml").write_text(f"anomalous: {int(defect)}\n")
            for kind in ("mask", "bumps_mask", "colors_mask"):
                mask(data / f"{number:03}_{kind}.png", 255 * defect)
    return root


def write_kolektor(root: Path) -> Path:
    """Write five commutators of two parts each, of the first three the second with a defect."""
    for number in range(1, 6):
        for part in range(2):
            path = image(root / f"kos{number:02}/Part{part}.png").rename(
                root / f"kos{number:02}/Part{part}.jpg"
            )
            mask(path.with_name(f"Part{part}_label.bmp"), 255 * (part == 1 and number < 4))
    return root


WRITERS: dict[str, Callable[[Path], Path]] = {
    "goodsad": write_goodsad,
    "3cad": write_3cad,
    "rad": write_rad,
    "pad": write_pad,
    "autovi": write_autovi,
    "mvtec_3d_ad": write_mvtec_3d,
    "vad": write_vad,
    "eyecandies": write_eyecandies,
    "kolektor_sdd": write_kolektor,
}
KINDS = {
    **{"goodsad": {"opened"}, "3cad": {"scratch"}, "rad": {"defect"}, "pad": {"Burrs"}},
    **{"autovi": {"blue_hoop", "fastening"}, "mvtec_3d_ad": {"crack"}},
    **{"vad": {"bad", "bad_unseen_defects"}, "eyecandies": {"defect"}, "kolektor_sdd": {"defect"}},
}
UNMASKED = {"vad"}


@pytest.mark.parametrize("name", WRITERS)
def test_it_is_read_as_it_is_distributed(tmp_path: Path, name: str) -> None:
    dataset = index(WRITERS[name](tmp_path / "copy"))
    (category,) = dataset.categories
    assert (dataset.name, dataset.alike) == ("copy", name)
    expected = (5, 2, 3) if name == "kolektor_sdd" else (4, 2, 3)
    assert category.counts == expected
    assert category.warnings == ()
    defects = [sample for sample in category.test if sample.label]
    assert {sample.defect for sample in defects} == KINDS[name]
    for sample in defects:
        if name in UNMASKED:
            assert sample.masks == ()
        else:
            np.testing.assert_array_equal(load_mask(sample.masks, SIDE, SIDE), MARKED)
    for samples in (category.train, category.test):
        names = [sample.name for sample in samples]
        assert names == sorted(set(names))


@pytest.mark.parametrize("name", [name for name in WRITERS if name in KNOWN])
def test_with_the_official_counts_it_goes_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    dataset = index(WRITERS[name](tmp_path / "copy"))
    (category,) = dataset.categories
    assert f"but {KNOWN[name].title} has" in dataset.warnings[0]
    monkeypatch.setitem(KNOWN[name].counts, category.name, category.counts)  # type: ignore[arg-type]
    dataset = index(tmp_path / "copy")
    assert (dataset.name, dataset.warnings) == (name, ())


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in KNOWN])
def test_without_published_counts_its_name_and_licence_are_said_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    root = WRITERS[name](tmp_path / name)
    assert index(root).name == name  # the folder's, not `-own`
    assert check([str(root), "--picture", str(tmp_path / "picture.png")]) == 0
    shown = capsys.readouterr().out
    known = EVERY[name]
    said = f"laid out and named as {known.title}: {known.licence or 'licence'}, {known.where}"
    assert said in shown
    assert "so it goes by its folder's name" in shown


@pytest.mark.parametrize("name", WRITERS)
def test_it_is_read_without_masks(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path / "copy")
    whole, bare = only(root), only(root, masks=False)
    assert (bare.counts, bare.warnings) == (whole.counts, ())
    assert not any(sample.masks for sample in bare.test)


@pytest.mark.parametrize(
    ("name", "gone", "said"),
    [
        (
            "goodsad",
            "drink_bottle/ground_truth/opened/001.png",
            "opened/001.png: a defect without a mask; add ground_truth/opened/001_mask.png",
        ),
        (
            "autovi",
            "engine_wiring/ground_truth/fastening/0000",
            "fastening/0000.png: a defect without a mask; add ground_truth/fastening/0000/0000.png",
        ),
        (
            "mvtec_3d_ad",
            "bagel/test/crack/gt/001.png",
            "rgb/001.png: a defect without a mask; add test/crack/gt/001.png to the category",
        ),
        ("mvtec_3d_ad", "bagel/train/good/rgb", "train/good/rgb: no images; put the nominal"),
        ("mvtec_3d_ad", "bagel/test", "no images in test/good/rgb or test/<defect>/rgb; put"),
        ("vad", "vad/train/good", "train/good: no images; put the nominal images there; train/bad"),
        (
            "eyecandies",
            "CandyCane/test_public/data/002_mask.png",
            "002_image_0.png: a defect without a mask; copy 002_mask.png",
        ),
        (
            "eyecandies",
            "CandyCane/test_public",
            "test_public/data: no images NNN_image_0.png; copy it again",
        ),
        (
            "kolektor_sdd",
            "kos02/Part0_label.bmp",
            "Part0.jpg: no mask Part0_label.bmp beside it; copy it again",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path, name: str, gone: str, said: str
) -> None:
    path = WRITERS[name](tmp_path / "copy") / gone
    (shutil.rmtree if path.is_dir() else Path.unlink)(path)
    message = problem(tmp_path / "copy")
    assert said in message
    assert "\n" not in message


def test_masks_of_no_test_image_are_said(tmp_path: Path) -> None:
    mask(write_mvtec_3d(tmp_path) / "bagel/test/crack/gt/009.png")
    image(tmp_path / "bagel/test/crack/loose.png")
    assert set(only(tmp_path).warnings) == {
        "test/crack/gt/009.png left out: it is no test image's mask",
        "test/crack/loose.png left out: images are those in test/crack/rgb",
    }


def test_what_is_no_colour_is_left_out_by_design(tmp_path: Path) -> None:
    said = only(write_mvtec_3d(tmp_path)).left_out
    assert [line for line in said if "methods see colour alone, not depth" in line] == [
        "9 files, as test/crack/xyz/000.tiff, left out: methods see colour alone, not depth"
    ]


def test_vad_has_no_masks_and_says_so(tmp_path: Path) -> None:
    category = only(write_vad(tmp_path))
    assert category.notes == ("no masks: image-level metrics alone",)
    assert (
        "5 files, as train/bad/000.png, left out: methods learn from nominal images alone"
        in category.left_out
    )


def test_eyecandies_is_not_taken_for_mvtec_ad_2(tmp_path: Path) -> None:
    category = only(write_eyecandies(tmp_path))
    assert category.layout == "Eyecandies"
    assert all(sample.path.name.endswith("_image_0.png") for sample in category.train)
    reasons = {line.partition(" left out: ")[2] for line in category.left_out}
    assert reasons == {
        "no method has anything to tune on validation images",
        "private test images have no public ground truth: the data set's own server scores them",
        "of each object image_0 is read, and its mask in test_public",
    }


def test_eyecandies_labels_are_those_of_its_metadata_or_else_of_its_masks(tmp_path: Path) -> None:
    data = write_eyecandies(tmp_path) / "CandyCane/test_public/data"
    before = only(tmp_path)
    mask(data / "000_mask.png", 0)
    category = only(tmp_path)
    assert category.counts == (4, 2, 3)  # a defect all the same
    assert "1 of 3 masks (as of test_public/data/000_image_0.png) are all black" in str(
        category.warnings
    )
    mask(data / "000_mask.png")
    assert only(tmp_path) == before
    for path in data.glob("*_metadata.yaml"):
        path.unlink()
    assert only(tmp_path) == before
    (data / "000_metadata.yaml").write_text("anomalous: 0\n")
    moved = only(tmp_path)
    assert moved.counts == (4, 3, 2)
    assert moved.fingerprint != before.fingerprint
    (data / "001_mask.png").unlink()
    assert problem(tmp_path) == (
        f"{data / '001_image_0.png'}: no 001_metadata.yaml beside it; copy it again"
    )


def test_parts_of_a_commutator_stay_together_and_all_defects_are_for_testing(
    tmp_path: Path,
) -> None:
    root = write_kolektor(tmp_path)
    for seed in range(6):
        (category,) = index(root, split_seed=seed).categories
        tested = {s.path.parent.name for s in category.test if not s.label}
        assert tested.isdisjoint(s.path.parent.name for s in category.train)
        assert category.counts[2] == 3


def test_every_known_layout_is_one_that_is_read() -> None:
    names = {layout.name for layout in FOLDER_LAYOUTS}
    others = {"VisA", "Real-IAD", "DAGM", "KolektorSDD", "KolektorSDD2", "MTD", "Eyecandies"}
    assert {known.layout for known in EVERY.values()} == names | others


@pytest.mark.parametrize("name", ["vad", "kolektor_sdd", "mvtec_3d_ad"])
@pytest.mark.usefixtures("no_figures")
def test_a_run_evaluates_it(folder: Path, name: str) -> None:
    from benchmarks.run import __main__ as run

    WRITERS[name](folder / "data")
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--out", "out"]
    assert run.main([*command, "--methods", "padim", "--device", "cpu"]) == 0
    (path,) = Path("out/cells").glob("*/*.json")
    cell = json.loads(path.read_text())
    assert cell["status"] == "ok"
    assert cell["metrics"]["image_auroc"] is not None
    assert (cell["metrics"]["pixel_auroc"] is None) == (name in UNMASKED)

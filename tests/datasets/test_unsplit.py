"""A folder of normal and abnormal images is split by the seed and the names, and says so."""

from __future__ import annotations

import json
import os
import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.chosen import chosen_datasets
from benchmarks.datasets import Category, index
from benchmarks.datasets.__main__ import main as check
from benchmarks.results import Store
from benchmarks.results.scores import read_image_scores
from benchmarks.run import __main__ as run
from tests.datasets.reading import only, problem
from tests.datasets.test_layouts_added import MARKED, image, images, mask


def write_line(root: Path, normal: int = 12, abnormal: int = 3) -> Path:
    images(root / "normal", normal)
    images(root / "abnormal", abnormal)
    return root


def drawn(category: Category) -> list[str]:
    return [sample.name for sample in category.test if not sample.label]


def test_a_quarter_of_the_normal_images_and_all_abnormal_ones_are_for_testing(
    tmp_path: Path,
) -> None:
    category = only(write_line(tmp_path / "line", 30, 4))
    assert (category.name, category.counts) == ("line", (22, 8, 4))
    assert category.notes == (
        "no split of its own: 8 of 30 nominal images, drawn by --split-seed 0, are for testing",
        "no masks: image-level metrics alone",
    )
    assert category.warnings == ()
    assert {s.defect for s in category.test} == {"good", "abnormal"}
    everything = {sample.path for sample in (*category.train, *category.test)}
    assert everything == {*tmp_path.rglob("*.png")}


@pytest.mark.parametrize("total", [2, 3, 5, 8, 100, 230])
def test_the_share_is_a_quarter_and_no_part_is_empty(tmp_path: Path, total: int) -> None:
    train, good, _ = only(write_line(tmp_path / "line", total)).counts
    assert (train, good) == (total - max(1, round(total / 4)), max(1, round(total / 4)))


def test_the_draw_depends_on_names_and_seed_alone(tmp_path: Path) -> None:
    root = write_line(tmp_path / "line")
    before = drawn(only(root))
    copy = tmp_path / "else/line"
    (copy / "normal").mkdir(parents=True)
    for path in sorted((root / "normal").iterdir(), reverse=True):  # another order on disk
        shutil.copy(path, copy / "normal")
    shutil.copytree(root / "abnormal", copy / "abnormal")
    assert only(copy).fingerprint == only(root).fingerprint
    assert drawn(only(copy)) == before
    draws = {seed: drawn(only(root, seed)) for seed in range(8)}
    assert len({*map(tuple, draws.values())}) > 1
    assert all(len(draw) == 3 for draw in draws.values())
    for path in (root / "normal").iterdir():
        path.write_bytes(path.read_bytes() + b"\0")
    assert drawn(only(root)) == before


def test_another_split_is_another_data_set(tmp_path: Path) -> None:
    root = write_line(tmp_path / "line")
    prints = {(tuple(drawn(only(root, s))), only(root, s).fingerprint) for s in range(8)}
    draws, fingerprints = ({*column} for column in zip(*prints, strict=True))
    assert len(draws) == len(fingerprints) == len(prints) > 1


def test_a_new_image_moves_at_most_its_neighbour_in_rank(tmp_path: Path) -> None:
    root = write_line(tmp_path / "line", 40)
    before = {*drawn(only(root))}
    image(root / "normal/new.png")
    after = {*drawn(only(root))} - {"normal/new.png"}
    assert len(before ^ after) <= 1


def test_every_image_is_as_often_for_testing(tmp_path: Path) -> None:
    root = write_line(tmp_path / "line", 8, 1)
    names = [name for seed in range(200) for name in drawn(only(root, seed))]
    counts = [names.count(f"normal/{number:03}.png") for number in range(8)]
    assert sum(counts) == 400
    assert all(26 <= count <= 74 for count in counts)  # 50 ± 4 deviations of Binomial(200, 1/4)


@pytest.mark.parametrize(
    ("normal", "abnormal"), [("good", "bad"), ("OK", "NG"), ("Normal", "Anomaly"), ("ok", "ko")]
)
def test_folders_go_by_the_names_that_people_give_them(
    tmp_path: Path, normal: str, abnormal: str
) -> None:
    images(tmp_path / "line" / normal, 4)
    images(tmp_path / "line" / abnormal, 2)
    assert only(tmp_path / "line").counts == (3, 1, 2)


def test_subfolders_of_abnormal_are_kinds_and_those_of_normal_stay_together(
    tmp_path: Path,
) -> None:
    root = tmp_path / "line"
    for product in range(6):
        images(root / f"normal/product_{product}", 2)
    images(root / "abnormal/scratch", 2)
    images(root / "abnormal/hole", 1)
    images(root / "abnormal", 1)
    for seed in range(8):
        category = only(root, seed)
        kinds = [sample.defect for sample in category.test if sample.label]
        assert sorted(kinds) == ["abnormal", "hole", "scratch", "scratch"]
        products = {name.split("/")[1] for name in drawn(category)}
        assert products.isdisjoint(sample.path.parent.name for sample in category.train)
        assert len(drawn(category)) == 4  # the least number of whole products above a quarter


def test_several_categories_lie_side_by_side_and_beside_those_of_mvtec_ad(tmp_path: Path) -> None:
    write_line(tmp_path / "bolt", 4, 1)
    write_line(tmp_path / "nut", 8, 2)
    images(tmp_path / "plate/train/good", 3)
    images(tmp_path / "plate/test/good", 1)
    dataset = index(tmp_path)
    counts = {category.name: category.counts for category in dataset.categories}
    assert counts == {"bolt": (3, 1, 1), "nut": (6, 2, 2), "plate": (3, 1, 0)}
    assert index(tmp_path, ["nut"]).categories[0].counts == (6, 2, 2)
    before = index(tmp_path, ["nut"]).categories[0].fingerprint
    image(tmp_path / "bolt/normal/new.png")
    assert index(tmp_path, ["nut"]).categories[0].fingerprint == before


@pytest.mark.parametrize("folder", ["mask", "masks", "ground_truth"])
@pytest.mark.parametrize("at", ["{0}", "abnormal/{0}"])
def test_masks_lie_as_the_abnormal_images(tmp_path: Path, folder: str, at: str) -> None:
    root = write_line(tmp_path / "line")
    images(root / "abnormal/hole", 1)
    for name in ("000.png", "001_mask.png", "002.png", "hole/000.png"):
        mask(root / folder / at.format(name), value=1)
    mask(root / folder / "normal/000.png", 0)
    category = only(root)
    assert len(category.notes) == 1
    defects = [sample for sample in category.test if sample.label]
    assert len({sample.masks for sample in defects}) == 4
    for sample in defects:
        np.testing.assert_array_equal(sample.defect_pixels, MARKED)
    assert index(root).warnings == ()
    assert index(root, masks=False).warnings == ()
    assert not any(sample.masks for sample in only(root, masks=False).test)


def test_two_defects_do_not_share_a_mask(tmp_path: Path) -> None:
    root = write_line(tmp_path / "line")
    defects = sorted((root / "abnormal").iterdir())
    for path in defects:
        mask(root / "mask" / path.name)
    shutil.copy(defects[0], defects[0].with_suffix(".bmp"))
    shared = f"{root / 'mask' / defects[0].name}: the mask of {defects[0].with_suffix('.bmp').name}"
    assert shared in problem(root)
    assert f"and of {defects[0]}; call one otherwise" in problem(root)


def test_all_black_masks_leave_defects_defects_and_warn(tmp_path: Path) -> None:
    root = write_line(tmp_path / "line", 4, 2)
    for number in range(2):
        mask(root / f"mask/{number:03}.png", 0)
    category = only(root)
    assert category.counts == (3, 1, 2)
    assert "2 of 2 masks (as of abnormal/000.png) are all black" in category.warnings[0]


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    line = write_line(tmp_path / "masks", 4, 2)
    mask(line / "mask/000.png")
    lacking = "a defect without a mask; add mask/001.png, or pass --no-masks"
    assert problem(line) == f"{line / 'abnormal/001.png'}: {lacking}"
    toy = tmp_path / "toy"
    images(toy / "good", 4)
    images(toy / "crack", 2)
    assert problem(toy) == (
        f"{toy}: no folder abnormal, of images, beside good; put crack into one"
    )
    shutil.rmtree(toy / "crack")
    assert problem(toy) == f"{toy}: no folder abnormal, of images, beside good; make one"
    alone = write_line(tmp_path / "alone", 1, 1)
    assert problem(alone) == (
        f"{alone / 'normal'}: holds the only nominal image, so that none is left to test; "
        "add others"
    )
    shutil.copytree(alone / "normal", tmp_path / "product/normal/p")
    image(tmp_path / "product/normal/p/other.png")
    images(tmp_path / "product/abnormal", 1)
    assert problem(tmp_path / "product") == (
        f"{tmp_path / 'product/normal/p'}: holds all nominal images, which stay together, so "
        "that none is left to test; add others, or move them up"
    )
    named = write_line(tmp_path / "named", 4, 1)
    images(named / "abnormal/good", 1)
    assert problem(named) == (
        f"{named / 'abnormal/good'}: its name means no defect; call it otherwise"
    )
    (write_line(tmp_path / "empty", 4, 1) / "normal/001.png").write_bytes(b"")
    assert problem(tmp_path / "empty").endswith("normal/001.png: empty file; copy it again")


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    root = write_line(tmp_path / "line", 4, 1)
    for name in ("loose.png", "normal/a/b/deep.png", "spare/000.png"):
        image(root / name)
    assert len(index(root).warnings) == 3
    assert all("left out: it is no image in one" in line for line in index(root).warnings)


def test_a_folder_of_normal_images_beside_categories_hides_none_of_them(tmp_path: Path) -> None:
    images(tmp_path / "plate/train/good", 3)
    images(tmp_path / "plate/test/good", 1)
    images(tmp_path / "ok", 2)
    images(tmp_path / "cup/good", 2)
    dataset = index(tmp_path)
    assert [category.name for category in dataset.categories] == ["plate"]
    said = "left out: it holds images, but is no category"
    assert {f"{name}: {said}" for name in ("ok", "cup")} <= {*dataset.warnings}


def test_a_split_of_ones_own_is_kept(tmp_path: Path) -> None:
    category = write_line(tmp_path / "data/line", 4, 1)
    images(category / "train/good", 3)
    images(category / "test/good", 2)
    assert only(tmp_path / "data").counts == (3, 2, 0)


def test_the_check_says_the_split_and_takes_a_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_line(tmp_path / "line")
    picture = str(tmp_path / "picture.png")
    assert check([str(root), "--split-seed", "5", "--picture", picture]) == 0
    shown = capsys.readouterr().out
    said = "no split of its own: 3 of 12 nominal images, drawn by --split-seed 5, are for testing"
    assert f"line: {said}\n" in shown
    assert "line: no masks: image-level metrics alone\n" in shown


@pytest.mark.usefixtures("no_figures")
def test_runs_of_two_splits_never_mix_and_keep_theirs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_line(folder / "line", 24, 8)
    command = ["--data", "line", "--backbone", "filterbank", "--image-size", "32", "--out", "out"]
    command += ["--methods", "padim,knn", "--seeds", "0,1", "--calibrate", "4", "--device", "cpu"]
    assert run.main(command) == 0
    assert "drawn by --split-seed 0, are for testing" in capsys.readouterr().err
    assert run.main([*command, "--split-seed", "1"]) == 0
    cells = list(Store(Path("out")).cells())
    assert len(cells) == 8  # 2 methods, seeds and splits
    by_print = {cell.spec.dataset_fingerprint for cell in cells}
    assert len(by_print) == 2
    for print_ in by_print:  # of each split all methods and seeds judge the same images
        scores = [
            [*read_image_scores(Path("out") / str(cell.scores))["path"]]
            for cell in cells
            if cell.spec.dataset_fingerprint == print_
        ]
        assert all(names == scores[0] for names in scores)
    assert {(cell.n_train, cell.n_held_out) for cell in cells} == {(14, 4)}
    plans = sorted(path.read_text() for path in Path("out").glob("plan*.toml"))
    assert sum("split-seed = 1" in plan for plan in plans) == 1
    capsys.readouterr()
    assert run.main(["--plan", "out/plan-2.toml"]) == 0
    assert "nothing left to do" in capsys.readouterr().err
    options = Namespace(data=None, categories=None, no_masks=False, split_seed=None)
    options.cache = folder / "cache"
    datasets = chosen_datasets(Path("out"), options)  # as for maps and costs of a run
    assert {data.categories[0].fingerprint for data in datasets} == by_print


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("condition", [["--shots", "2,4"], ["--contamination", "0,0.2"]])
def test_conditions_draw_from_the_training_part(folder: Path, condition: list[str]) -> None:
    write_line(folder / "line", 24, 8)
    command = ["--data", "line", "--backbone", "filterbank", "--image-size", "32", "--out", "out"]
    assert run.main([*command, "--methods", "padim", "--device", "cpu", *condition]) == 0
    cells = [json.loads(path.read_text()) for path in Path("out/cells").glob("*/*.json")]
    assert [cell["status"] for cell in cells] == ["ok", "ok"]
    assert {cell["n_test_good"] for cell in cells} == {6}
    assert sorted(cell["n_train"] for cell in cells) == (
        [2, 4] if "--shots" in condition else [18, 18]
    )


def test_a_link_is_called_as_it_is(tmp_path: Path) -> None:
    write_line(tmp_path / "store", 4, 1)
    os.symlink("store", tmp_path / "line")
    assert only(tmp_path / "line").name == "line"


def test_copies_of_an_image_are_drawn_together(tmp_path: Path) -> None:
    root = write_line(tmp_path / "line")
    for path in sorted((root / "normal").iterdir()):
        shutil.copy(path, path.with_stem(f"{path.stem}_copy"))
    os.link(root / "normal/000.png", root / "normal/zz.png")
    for seed in range(8):
        category = only(root, seed)
        contents = [{s.path.read_bytes() for s in part} for part in (category.train, category.test)]
        assert not contents[0] & contents[1]
        assert not any("same as training images" in line for line in category.warnings)


def test_products_that_share_an_image_are_drawn_together(tmp_path: Path) -> None:
    root = tmp_path / "line"
    images(root / "abnormal", 2)
    for product in "abcdefgh":
        for at in range(2):
            image(root / f"normal/{product}/{at}.png")
    shutil.copy(root / "normal/h/0.png", root / "normal/a/2.png")
    shutil.copy(root / "normal/a/1.png", root / "normal/d/2.png")
    for seed in range(8):
        tested = {name.split("/")[1] for name in drawn(only(root, seed))}
        assert {"a", "d", "h"} <= tested or not {"a", "d", "h"} & tested

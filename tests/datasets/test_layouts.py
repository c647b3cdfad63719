"""Each data set is read in the layout it is distributed in, and what is wrong with it is said."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.backbones.filterbank import NAME
from benchmarks.datasets import KNOWN, index, load_mask
from benchmarks.datasets import __main__ as datasets_command
from benchmarks.datasets import indexing as datasets
from benchmarks.datasets.known import EVERY
from benchmarks.datasets.layouts import visa as layouts_visa
from benchmarks.datasets.whole_files import WholeFiles
from benchmarks.errors import DataError
from benchmarks.run import __main__ as run
from tests.datasets.reading import only, problem
from tests.helpers.data_sets import SIDE, save, write_category

HEADER = "object,split,label,image,mask"


def image(path: Path, seed: int = 0, mask: int = 0) -> Path:
    """Write noise, another in each place; with `mask`, black with a square of that value."""
    dice = np.random.default_rng(zlib.crc32("/".join(path.parts[-3:]).encode()))
    pixels = dice.integers(80, 120, (SIDE, SIDE, 3)).astype(np.uint8)
    if mask:
        pixels = np.zeros((SIDE, SIDE), np.uint8)
        pixels[12:20, 14 + seed : 24 + seed] = mask
    save(pixels, path)
    return path


def write_loco(root: Path, name: str = "pushpins") -> Path:
    """4 training, 2 validation, 3 nominal test images; 2 logical defects, 1 structural."""
    category = root / name
    for split, count in (("train/good", 4), ("validation/good", 2), ("test/good", 3)):
        for number in range(count):
            image(category / split / f"{number:03}.png", number)
    for family, count in (("logical_anomalies", 2), ("structural_anomalies", 1)):
        for number in range(count):
            image(category / "test" / family / f"{number:03}.png", number)
            for part in range(number + 1):
                mask = category / "ground_truth" / family / f"{number:03}" / f"{part:03}.png"
                image(mask, 8 * part, mask=250 + part)
    return root


def write_btad(root: Path, name: str = "01") -> Path:
    """4 training, 2 nominal test images; 3 defects, a mask of another format among them."""
    category = root / name
    for kind, count in (("train/ok", 4), ("test/ok", 2), ("test/ko", 3)):
        for number in range(count):
            image(category / kind / f"{number:04}.bmp", number)
    for number, extension in enumerate(("png", "bmp", "png")):
        image(category / "ground_truth" / "ko" / f"{number:04}.{extension}", number, mask=255)
    return root


def visa_rows(name: str) -> list[str]:
    images, masks = f"{name}/Data/Images", f"{name}/Data/Masks"
    normal = [f"{images}/Normal/{number:04}.JPG" for number in range(6)]
    return [
        *(f"{name},train,normal,{path}," for path in reversed(normal[:4])),
        *(f"{name},test,normal,{path}," for path in normal[4:]),
        *(
            f"{name},test,anomaly,{images}/Anomaly/{n:03}.JPG,{masks}/Anomaly/{n:03}.png"
            for n in range(3)
        ),
    ]


def write_visa(root: Path, *names: str) -> Path:
    """4 training, 2 nominal test images and 3 defects of each object, and the table."""
    rows = [row for name in names or ("candle",) for row in visa_rows(name)]
    for row in csv.reader(rows):
        image(root / row[3], len(row[3]))
        if row[4]:
            image(root / row[4], mask=1 + int(row[4][-5]))
    write_table(root, HEADER, *rows)
    return root


def write_table(root: Path, *lines: str) -> Path:
    table = root / "split_csv" / "1cls.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return table


def write_mpdd(root: Path) -> Path:
    write_category(root / "connector", train=4, good=2, defect=3)
    return root


WRITERS = {"mvtec_loco": write_loco, "btad": write_btad, "visa": write_visa, "mpdd": write_mpdd}
COUNTS = {"mvtec_loco": (4, 3, 3), "btad": (4, 2, 3), "visa": (4, 2, 3), "mpdd": (4, 2, 3)}


def make_official(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a data set have as many images as its writer writes, where it writes any."""
    counts = KNOWN[name].counts
    written = {"mvtec_loco": "pushpins", "btad": "01", "visa": "candle", "mpdd": "connector"}[name]
    monkeypatch.setitem(counts, written, COUNTS[name])  # type: ignore[arg-type]


# --- every layout ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
def test_a_data_set_is_known_by_what_its_folder_holds(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = index(WRITERS[name](tmp_path / "anything"))
    assert (dataset.name, dataset.alike, dataset.synthetic) == ("anything", name, False)
    (category,) = dataset.categories
    assert category.counts == COUNTS[name]
    (warning,) = dataset.warnings
    assert f"but {KNOWN[name].title} has" in warning
    assert warning.endswith(
        ": taken for other data, whose results are not comparable with published ones"
    )
    make_official(monkeypatch, name)
    dataset = index(tmp_path / "anything")
    assert (dataset.name, dataset.warnings, dataset.synthetic) == (name, (), False)
    assert all(sample.masks for sample in category.test if sample.label)
    assert not any(s.masks for s in (*category.train, *category.test) if not s.label)


@pytest.mark.parametrize("name", WRITERS)
def test_names_are_sorted_and_the_fingerprint_forgets_the_place(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path / "here")
    before = only(root)
    for samples in (before.train, before.test):
        assert [sample.name for sample in samples] == sorted({sample.name for sample in samples})
    assert only(Path(shutil.copytree(root, tmp_path / "else" / "where"))).fingerprint == (
        before.fingerprint
    )


@pytest.mark.parametrize("name", WRITERS)
def test_every_image_and_mask_counts(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path)
    category = only(root)
    samples = (*category.train, *category.test)
    for path in [path for sample in samples for path in (sample.path, *sample.masks)]:
        content = path.read_bytes()
        path.write_bytes(content + b"\0")
        assert only(root).fingerprint != category.fingerprint
        path.write_bytes(b"")
        assert problem(root) == f"{path}: empty file; copy it again"
        path.write_bytes(content)
    assert only(root) == category


@pytest.mark.parametrize("name", WRITERS)
def test_a_mask_of_another_size_is_found(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path)
    mask = next(sample for sample in only(root).test if sample.label).masks[-1]
    save(np.zeros((SIDE, SIDE + 1), np.uint8), mask)
    assert problem(root) == (
        f"{mask}: the mask is 41×40 pixels but its image is 40×40; give both the same size"
    )


@pytest.mark.parametrize("name", WRITERS)
def test_other_categories_in_the_layout_go_by_their_folders_name(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path / "parts")
    if name == "visa":
        table = root / "split_csv" / "1cls.csv"
        table.write_text(table.read_text().replace("candle,", "lamp,"))
    else:
        next(path for path in root.iterdir()).rename(root / "lamp")
    dataset = index(root)
    assert (dataset.name, dataset.warnings) == ("parts", ())
    assert only(root).counts == COUNTS[name]


def test_official_counts_add_up_to_the_published_totals() -> None:
    totals = {
        name: tuple(sum(column) for column in zip(*known.counts.values(), strict=True))
        for name, known in KNOWN.items()
    }
    assert totals == {
        "mvtec_ad": (3629, 467, 1258),
        "mvtec_loco": (1778, 575, 993),
        "visa": (8659, 962, 1200),
        "btad": (1799, 451, 290),
        "mpdd": (888, 176, 282),
        "mvtec_ad_2": (2528, 379, 705),
        "kolektor_sdd2": (2085, 894, 110),
        "mvtec_3d_ad": (2656, 249, 948),
        "eyecandies": (10_000, 250, 250),
        "vad": (2000, 1000, 1000),
        "goodsad": (3136, 1328, 1660),
        "3cad": (10_493, 5084, 11_462),
    }


def test_mixed_categories_warn_of_mvtec_ad_only(tmp_path: Path) -> None:
    for name in ("screw", "connector"):
        write_category(tmp_path / "parts" / name)
    dataset = index(tmp_path / "parts")
    (warning,) = dataset.warnings
    assert (dataset.name, "MVTec AD has 320 train" in warning) == ("parts", True)


def test_the_embedded_set_stays_itself_whatever_its_categories_are_called(tmp_path: Path) -> None:
    (write_mpdd(tmp_path) / datasets.SYNTHETIC_MARKER).touch()
    dataset = index(tmp_path)
    assert (dataset.name, dataset.warnings) == ("synthetic", ())


# --- LOCO ------------------------------------------------------------------------------------


def test_loco_has_two_kinds_of_defect_with_merged_masks_and_no_validation(tmp_path: Path) -> None:
    category = only(write_loco(tmp_path))
    assert [sample.name for sample in category.train] == [
        f"train/good/{n:03}.png" for n in range(4)
    ]
    assert [sample.defect for sample in category.test] == [
        *["good"] * 3,
        *["logical_anomalies"] * 2,
        "structural_anomalies",
    ]
    two = category.test[4].masks
    folder = tmp_path / "pushpins" / "ground_truth" / "logical_anomalies" / "001"
    assert two == (folder / "000.png", folder / "001.png")
    first, second = (load_mask([path], SIDE, SIDE) for path in two)
    np.testing.assert_array_equal(load_mask(two, SIDE, SIDE), first | second)
    assert first.sum() < (first | second).sum()


@pytest.mark.parametrize("how", ["no folder", "empty folder", "no ground truth"])
def test_a_loco_defect_without_masks_is_named(tmp_path: Path, how: str) -> None:
    truth = write_loco(tmp_path) / "pushpins" / "ground_truth"
    shutil.rmtree(truth / "structural_anomalies" / "000")
    if how == "empty folder":
        (truth / "structural_anomalies" / "000").mkdir()
    if how == "no ground truth":
        shutil.rmtree(truth)
        assert len(problem(tmp_path).splitlines()) == 4
    defect = tmp_path / "pushpins" / "test" / "structural_anomalies" / "000.png"
    assert problem(tmp_path).splitlines()[-1] == (
        f"{defect}: a defect without a mask; "
        "add ground_truth/structural_anomalies/000/000.png to the category"
    )


def test_loco_with_one_mask_an_image_is_mvtec_ads_layout(tmp_path: Path) -> None:
    truth = write_loco(tmp_path / "flat") / "pushpins" / "ground_truth"
    for folder in list(truth.glob("*/*")):
        (folder / "000.png").rename(folder.with_name(f"{folder.name}_mask.png"))
        shutil.rmtree(folder)
    assert index(tmp_path / "flat").name == "flat"
    assert only(tmp_path / "flat").counts == (4, 3, 3)


def test_a_kind_of_defect_called_as_one_of_loco_is_not_loco_yet(tmp_path: Path) -> None:
    category = write_category(tmp_path / "cup")
    (category / "test" / "logical_anomalies").mkdir()
    assert only(tmp_path).counts == (6, 3, 4)


# --- BTAD ------------------------------------------------------------------------------------


def test_btad_masks_go_by_stem_whatever_the_format(tmp_path: Path) -> None:
    category = only(write_btad(tmp_path))
    assert [(sample.name, sample.defect, sample.label) for sample in category.test] == [
        *((f"test/ko/{number:04}.bmp", "ko", 1) for number in range(3)),
        *((f"test/ok/{number:04}.bmp", "good", 0) for number in range(2)),
    ]
    assert [sample.masks[0].name for sample in category.test[:3]] == [
        *("0000.png", "0001.bmp", "0002.png")
    ]


def test_a_btad_defect_without_mask_is_named(tmp_path: Path) -> None:
    category = write_btad(tmp_path) / "01"
    (category / "ground_truth" / "ko" / "0001.bmp").unlink()
    assert problem(tmp_path) == (
        f"{category / 'test' / 'ko' / '0001.bmp'}: a defect without a mask; "
        "add ground_truth/ko/0001.png to the category"
    )


@pytest.mark.parametrize(("gone", "says"), [("train", "train/ok: no im"), ("test", "test/ok or")])
def test_half_a_btad_category_is_a_problem(tmp_path: Path, gone: str, says: str) -> None:
    shutil.rmtree(write_btad(tmp_path) / "01" / gone)
    assert says in problem(tmp_path).replace(os.sep, "/")


def test_a_folder_ok_beside_good_is_a_kind_of_defect(tmp_path: Path) -> None:
    category = write_category(tmp_path / "cup")
    image(category / "test" / "ok" / "000.png")
    assert "test/ok/000.png: a defect without a mask" in problem(tmp_path).replace(os.sep, "/")


# --- VisA ------------------------------------------------------------------------------------


def test_visa_is_what_its_table_says(tmp_path: Path) -> None:
    dataset = index(write_visa(tmp_path, "pcb1", "candle"))
    assert [category.name for category in dataset.categories] == ["candle", "pcb1"]
    candle = dataset.categories[0]
    assert [sample.name for sample in candle.train] == [
        f"Data/Images/Normal/{number:04}.JPG" for number in range(4)
    ]
    assert [(sample.name, sample.defect) for sample in candle.test] == [
        *((f"Data/Images/Anomaly/{number:03}.JPG", "anomaly") for number in range(3)),
        *((f"Data/Images/Normal/{number:04}.JPG", "good") for number in (4, 5)),
    ]
    mask = candle.test[0].masks
    assert mask == (tmp_path / "candle" / "Data" / "Masks" / "Anomaly" / "000.png",)
    assert load_mask(mask, SIDE, SIDE).sum() == 80  # of value 1, as a class
    assert [c.name for c in index(tmp_path, ["pcb1"]).categories] == ["pcb1"]


@pytest.mark.parametrize("how", ["BOM", "CRLF", "quotes", "blank lines", "other order"])
def test_a_table_that_another_program_saved_says_the_same(tmp_path: Path, how: str) -> None:
    before = only(write_visa(tmp_path))
    table = tmp_path / "split_csv" / "1cls.csv"
    lines = table.read_text().splitlines()
    if how == "quotes":
        lines = [",".join(f'"{field}"' for field in line.split(",")) for line in lines]
    if how == "blank lines":
        lines = [line for pair in lines for line in (pair, "")]
    if how == "other order":
        lines = [",".join([*reversed(line.split(",")), "more"]) for line in lines]
    text = ("\r\n" if how == "CRLF" else "\n").join(lines)
    table.write_bytes((b"\xef\xbb\xbf" if how == "BOM" else b"") + text.encode())
    assert only(tmp_path) == before


def test_another_split_of_the_same_files_is_another_data_set(tmp_path: Path) -> None:
    before = only(write_visa(tmp_path)).fingerprint
    table = tmp_path / "split_csv" / "1cls.csv"
    text = table.read_text()
    table.write_text(text.replace("train,normal,candle/Data/Images/Normal/0000", "test,normal,x"))
    table.write_text(table.read_text().replace("normal,x", "normal,candle/Data/Images/Normal/0000"))
    moved = only(tmp_path)
    assert (moved.counts, moved.fingerprint != before) == ((3, 3, 3), True)
    swapped = text.replace("Masks/Anomaly/000", "other").replace(
        "Masks/Anomaly/001", "Masks/Anomaly/000"
    )
    table.write_text(swapped.replace("other", "Masks/Anomaly/001"))
    assert only(tmp_path).fingerprint != before


def test_objects_that_a_copy_lacks_are_absent_not_broken(tmp_path: Path) -> None:
    shutil.rmtree(write_visa(tmp_path, "candle", "pcb1") / "pcb1")
    assert only(tmp_path).name == "candle"
    with pytest.raises(DataError, match="no category 'pcb1'; available: candle"):
        index(tmp_path, ["pcb1"])
    shutil.rmtree(tmp_path / "candle")
    assert "no image that split_csv/1cls.csv names" in problem(tmp_path)


def test_missing_files_are_counted_and_the_first_is_named_with_its_line(tmp_path: Path) -> None:
    table = write_visa(tmp_path) / "split_csv" / "1cls.csv"
    gone = tmp_path / "candle" / "Data" / "Masks" / "Anomaly"
    (gone / "001.png").unlink()
    name = "'candle/Data/Masks/Anomaly/001.png'"
    assert problem(tmp_path) == f"{table}: line 9: no file {name}; copy it from VisA"
    (gone / "002.png").unlink()
    assert f"no file {name} (1 more are missing); copy" in problem(tmp_path)


def test_images_without_the_table_ask_for_it(tmp_path: Path) -> None:
    table = write_visa(tmp_path) / "split_csv" / "1cls.csv"
    table.unlink()
    assert problem(tmp_path) == f"{table}: No such file or directory; copy it from VisA"


def test_a_copy_sorted_into_mvtec_ads_layout_is_read_as_such(tmp_path: Path) -> None:
    write_table(tmp_path / "sorted", HEADER)
    write_category(tmp_path / "sorted" / "candle")
    assert (index(tmp_path / "sorted").name, only(tmp_path / "sorted").counts) == (
        "sorted",
        (6, 3, 4),
    )


FINE = "candle,train,normal,candle/a.JPG,"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("candle,val,normal,candle/b.JPG,", "split 'val' with label 'normal' is none of"),
        ("candle,test,broken,candle/b.JPG,", "split 'test' with label 'broken' is none of"),
        ("candle,train,anomaly,candle/b.JPG,m.png", "split 'train' with label 'anomaly' is none"),
        ("candle,test,anomaly,candle/b.JPG,", "'candle/b.JPG' is a defect without a mask"),
        ("candle,test,normal,candle/b.JPG,m.png", "'candle/b.JPG' is a nominal image with a mask"),
        ("candle,test,normal,,", "'' is no path inside the data set"),
        ("candle,test,normal,.,", "'.' is no path inside the data set"),
        ("candle,test,normal,../b.JPG,", "'../b.JPG' is no path inside the data set"),
        ("candle,test,normal,candle/../../b.JPG,", "is no path inside the data set"),
        ("candle,test,normal,/etc/b.JPG,", "'/etc/b.JPG' is no path inside the data set"),
        (r"candle,test,normal,..\b.JPG,", "is no path inside the data set"),
        ("candle,test,normal,C:/b.JPG,", "'C:/b.JPG' is no path inside the data set"),
        ("candle,test,anomaly,candle/b.JPG,../m.png", "'../m.png' is no path inside the data set"),
        ("../x,test,normal,candle/b.JPG,", "object '../x' is no plain name"),
        (",test,normal,candle/b.JPG,", "object '' is no plain name"),
        ("candle,test,normal,candle/b.JPG", "4 fields under 5 columns"),
        ("candle,test,normal,candle//a.JPG,", "'candle/a.JPG' is in line 2 already"),
        ('candle,test,normal,"candle/b.JPG', "unexpected end of data"),
        ('candle,test,normal,"candle"/b.JPG,', "',' expected after '\"'"),
    ],
)
def test_a_wrong_row_is_one_line_that_names_it(tmp_path: Path, row: str, says: str) -> None:
    table = write_table(tmp_path, HEADER, FINE, row)
    message = problem(tmp_path)
    assert message.startswith(f"{table}: line 3: ")
    assert says in message
    assert message.endswith("; correct it or copy the file from VisA again")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("header", "lacking"),
    [
        ("object,split,label,image", "mask"),
        ("a,b", "object, one split, one label, one image, one mask"),
        ("", "object, one split"),
        ("object,split,label,image,mask,mask", "mask"),
        ("object;split;label;image;mask", "object, one split"),
    ],
)
def test_missing_columns_are_named(tmp_path: Path, header: str, lacking: str) -> None:
    table = write_table(tmp_path, header)
    assert problem(tmp_path).startswith(f"{table}: needs one column {lacking}")


def test_a_table_that_is_no_text_is_named(tmp_path: Path) -> None:
    table = write_table(tmp_path, HEADER)
    table.write_bytes(b"PK\x03\x04\xff\xfe")
    assert problem(tmp_path) == f"{table}: not UTF-8 text; copy it from VisA again"
    table.unlink()
    table.mkdir()
    assert problem(tmp_path) == f"{table}: Is a directory; copy it from VisA"


def test_an_object_without_training_rows_is_a_problem(tmp_path: Path) -> None:
    table = write_visa(tmp_path) / "split_csv" / "1cls.csv"
    write_table(tmp_path, HEADER, *visa_rows("candle")[4:])
    assert problem(tmp_path) == f"{table}: no train row of candle; add its rows"


FIELDS = st.one_of(
    st.sampled_from(["candle", "train", "test", "normal", "anomaly", "candle/0.JPG", "candle"]),
    st.sampled_from(["candle/1.JPG", "candle/m.png", "../out.png", "/out.png", "a/../..", ""]),
    st.text(max_size=8),
)
ROWS = st.one_of(
    st.sampled_from(
        [
            *("candle,train,normal,candle/0.JPG,", "candle,test,normal,candle/1.JPG,"),
            "candle,test,anomaly,candle/1.JPG,candle/m.png",
        ]
    ),
    st.lists(FIELDS, min_size=5, max_size=5).map(",".join),
    st.text(),
)
TABLES = st.one_of(
    st.binary(),
    st.text().map(str.encode),
    st.lists(ROWS, max_size=5).map(lambda rows: "\n".join([HEADER, *rows]).encode()),
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with two images and a mask, and a readable image beside the root."""
    root = tmp_path_factory.mktemp("outside") / "root"
    image(root / "candle" / "0.JPG")
    image(root / "candle" / "1.JPG", 1)
    image(root / "candle" / "m.png", mask=1)
    image(root.parent / "out.png")
    return root


@settings(max_examples=300)
@given(content=TABLES)
def test_any_table_is_a_right_index_or_one_line(fuzzed: Path, content: bytes) -> None:
    write_table(fuzzed).write_bytes(content)
    read: list[Path] = []
    original = WholeFiles.inspect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            WholeFiles, "inspect", lambda self, path: (read.append(path), original(self, path))[1]
        )
        try:
            dataset = index(fuzzed)
        except DataError as error:
            first, *others = str(error).splitlines()
            counted = re.search(r": (\d+) problems in this data set:$", first)
            assert len(others) == (int(counted[1]) if counted else 0)
        else:
            (category,) = dataset.categories
            assert [sample.name for sample in category.train] == ["0.JPG"]
            assert [sample.name for sample in category.test] == ["1.JPG"]
    assert all(fuzzed.resolve() in path.resolve().parents for path in read)


def test_the_fuzz_reaches_a_right_index(fuzzed: Path) -> None:
    write_table(fuzzed, HEADER, FINE.replace("a.JPG", "0.JPG"), "candle,test,normal,candle/1.JPG,")
    assert only(fuzzed).counts == (1, 1, 0)


def test_the_table_is_where_the_command_and_the_message_say() -> None:
    assert layouts_visa.TABLE.as_posix() == "split_csv/1cls.csv"


# --- the command -----------------------------------------------------------------------------


def test_the_command_lists_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert datasets_command.main([]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == list(EVERY)
    for line, known in zip(lines, EVERY.values(), strict=True):
        assert known.where in line
        assert (known.licence or "see there") in line
        assert not known.names or f" {len(known.names)} " in line


def test_the_command_counts_a_copy_and_says_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_btad(tmp_path / "copy")
    assert datasets_command.main([str(root)]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith(f"{root}: copy\n")
    assert re.search(r"^01 +4 +2 +3 +400 +21 +49 +40×40$", shown, re.MULTILINE)
    assert "01: 4 train, 2 test good and 3 test defect images, but BTAD has 400 train" in shown
    assert "missing" not in shown  # who knows whether it is a copy
    make_official(monkeypatch, "btad")
    assert datasets_command.main([str(root)]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith(f"{root}: btad\n")
    assert f"missing: 02, 03; {KNOWN['btad'].where} has all" in shown


def test_the_command_finds_nothing_wrong_with_an_official_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(KNOWN["btad"].counts, "01", (4, 2, 3))  # type: ignore[arg-type]
    for name in ("02", "03"):
        monkeypatch.delitem(KNOWN["btad"].counts, name)  # type: ignore[arg-type]
    assert datasets_command.main([str(write_btad(tmp_path))]) == 0
    assert "Every image and mask can be read" in capsys.readouterr().out


def test_the_command_checks_a_set_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_category(tmp_path / "parts" / "cup")
    assert datasets_command.main([str(tmp_path / "parts")]) == 0
    assert "official" not in capsys.readouterr().out


def test_the_command_shows_problems_and_refuses_what_is_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_btad(tmp_path)
    (tmp_path / "01" / "test" / "ok" / "0000.bmp").write_bytes(b"")
    assert datasets_command.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("0000.bmp: empty file; copy it again\n")
    assert datasets_command.main([str(tmp_path / "nowhere")]) == 2
    assert "nowhere: no such folder" in capsys.readouterr().err


def test_the_command_starts_without_torch() -> None:
    code = "import sys; from benchmarks.datasets import __main__ as command; command.main([]); "
    code += "sys.exit(' '.join({'torch._C', 'pandas'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# --- end to end ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mvtec_loco", "visa", "btad"])
@pytest.mark.usefixtures("no_figures")
def test_a_run_evaluates_it(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_official(monkeypatch, name)
    write: Callable[[Path], Path] = WRITERS[name]
    write(folder / "data")
    arguments = ["--data", "data", "--backbone", NAME, "--image-size", "32", "--out", "out"]
    assert run.main([*arguments, "--methods", "patchcore-25", "--device", "cpu"]) == 0
    (path,) = Path("out/cells").glob("*/*.json")
    cell = json.loads(path.read_text())
    assert (cell["spec"]["dataset"], cell["status"]) == (name, "ok")
    assert (cell["n_train"], cell["n_test_good"], cell["n_test_defect"]) == COUNTS[name]
    assert cell["metrics"]["pixel_auroc"] is not None
    table = Path("out/tables/image_auroc.md").read_text()
    assert re.search(r"^\| mean +\| +– +\|$", table, re.MULTILINE)  # one category of several

"""What a message says to do helps; what was made from cells is made again where it differs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from benchmarks.backbones.filterbank import NAME
from benchmarks.report import __main__ as report
from benchmarks.run import __main__ as run
from tests.helpers.data_sets import write_dataset

pytestmark = pytest.mark.usefixtures("folder", "no_figures")


def command(*arguments: str) -> int:
    fixed = ["--data", "data", "--backbone", NAME, "--image-size", "32", "--methods", "padim"]
    return run.main([*fixed, "--out", "out", *arguments])


def one(pattern: str) -> Path:
    (path,) = Path("out").glob(pattern)
    return path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def drop_a_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("scores/*/*.csv", cut),
        ("scores/*/*.csv", drop_a_line),
        ("scores/*/*.csv", Path.unlink),
        ("scores/*/*.csv", lambda path: path.write_bytes(b"\xff\xfe")),
        ("maps/*/*.npz", cut),
        ("cells/*/*.json", cut),
        ("cells/*/*.json", Path.unlink),
        ("metrics.csv", cut),
        ("metrics.csv", Path.unlink),
        ("tables/image_auroc.md", flip),
        ("tables/image_auroc.md", Path.unlink),
        ("report.html", cut),
        ("report.html", Path.unlink),
        ("derived.json", cut),
    ],
)
def test_the_same_command_mends_whatever_is_damaged(
    pattern: str, damage: Callable[[Path], object]
) -> None:
    write_dataset(Path("data"), "cup")
    assert command() == 0
    path = one(pattern)
    whole = {name: one(name).read_bytes() for name in ("scores/*/*.csv", "tables/image_auroc.csv")}
    damage(path)
    assert command() == 0
    assert {name: one(name).read_bytes() for name in whole} == whole
    assert path.is_file()
    assert report.main(["out"]) == 0


def test_what_is_said_of_a_damaged_file_helps(capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(Path("data"), "cup")
    assert command() == 0
    path = one("maps/*/*.npz")
    content = bytearray(path.read_bytes())
    with ZipFile(path) as file:
        held = slice(len(content) // 3, file.start_dir)  # its directory, at the end, stays
    content[held] = bytes(len(content[held]))
    path.write_bytes(content)
    capsys.readouterr()
    assert report.main(["out"]) == 2
    assert "with --force where it finds nothing left to do" in capsys.readouterr().err
    assert command("--force") == 0
    assert report.main(["out"]) == 0


def test_nothing_is_made_again_where_nothing_differs() -> None:
    write_dataset(Path("data"), "cup")
    assert command() == 0
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*") if path.is_file()}
    assert command() == 0
    assert before == {
        path: path.stat().st_mtime_ns for path in Path("out").rglob("*") if path.is_file()
    }


def test_cells_of_another_run_are_in_all_that_is_made_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_dataset(Path("data"), "cup", "plate")
    assert command("--categories", "cup") == 0
    assert command("--categories", "plate", "--out", "other") == 0
    for kind in ("cells", "scores", "maps"):
        shutil.copytree(Path("other", kind), Path("out", kind), dirs_exist_ok=True)
    capsys.readouterr()
    assert command() == 0
    shown = capsys.readouterr()
    assert "nothing left to do" in shown.err
    assert "\nplate " in shown.out
    assert "| plate " in Path("out/tables/image_auroc.md").read_text()
    assert '"plate"' in Path("out/report.html").read_text()


def test_everything_lies_in_the_folder_that_was_named(no_figures: None) -> None:
    write_dataset(Path("data"), "cup")
    for out in ("monday/run", "tuesday/run", "results/mine"):
        assert command("--out", out) == 0
    assert {path.name for path in Path().iterdir()} == {
        *("data", "cache", "monday", "tuesday", "results")
    }

"""Names that hold control characters, or the same text in another Unicode form."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import pytest

from benchmarks.datasets import __main__ as datasets_command
from benchmarks.datasets import index
from benchmarks.errors import DataError
from benchmarks.results import Store
from benchmarks.results.scores import read_image_scores
from benchmarks.run import __main__ as run
from tests.helpers.data_sets import write_category, write_dataset

COMMAND = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--methods", "padim"]
COMPOSED = unicodedata.normalize("NFC", "Größe é")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)

pytestmark = pytest.mark.usefixtures("folder", "no_figures")


@pytest.mark.parametrize("end", ["\r", "\n", "\x1f", "\x85", "\t", "\x1b[2J", "\u2028"])
def test_control_characters_in_names_are_written_read_and_shown_on_one_line(
    end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_category(Path("data") / f"part{end}forged: ok")
    part = next(Path("data").iterdir())
    (part / "test" / "spot").rename(part / "test" / f"spot{end}")
    (part / "ground_truth" / "spot").rename(part / "ground_truth" / f"spot{end}")
    (part / "test" / "good" / "000.png").rename(part / "test" / "good" / f"0{end}0.png")
    (part / "test" / "good" / f"left{end}out.gif").write_bytes(b"")
    assert datasets_command.main(["data"]) == 1
    assert run.main([*COMMAND, "--out", "out"]) == 0
    assert run.main([*COMMAND, "--out", "out"]) == 0
    shown = capsys.readouterr()
    assert "nothing left to do: all cells are stored" in shown.err
    for line in (shown.out + shown.err).split("\n"):
        assert line.isprintable()
        assert not line.startswith(("forged", "out.gif"))
    (cell,) = Store(Path("out")).cells()
    assert cell.spec.category == part.name
    names = {path.relative_to(part).as_posix() for path in (part / "test").rglob("*.png")}
    assert {*read_image_scores(Path("out") / str(cell.scores))["path"]} == names
    text = Path("out/metrics.csv").read_bytes().decode()
    assert {row["category"] for row in csv.DictReader(io.StringIO(text, newline=""))} == {part.name}


@pytest.mark.parametrize(
    ("folder_name", "asked"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), ("part\r", "part")]
)
def test_a_category_is_found_in_any_form_of_its_name(folder_name: str, asked: str) -> None:
    write_dataset(Path("data"), folder_name, "other")
    assert run.main([*COMMAND, "--categories", f" {asked}, {folder_name}", "--out", "out"]) == 0
    (cell,) = Store(Path("out")).cells()
    assert cell.spec.category == folder_name


def test_two_forms_of_one_text_may_be_two_folders() -> None:
    write_dataset(Path("data"), COMPOSED, DECOMPOSED)
    for name in (COMPOSED, DECOMPOSED):
        assert [category.name for category in index(Path("data"), [name]).categories] == [name]


def test_a_name_that_is_not_there_is_named_without_blanks() -> None:
    write_dataset(Path("data"), "cup")
    with pytest.raises(DataError, match="no category 'cop'; did you mean cup"):
        index(Path("data"), [" cop "])

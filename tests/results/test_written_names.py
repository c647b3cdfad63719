"""Whatever text names hold, tables of scores and of cells give it back as it was."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.files import as_csv
from benchmarks.results.cell import Cell
from benchmarks.results.metrics_csv import as_metrics_csv, read_cells
from benchmarks.results.scores import count_scores, read_image_scores, write_scores
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol

LINE_ENDS = ["\r", "\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\u2028"]
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SPEC = CellSpec(
    "parts", "f0", "cup", "spade", {}, EvaluationProtocol(BackboneSpec("net", "", "", {})), 0
)


@given(
    st.lists(
        st.tuples(NAMES, st.sampled_from([0, 1]), st.floats(allow_nan=False, allow_infinity=False)),
        min_size=1,
    )
)
def test_scores_are_read_as_they_were_written(rows: list[tuple[str, int, float]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "scores.csv")
        write_scores(path, rows)
        assert [tuple(row) for row in read_image_scores(path).to_numpy().tolist()] == rows
        assert count_scores(path) == len(rows)


@given(NAMES, NAMES, NAMES, st.lists(NAMES.filter(lambda text: text and "\n" not in text)))
def test_cells_are_read_as_they_were_written(
    dataset: str, category: str, error: str, warnings: list[str]
) -> None:
    spec = replace(SPEC, dataset=dataset, category=category)
    written = Cell(spec, "failed", error, {"image_auroc": 0.5}, warnings=warnings)
    written = replace(written, started_utc="2026-01-02T03:04:05+00:00")
    with TemporaryDirectory() as folder:
        path = Path(folder, "metrics.csv")
        path.write_bytes(as_metrics_csv("run", [written]))
        assert read_cells(path) == [written]


@pytest.mark.parametrize("end", LINE_ENDS)
def test_every_kind_of_line_end_inside_of_a_field_is_kept(end: str) -> None:
    rows = [["path", "score"], [f"a{end}b", f"{end}"], [f"c{end}", "1"]]
    assert list(csv.reader(io.StringIO(as_csv(rows).decode(), newline=""), strict=True)) == rows


def test_plain_rows_end_with_a_line_feed_and_have_no_quotes() -> None:
    assert as_csv([["a b", 1, 0.1, None, True], ["c,d", 'e"f']]) == (
        b'a b,1,0.1,,True\n"c,d","e""f"\n'
    )

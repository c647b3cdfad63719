"""The page on conditions has the numbers of the tables that lie in results/pages/conditions/."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def table_rows(text: str, first: str) -> list[dict[str, str]]:
    """Return the rows of the table whose first column has a title, by column."""
    (table,) = re.findall(rf"^\| *{first} *\|.*\n(?:\|.*\n)+", text, re.MULTILINE)
    head, _, *body = ([c.strip() for c in row.strip("|").split("|")] for row in table.splitlines())
    return [dict(zip(head, cells, strict=True)) for cells in body]


def test_shifts_cost_what_was_stored() -> None:
    stored = (ROOT / "results/pages/conditions/changed/conditions.md").read_text()
    known = {
        (row["shift"], row["method"], row["metric"]): row for row in table_rows(stored, "shift")
    }
    page = table_rows((ROOT / "docs/conditions.md").read_text(), "test images")
    assert len(page) == 10
    methods = {method for _, method, _ in known}
    for row in page:
        shift = row.pop("test images").strip("`")
        column = "without" if shift == "unshifted" else "with"
        shift = "jpeg=3" if shift == "unshifted" else shift
        assert {name.removesuffix(", false alarms") for name in row} == methods
        for name, text in row.items():
            method = name.removesuffix(", false alarms")
            metric = "image_auroc" if name == method else "calibrated_false_alarm_rate_05"
            value = known[shift, method, metric]
            digits = 1 if name == method else 0
            assert text.rstrip("*") == f"{100 * float(value[column]):.{digits}f}"
            assert text.endswith("*") == (value["differ"] == "yes" and column == "with")

"""Tests catch the faults that `tests.mutations.search` plants in the exact searches."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT
from tests.mutations.search import COMPONENTS, EQUIVALENT, FAULTS, Fault, plant


@pytest.mark.parametrize("fault", [*FAULTS, *EQUIVALENT], ids=lambda fault: fault.name)
def test_a_fault_changes_one_place(fault: Fault, tmp_path: Path) -> None:
    file = tmp_path / COMPONENTS / f"{fault.file}.py"
    file.parent.mkdir(parents=True)
    original = (ROOT / COMPONENTS / file.name).read_text()
    file.write_text(original)
    plant(fault, tmp_path)
    planted = file.read_text()
    compile(planted, file.name, "exec")
    assert planted != original
    assert len(planted.splitlines()) == len(original.splitlines())


def table(*faults: str) -> tuple[int, Sequence[str]]:
    """Return the command's status and the rows that it prints for some faults, all by default."""
    command = [sys.executable, "-m", "tests.mutations", "search", *faults]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()[2:]


@pytest.mark.slow
def test_allowances_that_are_too_small_are_caught() -> None:
    status, rows = table("slack of float64 × 0.1", "INFLATION = 1", "unsure = 0 for the rest")
    assert status == 0, "\n".join(rows)
    assert len(rows) == 3
    assert all("| `test_" in row for row in rows)


@pytest.mark.slow
def test_all_faults_are_caught_or_proved_equivalent() -> None:
    status, rows = table()
    assert status == 0, "\n".join(rows)
    assert len(rows) == len(FAULTS) + len(EQUIVALENT)
    assert not [row for row in rows if "SURVIVES" in row]

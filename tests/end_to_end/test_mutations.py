"""The gate on the embedded set's metrics sees the faults that `tests.mutations` plants."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from benchmarks.compare.baseline import read
from benchmarks.compare.check import REGRESSIONS
from tests.false_alarms import movement, nearest_edge, noise, turned
from tests.mutations.gate import (
    BASELINE,
    BLESSINGS,
    CATEGORIES,
    INVISIBLE,
    MUTATIONS,
    Gate,
    Mutation,
)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return Gate(tmp_path_factory.mktemp("gate"))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_gate_sees_a_fault(gate: Gate, mutation: Mutation) -> None:
    rows = gate.rows(
        mutation.methods, mutation.plant, mutation.categories, extract=mutation.before_features
    )
    assert "worse" in {row.mark for row in rows}


@pytest.mark.parametrize("blessing", BLESSINGS, ids=lambda mutation: mutation.name)
def test_a_fault_that_raises_all_it_changes_is_shown_and_not_stopped(
    gate: Gate, blessing: Mutation
) -> None:
    marks = Counter(row.mark for row in gate.rows(blessing.methods, blessing.plant))
    assert marks["better"] > 0
    assert not REGRESSIONS & set(marks)


def test_a_fault_in_what_does_not_occur_is_not_seen(gate: Gate) -> None:
    rows = gate.rows(INVISIBLE.methods, INVISIBLE.plant)
    assert {row.mark for row in rows} == {"unchanged"}


@pytest.mark.parametrize(
    ("methods", "categories", "threads"),
    [
        ("patchcore-25,patchcore-10,spade,spade-5,padim", CATEGORIES, 1),
        ("padim,spade-5,spade,patchcore-10,patchcore-25", CATEGORIES[::-1], 2),
    ],
)
def test_a_rerun_raises_no_alarm(
    gate: Gate, methods: str, categories: tuple[str, ...], threads: int
) -> None:
    rows = gate.rows(
        methods, lambda patch: torch.set_num_threads(threads), categories, extract=True
    )
    assert Counter(row.mark for row in rows) == {
        "unchanged": 2 * 5 * len(read(BASELINE).tolerances)
    }


def test_features_kept_from_before_a_fault_hide_it(gate: Gate) -> None:
    """Why the gate's command runs with an empty cache."""
    (fault,) = (one for one in MUTATIONS if one.name == "filter bank without yellow-blue")
    gate.rows("padim")
    rows = gate.rows("padim", fault.plant)
    assert not REGRESSIONS & {row.mark for row in rows}


def test_noise_on_features_turns_rows_where_there_is_enough_of_it(gate: Gate) -> None:
    assert turned(gate.rows("padim", noise(0.0, 0), extract=True)) == (0, 0)
    stopped, changed = turned(gate.rows("padim", noise(0.01, 0), extract=True))
    assert 0 < stopped <= changed


def test_distances_to_an_edge_are_relative_to_a_cells_mean_score() -> None:
    labels = np.array([0, 0, 1, 1])
    near = {"near": (labels, np.array([1.0, 2.0, 2.5, 2.5]))}
    far = {"far": (labels, np.array([1.0, 1.0, 3.0, 3.0]))}
    assert nearest_edge(near | far) == (0.25, "near")
    moved = {"near": (labels, np.array([1.0, 2.0, 2.7, 2.5]))}
    assert movement(near, moved) == pytest.approx(0.1)

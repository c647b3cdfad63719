"""Keys stay: of what is stored, and at the default of every field that is added later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import methods
from benchmarks import specs
from benchmarks.specs import CellSpec, CropSpec, EvaluationProtocol, FeatureSpec, digest
from methods.base import identity, later
from methods.padim import Parameters
from tests.results.test_store import SPEC

STORED: Mapping[str, Mapping[str, Any]] = json.loads(
    Path(__file__).with_name("stored_specs.json").read_text("utf-8")
)
"""Key → specification, as they were stored: crops, stretched, padded, of few shots, ensembles,
imported, of every filter."""


@pytest.mark.parametrize("key", STORED["cells"])
def test_a_stored_cell_keeps_its_key(key: str) -> None:
    stored = STORED["cells"][key]
    spec = CellSpec.from_dict(stored)
    assert spec.key == digest(stored) == key
    assert json.loads(json.dumps(spec.as_dict())) == stored


@pytest.mark.parametrize("key", STORED["arrays"])
def test_a_stored_array_keeps_its_key(key: str) -> None:
    stored = STORED["arrays"][key]
    kind = FeatureSpec if "level" in stored else CropSpec
    assert kind(**stored).key == digest(stored) == key


def test_what_is_stored_is_of_every_kind() -> None:
    protocols = [spec["protocol"] for spec in STORED["cells"].values()]
    assert {p.get("fit") for p in protocols} == {None, "stretch", "pad"}
    assert {p.get("interpolation") for p in protocols} == {None, "bicubic", "lanczos", "box"}
    assert {spec["shots"] is None for spec in STORED["cells"].values()} == {True, False}
    names = {p["backbone"]["name"] for p in protocols}
    assert {"imported", "filterbank+filterbank", "resnet18"} <= names


@pytest.mark.parametrize(
    "spec",
    [s for s in STORED["cells"].values() if "imported" not in s["method"]],
    ids=lambda spec: spec["method"],
)
def test_a_methods_parameters_are_as_they_were_stored(spec: Mapping[str, Any]) -> None:
    params = identity(methods.resolve(spec["method"]).parameters)
    assert json.loads(json.dumps(params)) == spec["params"]


# --- fields that a later version might add --------------------------------------------------------


@dataclass(frozen=True)
class LaterParameters(Parameters):
    shrinkage: float = later(0.0)


@dataclass(frozen=True)
class LaterProtocol(EvaluationProtocol):
    colours: str = later("rgb")


@dataclass(frozen=True)
class LaterCell(CellSpec):
    fold: int | None = later(None)


@dataclass(frozen=True)
class LaterFeatures(FeatureSpec):
    pooling: int = later(1)


OLDER = replace(SPEC, params=identity(Parameters()))
PROTOCOL = LaterProtocol(SPEC.protocol.backbone)
SAME = LaterCell(
    *(OLDER.dataset, OLDER.dataset_fingerprint, OLDER.category, OLDER.method),
    identity(LaterParameters()),
    PROTOCOL,
    OLDER.seed,
)


def test_at_their_default_later_fields_change_no_key() -> None:
    assert SAME.key == OLDER.key
    assert SAME.as_dict() == OLDER.as_dict()
    features = STORED["arrays"][next(k for k, s in STORED["arrays"].items() if "level" in s)]
    assert LaterFeatures(**features).key == digest(features)
    assert LaterFeatures(**features, pooling=2).key != digest(features)


def test_otherwise_each_changes_it() -> None:
    others = [
        replace(SAME, params=identity(LaterParameters(shrinkage=0.1))),
        replace(SAME, protocol=replace(PROTOCOL, colours="grey")),
        replace(SAME, fold=0),
    ]
    assert len({SAME.key, *(other.key for other in others)}) == 4
    assert others[0].params["shrinkage"] == 0.1
    assert others[1].as_dict()["protocol"]["colours"] == "grey"
    assert others[2].as_dict()["fold"] == 0


def test_a_later_version_reads_what_was_stored_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "EvaluationProtocol", LaterProtocol)
    assert LaterCell.from_dict(OLDER.as_dict()) == SAME
    other = replace(SAME, fold=1, protocol=replace(PROTOCOL, colours="grey"))
    assert LaterCell.from_dict(json.loads(json.dumps(other.as_dict()))) == other


@pytest.mark.parametrize("place", ["cell", "protocol"])
def test_a_later_field_that_is_stored_at_its_default_is_refused(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specs, "EvaluationProtocol", LaterProtocol)
    stored = OLDER.as_dict()
    if place == "cell":
        stored["fold"] = None
    else:
        stored["protocol"] = {**stored["protocol"], "colours": "rgb"}
    with pytest.raises(ValueError, match="identity"):
        LaterCell.from_dict(stored)


def test_nested_dataclasses_follow_the_same_rule() -> None:
    @dataclass(frozen=True)
    class Outer:
        parts: tuple[LaterParameters, ...]
        by_name: Mapping[str, LaterParameters]

    outer = Outer((LaterParameters(),), {"b": LaterParameters(shrinkage=1.0)})
    plain = {"dims": 0, "epsilon": 0.01}
    assert identity(outer) == {"parts": (plain,), "by_name": {"b": {**plain, "shrinkage": 1.0}}}

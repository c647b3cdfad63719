"""Backbones as people write them: names, options in brackets, ensembles."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.backbones.choice import Choice, ensemble_spec, parse, split
from benchmarks.errors import BenchmarkError
from benchmarks.specs import BackboneSpec


def test_a_bare_name_takes_what_is_published() -> None:
    assert parse("resnet50") == (Choice("resnet50"),)


def test_brackets_name_weights_and_layers_and_plus_joins() -> None:
    first, second = parse(
        " mobilenet_v2[weights=/a+b/m.pth, layers=features.3+features.6]+densenet201"
    )
    assert first == Choice("mobilenet_v2", Path("/a+b/m.pth"), ("features.3", "features.6"))
    assert second == Choice("densenet201")


def test_a_list_splits_outside_brackets_only() -> None:
    text = "resnet50, a[weights=w.pth,layers=x+y]+b ,filterbank"
    assert split(text) == ["resnet50", "a[weights=w.pth,layers=x+y]+b", "filterbank"]


@pytest.mark.parametrize(
    "text", ["", "+", "resnet50+", "a[", "a[weights]", "a[weights=]", "a[colour=red]", "a]b["]
)
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BenchmarkError, match=r"is not of the form NAME or NAME\[weights=FILE"):
        parse(text)


def test_an_ensemble_is_identified_by_everything_of_its_members_in_order() -> None:
    a = BackboneSpec("a", "v1", "11", {1: "one", 2: "two", 3: "three"})
    b = BackboneSpec("b", "v2", "22", {2: "deux", 3: "trois", 4: "quatre"})
    assert ensemble_spec([a]) is a
    assert ensemble_spec([a, b]) == BackboneSpec(
        "a+b", "v1+v2", "11+22", {2: "two+deux", 3: "three+trois"}
    )
    assert ensemble_spec([a, b]) != ensemble_spec([b, a])

"""Names, overrides, entry points, and what a newcomer mistypes."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from methods import MethodNameError, names, registry, resolve, split

THIRD_PARTY = "tests.helpers.third_party:VARIANTS"


def test_the_papers_variants_are_registered() -> None:
    expected = {"patchcore-100", "patchcore-25", "patchcore-10", "patchcore-1"}
    assert expected | {"spade", "spade-5", "padim", "padim-full"} <= set(names())


def test_overrides_are_typed_sorted_and_dropped_where_they_say_nothing_new() -> None:
    variant = resolve("patchcore-25[squared=true, patch_size=5, dims=1024]")
    assert variant.name == "patchcore-25[patch_size=5,squared=true]"
    assert variant.parameters == resolve(variant.name).parameters
    assert (
        resolve("patchcore-25[coreset_ratio=0.1]").parameters == resolve("patchcore-10").parameters
    )
    assert resolve("patchcore-1[levels=1+2+3]").parameters.levels == (1, 2, 3)


@pytest.mark.parametrize(
    ("specification", "says"),
    [
        ("patchcore25", "did you mean patchcore-25"),
        ("zzz", "known are padim"),
        ("patchcore-25[patchsize=5]", "did you mean patch_size"),
        ("patchcore-25[patch_size=five]", "patch_size=five is not of type int"),
        ("patchcore-25[patch_size=4]", "patch_size must be odd"),
        ("patchcore-25[squared=yes]", "squared=yes is not of type bool"),
        ("patchcore-25[coreset_ratio=0]", "coreset_ratio must lie in"),
        ("patchcore-25[levels=3+2]", "levels must ascend"),
        ("patchcore-25[patch_size]", "not of the form parameter=value"),
        ("patchcore-25[patch_size=3", "not of the form name"),
        ("padim[dims=-2]", "dims must be positive"),
        ("spade[neighbours=0]", "must be positive"),
    ],
)
def test_mistakes_are_named_in_one_line(specification: str, says: str) -> None:
    with pytest.raises(MethodNameError, match=says.replace("[", r"\[")) as caught:
        resolve(specification)
    assert "\n" not in str(caught.value)


def test_lists_split_outside_brackets_only() -> None:
    assert split("spade, patchcore-25[patch_size=5,squared=true],padim,") == [
        "spade",
        "patchcore-25[patch_size=5,squared=true]",
        "padim",
    ]


@pytest.fixture
def entry_point(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    name, value = request.param
    point = EntryPoint(name, value, registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    registry._registry.cache_clear()
    yield
    monkeypatch.undo()
    registry._registry.cache_clear()


@pytest.mark.parametrize("entry_point", [("mean-distance", THIRD_PARTY)], indirect=True)
def test_another_packages_method_is_found_and_imported_only_when_used(entry_point: None) -> None:
    sys.modules.pop("tests.helpers.third_party", None)
    assert "mean-distance" in names()
    assert "tests.helpers.third_party" not in sys.modules
    assert resolve("mean-distance[power=3]").name == "mean-distance[power=3]"


@pytest.mark.parametrize("entry_point", [("spade", THIRD_PARTY)], indirect=True)
def test_a_name_registered_twice_is_refused(entry_point: None) -> None:
    with pytest.raises(MethodNameError, match=r"registered by both methods\.spade and tests"):
        names()


@pytest.mark.parametrize("entry_point", [("gone", "no_such_package:VARIANTS")], indirect=True)
def test_an_entry_point_that_does_not_load_is_named(entry_point: None) -> None:
    with pytest.raises(MethodNameError, match="no_such_package"):
        resolve("gone")


def test_names_and_parameters_need_no_torch() -> None:
    code = (
        "import sys, methods; [methods.resolve(n) for n in methods.names()]; "
        "sys.exit('torch._C' in sys.modules or 'faiss.loader' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Names, overrides, entry points, and what a newcomer mistypes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchmarks.run import __main__ as run
from methods import MethodNameError, names, problems, registry, resolve, split

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
        ("zzz", "known are anomalydino, .*padim"),
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


def test_a_method_is_resolved_without_importing_the_others() -> None:
    code = "import sys, methods; methods.resolve('padim'); print(*sys.modules)"
    run_python = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)
    imported = run_python.stdout.decode().split()
    assert "methods.padim" in imported
    assert not {"methods.patchcore", "methods.spade"} & set(imported)


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
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: [point])
    registry._survey.cache_clear()
    yield
    monkeypatch.undo()
    registry._survey.cache_clear()


@pytest.mark.parametrize("entry_point", [("mean-distance", THIRD_PARTY)], indirect=True)
def test_another_packages_method_is_found_and_imported_only_when_used(entry_point: None) -> None:
    sys.modules.pop("tests.helpers.third_party", None)
    assert "mean-distance" in names()
    assert "tests.helpers.third_party" not in sys.modules
    assert resolve("mean-distance[power=3]").name == "mean-distance[power=3]"


@pytest.mark.parametrize("entry_point", [("spade", THIRD_PARTY)], indirect=True)
def test_a_name_of_the_projects_own_is_nobody_elses(entry_point: None) -> None:
    before = resolve("spade").parameters
    assert type(before).__module__ == "methods.spade"
    (problem,) = problems()
    assert problem == (
        f"'spade' is registered by both methods.spade and {THIRD_PARTY}, which is left out"
    )


def install(site: Path, package: str, points: str, source: str) -> None:
    """Write a package as an installer leaves it."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[total_recall.methods]\n{points}\n")
    (site / f"{package}.py").write_text(source)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages that may hold anything."""
    monkeypatch.syspath_prepend(tmp_path)
    registry._survey.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    registry._survey.cache_clear()


GOOD = "from methods.padim import VARIANTS as OTHERS\nVARIANTS = {'mine': OTHERS['padim']}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named"),
        ("VARIANTS = {}", "KeyError: 'broken'"),
        ("TABLE = {}", "AttributeError"),
        ("VARIANTS = {'broken': 7}", "broken: registered with a int, not with"),
        ("VARIANTS = 7", "TypeError"),
    ],
)
def test_a_package_that_breaks_is_named_where_it_is_asked_for_and_the_rest_works(
    site: Path, source: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    package = f"broken_{sha256(source.encode()).hexdigest()[:8]}"
    install(site, package, f"broken = {package}:VARIANTS", source)
    assert {"spade", "padim", "broken"} <= set(names())
    assert problems() == ()
    with pytest.raises(MethodNameError, match=reason) as caught:
        resolve("broken")
    assert "\n" not in str(caught.value)
    assert run.main(["--list"]) == 0
    shown = capsys.readouterr()
    assert {"padim", "spade"} <= {line.split()[0] for line in shown.out.splitlines()}
    assert [line.partition(":")[0] for line in shown.err.splitlines()] == ["warning"]
    assert reason in shown.err


def test_a_name_of_two_other_packages_means_neither(site: Path) -> None:
    install(site, "one_package", "mine = one_package:VARIANTS", GOOD)
    install(site, "other_package", "mine = other_package:VARIANTS", GOOD)
    (problem,) = problems()
    assert problem.startswith("'mine' is registered by both one_package:VARIANTS and other_package")
    with pytest.raises(MethodNameError, match="uninstall one of them"):
        resolve("mine")
    assert resolve("padim").name == "padim"


def test_one_package_found_twice_is_one(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "one_package", "mine = one_package:VARIANTS", GOOD)
    install(site / "again", "one_package", "mine = one_package:VARIANTS", GOOD)
    monkeypatch.syspath_prepend(site / "again")
    assert problems() == ()
    assert resolve("mine").parameters == resolve("padim").parameters


def test_metadata_that_cannot_be_read_costs_other_packages_only(site: Path) -> None:
    install(site, "vague", "no value at all", "")
    assert {"spade", "padim"} <= set(names())
    assert len(problems()) <= 1  # newer Pythons read even this


def test_a_half_written_file_costs_itself_only(site: Path) -> None:
    shutil.copytree(Path(registry.__file__).parent, site / "methods")
    (site / "methods" / "half.py").write_text("VARIANTS = {'half': Half(")
    (site / "methods" / "odd.py").write_text("VARIANTS = 7")
    code = "import methods; print(*methods.names()); print(*methods.problems(), sep='\\n')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, check=True)
    listed, *wrong = done.stdout.splitlines()
    assert {"padim", "spade", "patchcore-25"} <= set(listed.split())
    assert "half" not in listed
    assert wrong == [
        "methods.half can't be imported (SyntaxError: '(' was never closed (half.py, line 1)); "
        "left out",
        "methods.odd can't be imported (AttributeError: 'int' object has no attribute 'items'); "
        "left out",
    ]


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

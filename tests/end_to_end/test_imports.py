"""The map of the house: which package imports which, and that nothing imports in a circle.

Imports are read from the source, those inside functions and those for type checkers included.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from benchmarks.commands import COMMANDS

ROOT = Path(__file__).parents[2]
GROUND = {
    *("errors", "specs", "array_types", "files", "console", "places", "markdown", "names"),
    *("processes", "device_memory", "control_groups", "interrupts"),
}
COMPUTES = {"features", "evaluation", "execution"}
SHOWS = {"tables", "figures", "uncertainty", "reproduction", "report", "compare", "join"}
LONGEST = 8

LAZY = "methods.lazy"
PRECISION = "methods.components.precision"
COMPILED = "methods.components.compiled"
UPLOADS = "methods.components.uploads"
LEVELS = "methods.base"
SUBJECTS = {
    "metrics": {COMPILED},
    "datasets": set(),
    "backbones": {LAZY, PRECISION, LEVELS},
    "statistics": {"metrics"},
    "synthetic": {"datasets"},
    "features": {"datasets", "backbones", LAZY, UPLOADS},
    "results": {"metrics", "statistics", "datasets.known", "datasets.losses"},
    "evaluation": {"datasets", "features", "metrics", "results", "methods"},
    "detection": {"backbones", "datasets", "features", "evaluation", "methods"},
    "execution": {
        *("backbones", "datasets", "features", "evaluation", "metrics", "results", "methods"),
    },
    "tables": {"metrics", "results", "statistics"},
    "figures": {"metrics", "results", "statistics"},
    "compare": {"metrics", "results"},
    "uncertainty": {"metrics", "results", "statistics", "tables", "figures"},
    "speed": {
        *("backbones", "datasets", "features", "evaluation", "metrics", "methods"),
        *("synthetic.products", "tables.rendering"),
    },
    "reproduction": {"metrics", "datasets.known", "results", "statistics", "tables"},
    "report": {
        *("metrics", "results", "statistics", "tables", "uncertainty", "reproduction"),
        *("figures.style", "figures.pareto", "datasets.known"),
    },
    "join": {"results"},
    "gpu_check": {
        *("backbones", "datasets", "synthetic", "features", "evaluation", "results", "compare"),
        *("speed", "options", "methods"),
    },
    "options": set(),
    "chosen": {
        *("options", "datasets", "synthetic", "features", "evaluation", "execution", "results"),
        LAZY,
    },
    "cost": {
        *(
            "backbones",
            "chosen",
            "datasets",
            "evaluation",
            "detection",
            "figures",
            "options",
            "results",
        ),
        *("tables", "methods"),
    },
    "maps": {
        *(
            "chosen",
            "options",
            "datasets",
            "features",
            "evaluation",
            "metrics",
            "results",
            "tables",
        ),
        "methods",
    },
}
LEFT_OUT = {
    "supplement": {"run", "report", "compare", "speed", "gpu_check", "maps", "join", "cost"},
    "run": {
        *("supplement", "compare", "speed", "gpu_check", "uncertainty", "reproduction", "maps"),
        *("join", "cost"),
    },
}
ALLOWED = {
    "methods": set(),
    "benchmarks": {"detection", "results", "statistics", "interrupts", "version"},
    "__main__": {"commands"},
    "commands": {"console", "errors", "interrupts", "names", "version"},
    "version": set(),
    "errors": set(),
    "specs": {"methods.base", "names"},
    "array_types": set(),
    "files": {"errors"},
    "places": set(),
    "control_groups": set(),
    "interrupts": set(),
    "processes": {"errors", "control_groups", "interrupts"},
    "device_memory": {"errors", LAZY},
    "markdown": set(),
    "names": set(),
    "console": {"errors", "interrupts", "methods", "names", "places"},
    **{package: GROUND | others for package, others in SUBJECTS.items()},
    **{
        package: {*GROUND, *SUBJECTS, "methods", *LEFT_OUT} - {package} - absent
        for package, absent in LEFT_OUT.items()
    },
}
"""Package, or module of the ground floor → what it may import."""


@cache
def imports() -> Mapping[str, frozenset[str]]:
    """Return module → the modules of this project that it imports."""
    files = {
        name_of(path): path
        for top in ("benchmarks", "methods")
        for path in (ROOT / top).rglob("*.py")
    }
    return {name: frozenset(imported(path, files) - {name}) for name, path in files.items()}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, known: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by a relative name"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = members.intersection(known)
            found |= modules if len(modules) == len(members) else {*modules, str(node.module)}
    return found.intersection(known)


def package_of(module: str) -> str:
    """Return what of the table a module belongs to."""
    first, _, rest = module.partition(".")
    return "methods" if first == "methods" else rest.partition(".")[0] or "benchmarks"


def packages() -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module, others in imports().items():
        found.setdefault(package_of(module), set()).update(map(package_of, others))
    return {package: others - {package} for package, others in found.items()}


def is_allowed(package: str, other: str) -> bool:
    """Whether a package may import a module; `figures.style` in the table is that module alone."""
    path = other.removeprefix("benchmarks.")
    return any(path == one or path.startswith(f"{one}.") for one in ALLOWED.get(package, ()))


def test_every_package_is_on_the_map() -> None:
    unlike = packages().keys() ^ ALLOWED.keys()
    assert not unlike, f"SUBJECTS in {__file__}: {unlike}"


def test_packages_import_only_what_the_map_allows() -> None:
    forbidden = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if package_of(module) != package_of(other) and not is_allowed(package_of(module), other)
    ]
    assert not forbidden


def test_no_file_imports_itself_through_others() -> None:
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_chains_of_packages_are_short_and_no_circles() -> None:
    arrows = packages()

    @cache
    def length(package: str) -> int:
        return 1 + max((length(other) for other in arrows[package]), default=0)

    order = TopologicalSorter(arrows).static_order()  # raises where there is a circle
    longest = max(order, key=length)
    assert length(longest) <= LONGEST, longest


def test_what_shows_reaches_nothing_that_computes() -> None:
    arrows = packages()

    def reached(package: str) -> set[str]:
        return {package}.union(*(reached(other) for other in arrows[package]))

    for package in SHOWS:
        assert not reached(package) & COMPUTES, package


def test_nobody_imports_a_commands_main() -> None:
    assert not [
        module for module, others in imports().items() for o in others if o.endswith("__main__")
    ]


@pytest.mark.parametrize("package", ["results", "metrics", "statistics", *sorted(SHOWS)])
def test_no_torch_where_results_are_read_and_shown(package: str) -> None:
    named = [
        path
        for path in (ROOT / "benchmarks" / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Import) and any(a.name.startswith("torch") for a in node.names))
        or (isinstance(node, ast.ImportFrom) and str(node.module).startswith(("torch", LAZY)))
    ]
    assert not named


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("benchmarks", []),
        *(("benchmarks", [command, "--help"]) for command in COMMANDS),
        *((f"benchmarks.{command.replace('-', '_')}", ["--help"]) for command in COMMANDS),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value) or "alone",
)
def test_help_is_instant(module: str, arguments: list[str]) -> None:
    """Only imports that take long are counted: a time would tell of the machine."""
    code = (
        "import runpy, sys\n"
        f"sys.argv = {[module, *arguments]}\n"
        f"try: runpy.run_module('{module}', run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code\n"
        "slow = {'torch', 'pandas', 'matplotlib', 'sklearn', 'scipy', 'numba', 'timm'}\n"
        "sys.exit(' '.join(slow & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")

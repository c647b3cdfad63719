"""What the documents show is what the project does."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import methods
from benchmarks.commands import COMMANDS
from benchmarks.run.request import EVERY
from methods.base import Features
from methods.conformance import make_features
from tests.helpers.paths import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"))
)
WITH_PYTHON = {f"docs/{name}.md" for name in ("add-a-backbone", "add-a-method", "faq", "python")}
COMMAND = re.compile(
    r"^ *(?:\w+=\S+ )*(?:python -m ((?:benchmarks|tests)(?:\.\w+)+)|total-recall ([\w-]+))(.*)$",
    re.MULTILINE,
)
SHOWN_METHOD = "mean-feature"
"""Registered on its page only."""


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def executed(page: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the one Python block of a page as a module; return its names."""
    (source,) = blocks(page, "python")
    module = types.ModuleType("shown")
    monkeypatch.setitem(sys.modules, "shown", module)
    exec(compile(source, page, "exec"), module.__dict__)
    return module.__dict__


# --- commands --------------------------------------------------------------------------------


class Parsed(BaseException):
    """Ends a program once its arguments are understood."""


@pytest.mark.parametrize("page", PAGES)
def test_every_command_parses(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules exist and their parsers take the arguments shown; methods shown are registered."""
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self: argparse.ArgumentParser, *given: Any) -> None:
        raise Parsed(parse(self, *given))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    text = (ROOT / page).read_text("utf-8").replace("\\\n", " ")
    for module_name, command, rest in COMMAND.findall(text):
        assert not command or command in COMMANDS
        name = module_name or f"benchmarks.{command.replace('-', '_')}"
        module = importlib.import_module(name)
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"{name}.__main__")
        arguments = shlex.split(re.split(" [|>&] | && ", rest)[0], comments=True)
        if not hasattr(module, "main"):
            assert not arguments
            continue
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(Parsed) as parsed:
            module.main()
        for specification in methods.split(getattr(parsed.value.args[0], "methods", None) or ""):
            assert specification in (SHOWN_METHOD, EVERY) or methods.resolve(specification)


def test_what_ci_prints_of_a_page_is_its_commands() -> None:
    shown = blocks("docs/index.md", "bash")
    assert len(shown) > 1
    for number, expected in (((), "".join(shown)), (("2",), shown[1])):
        command = [sys.executable, ROOT / ".ci" / "commands.py", "docs/index.md", *number]
        assert subprocess.run(command, check=True, capture_output=True).stdout.decode() == expected


# --- Python ----------------------------------------------------------------------------------


def test_no_page_shows_python_that_is_not_run_here() -> None:
    assert {page for page in PAGES if blocks(page, "python")} == WITH_PYTHON


def test_the_method_works(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed("docs/add-a-method.md", monkeypatch)
    training, test = make_features(4, 0, (2,)), make_features(2, 1, (2,))
    method = shown["VARIANTS"][SHOWN_METHOD].create().fit(training, torch.Generator())
    assert method.score(test).maps.shape == (2, 8, 8)
    shifted = Features({2: test.read(2) + 3})
    assert method.score(shifted).maps.min() > method.score(test).maps.max()


def test_the_methods_name_is_free() -> None:
    """Whoever copies the page gets a method beside all others, those of the tests included."""
    taken = (ROOT / "tests" / "helpers" / "third_party.py").read_text("utf-8")
    assert SHOWN_METHOD not in methods.names()
    assert f'"{SHOWN_METHOD}"' not in taken


def test_the_backbone_gives_what_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    page = "docs/add-a-backbone.md"
    shown = executed(page, monkeypatch)
    text = (ROOT / page).read_text("utf-8")
    assert f"print(backbone.strides)  # {shown['backbone'].strides}\n" in text
    assert f"print(shapes)  # {shown['shapes']}\n" in text


def test_the_metric_is_what_every_metric_is(tmp_path: Path) -> None:
    """The change is applied to a copy of the project, and the tests of every metric run there."""
    for package in ("benchmarks", "methods", "tests/metrics", "tests/statistics"):
        shutil.copytree(ROOT / package, tmp_path / package)
    for name in ("__init__.py", "conftest.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests")
    (change,) = blocks("docs/add-a-metric.md", "diff")
    subprocess.run(
        ["git", "apply", "-"],
        cwd=tmp_path,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
        input=change.encode(),
        check=True,
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("tests/metrics/test_every_metric.py", "-k", "pixel_balanced_accuracy_max"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^1\d passed", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.slow
def test_the_python_page_prints_what_it_shows_and_is_the_notebook(
    folder: Path, no_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The notebook's cells are run in one process, as a kernel does."""
    page = (ROOT / "docs/python.md").read_text("utf-8")
    shown = re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", page, re.M | re.S)
    notebook = json.loads((ROOT / "docs/python.ipynb").read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell, (source, printed) in zip(cells, shown, strict=True):
        assert "".join(cell["source"]) == source.rstrip("\n")
        assert "".join("".join(output["text"]) for output in cell["outputs"]) == printed
        exec(compile(source, "docs/python.ipynb", "exec"), names)
        assert not printed or capsys.readouterr().out == printed
        capsys.readouterr()
    prose = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    assert "# From Python\n" in prose[0]
    assert sum(bool(printed) for _, printed in shown) == len(shown) - 1


def threshold_of(nominal: Sequence[float], rate: float) -> float:
    with pytest.MonkeyPatch.context() as monkeypatch:
        found: float = executed("docs/faq.md", monkeypatch)["threshold"](nominal, rate)
    return found


@given(
    st.lists(st.floats(-1e6, 1e6) | st.integers(-3, 3), min_size=1, max_size=40),
    st.integers(1, 99),
)
def test_the_threshold_is_the_lowest_that_keeps_to_the_rate(
    nominal: list[float], percent: int
) -> None:
    """Each of n + 1 scores in turn is the further one: as many exceed the threshold as may."""
    allowed = percent * (len(nominal) + 1) // 100
    if allowed == 0:
        needed = -(-100 // percent) - 1
        with pytest.raises(ValueError, match=f"needs {needed} nominal scores, not {len(nominal)}"):
            threshold_of(nominal, percent / 100)
        return
    threshold = threshold_of(nominal, percent / 100)
    assert sum(score >= threshold for score in nominal) < allowed
    lower = max(score for score in nominal if score < threshold)
    assert sum(score >= lower for score in nominal) >= allowed


@pytest.mark.parametrize(
    ("count", "percent"), [(99, 1), (100, 1), (199, 1), (250, 1), (19, 5), (30, 29), (99, 29)]
)
@pytest.mark.parametrize("distinct", [None, 40])
def test_the_threshold_keeps_its_promise_on_new_nominal_images(
    monkeypatch: pytest.MonkeyPatch, count: int, percent: int, distinct: int | None
) -> None:
    threshold = executed("docs/faq.md", monkeypatch)["threshold"]
    draws, new = 4000, 50
    scores = np.random.default_rng(count + percent).random((draws, count + new))
    if distinct:
        scores = np.floor(scores * distinct)
    alarms = [(row[count:] >= threshold(row[:count], percent / 100)).mean() for row in scores]
    rate, error = np.mean(alarms), np.std(alarms) / np.sqrt(draws)
    expected = percent * (count + 1) // 100 / (count + 1)
    assert rate < percent / 100 + 3 * error
    if distinct is None:
        assert abs(rate - expected) < 3 * error


@pytest.mark.parametrize(("count", "rate", "needed"), [(98, 0.01, 99), (8, 0.1, 9), (1, 0.3, 3)])
def test_a_rate_that_so_few_images_cannot_promise_is_refused(
    count: int, rate: float, needed: int
) -> None:
    with pytest.raises(ValueError, match=f"a rate of {rate} needs {needed} nominal scores"):
        threshold_of(range(count), rate)
    assert threshold_of(range(needed), rate) > needed - 1

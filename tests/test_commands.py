"""The program of all commands: what it says, what it starts, and how wrong names end."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import get_args

import pytest

import benchmarks
from benchmarks import options
from benchmarks.commands import COMMANDS, main
from benchmarks.execution.workers import EXECUTORS
from benchmarks.execution.workers.tasks import Share
from tests.helpers.paths import ROOT


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sees arguments of its own, which end with the test."""
    monkeypatch.setattr(sys, "argv", ["total-recall"])


def written(*names: str) -> str:
    return ROOT.joinpath(*names).read_text("utf-8")


def test_every_package_with_a_main_is_a_command() -> None:
    packages = {path.parent.name for path in (ROOT / "benchmarks").glob("*/__main__.py")}
    named = {name.replace("-", "_") for name in COMMANDS}
    assert named == packages, f"PURPOSES of benchmarks/commands.py: {named ^ packages}"
    assert len(set(COMMANDS)) == len(COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_it_says_what_there_is_in_ten_lines(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) <= 10
    assert max(map(len, printed.splitlines())) <= 100
    for name in COMMANDS:
        assert f" {name}" in printed.replace(",", " ")
    assert f"```text\n{printed}```" in written("docs", "commands.md")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_commands_has_each(name: str) -> None:
    assert f"| `benchmarks.{name.replace('-', '_')}" in written("docs", "commands.md")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_the_command_as_it_was_started(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: total-recall {name} ")
    module = f"benchmarks.{name.replace('-', '_')}"
    assert f"python -m {module} " not in printed.partition("options:")[0]
    alone = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert alone.stdout.startswith(f"usage: python -m {module} ")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("runn", "there is no command 'runn': did you mean run?"),
        ("gpu_check", "there is no command 'gpu_check': did you mean gpu-check?"),
        ("Report", "there is no command 'Report': did you mean report?"),
        ("--methods", "there is no command '--methods'; there are run, tables, "),
        ("", "there is no command ''; there are run, tables, "),
        ("ru\x1bn", r"there is no command 'ru\x1bn': did you mean run?"),
        ("zzz" * 200, "there is no command 'zzz"),
    ],
)
def test_a_wrong_name_is_one_line_with_the_nearest(
    name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--out", "results/never"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {said}")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_arguments_and_exit_status_are_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["features", "--cache", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("0 arrays")
    assert main(["tables", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_the_version_stands_in_one_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    version = capsys.readouterr().out.split()[-1]
    assert version == benchmarks.__version__
    assert f"\nversion: {version}\n" in written("CITATION.cff")
    newest = next(line for line in written("CHANGELOG.md").splitlines() if line.startswith("## "))
    assert newest.split()[1] == version
    assert "version" in tomllib.loads(written("pyproject.toml"))["project"]["dynamic"]


def test_what_is_installed_is_this_program() -> None:
    project = tomllib.loads(written("pyproject.toml"))
    ((name, place),) = project["project"]["scripts"].items()
    assert name == "total-recall"
    assert EntryPoint(name, place, "console_scripts").load() is main
    for package in ("methods", "benchmarks"):
        assert "py.typed" in project["tool"]["setuptools"]["package-data"][package]
        assert (ROOT / package / "py.typed").is_file()


def test_help_offers_what_workers_can_do() -> None:
    """The names stand beside the options, since workers take long to import."""
    assert tuple(EXECUTORS) == options.EXECUTOR_NAMES, "EXECUTOR_NAMES of benchmarks/options.py"
    assert get_args(Share) == options.SHARES

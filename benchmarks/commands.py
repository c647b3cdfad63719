"""The program `total-recall`: its table of commands, and which one a command line starts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from benchmarks.console import run_program, show
from benchmarks.errors import BenchmarkError
from benchmarks.interrupts import PROGRAM
from benchmarks.names import suggest
from benchmarks.version import __version__

PURPOSES = {
    ("run",): "compares methods on a data set",
    ("tables", "figures", "report"): "show what a run has stored; the report is a page with all",
    ("uncertainty", "compare"): "say which differences count; set a run beside stored values",
    ("supplement",): "makes the tables and figures of the paper's supplement",
    ("maps", "join"): "take in other tools' anomaly maps, or write them; join several runs",
    ("datasets", "synthetic"): "list the data sets known, or check a copy; write the embedded one",
    ("cost", "speed", "gpu-check"): "measure a verdict's cost, each step, or a graphics card",
    ("features",): "lists the features that are cached, or removes them",
}
"""Commands that belong together → what they do, as it is printed and docs/commands.md shows it."""

COMMANDS = tuple(name for names in PURPOSES for name in names)
"""Names of all commands; `gpu-check` is the package `benchmarks.gpu_check`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that is named first, or say which there are; return the exit status.

    Args:
        arguments: the command and its own arguments, None for this process's.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name not in COMMANDS:
        return run_program(lambda: _answer(name))
    sys.argv[:] = [f"{PROGRAM} {name}", *rest]  # how the command's help calls it
    command = import_module(f"benchmarks.{name.replace('-', '_')}.__main__")
    return command.main(rest)


def _answer(name: str) -> int:
    if name == "--version":
        show(f"{PROGRAM} {__version__}")
    elif name in ("--help", "-h", "help"):
        show(overview())
    else:
        near = suggest(name, COMMANDS) or f"; there are {', '.join(COMMANDS)}"
        raise BenchmarkError(f"there is no command {name!r}{near}")
    return 0


def overview() -> str:
    """Return what there is, in ten lines."""
    lines = [f"  {', '.join(names):24} {purpose}" for names, purpose in PURPOSES.items()]
    usage = f"usage: {PROGRAM} COMMAND ...   ({PROGRAM} COMMAND --help names its options)"
    return "\n".join((usage, "", *lines))

"""Between the command line and a plan's file, which has all that the command line has."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError
from benchmarks.names import suggest
from benchmarks.places import written_path
from benchmarks.results import plans

if TYPE_CHECKING:
    from benchmarks.execution import Plan

OF_THE_COMMAND_LINE = frozenset({"help", "plan", "save-plan"})
OF_THE_MOMENT = frozenset({"list", "dry-run", "workers", "force", "metrics"})
"""Options that no plan has, and those that say what is done this time, and aren't written."""


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add the options that read and write plans."""
    parser.add_argument(
        "--plan",
        type=written_path,
        metavar="FILE",
        help="TOML with options by name, as methods = ['padim']; those of the command line count "
        "instead (a run keeps its own: RUN/plan.toml)",
    )
    parser.add_argument(
        "--save-plan", type=written_path, metavar="FILE", help="write the plan to a file, too"
    )


def parse_with_plan(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Return the options of a command line, after those of the plan that it names.

    Raises:
        BenchmarkError: the plan can't be read, or has a key or value that no option takes.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    file: Path | None = parser.parse_args(given).plan
    planned = _arguments(file, _named(parser)) if file else ()
    return parser.parse_args([*planned, *given])


def plan_to_store(
    parser: argparse.ArgumentParser, options: argparse.Namespace, plan: Plan
) -> plans.Plan:
    """Return what is written of options: all that they ask for, what they leave open filled in."""
    filled = {
        **vars(options),
        "data": plan.dataset.root.absolute(),
        "backbone": options.backbone or plan.protocol.backbone.name,
        "image_size": plan.protocol.image_size // plan.protocol.tiles,
    }
    if options.cache == parser.get_default("cache"):
        del filled["cache"]
    values = {name: filled.get(action.dest) for name, action in _named(parser).items()}
    return {
        name: str(value.absolute()) if isinstance(value, Path) else value
        for name, value in values.items()
        if name not in OF_THE_MOMENT and value is not None and value is not False
    }


def _named(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Return the options that a plan may have, by name."""
    every = {action.option_strings[-1].lstrip("-"): action for action in parser._actions}
    return {name: action for name, action in every.items() if name not in OF_THE_COMMAND_LINE}


def _arguments(file: Path, known: Mapping[str, argparse.Action]) -> Iterator[str]:
    """Yield a plan's keys and values as the command line has them; raises as `parse_with_plan`."""
    for key, value in plans.read_plan(file).items():
        name, values = key.replace("_", "-"), value if isinstance(value, list) else [value]
        if name not in known:
            raise BenchmarkError(f"{file}: there is no option {key!r}{suggest(name, known)}")
        flag = known[name].nargs == 0
        if not values or not {*map(type, values)} <= ({bool} if flag else {str, int, float}):
            kind = "true or false" if flag else "a text, a number, or a list of these"
            raise BenchmarkError(f"{file}: {key} = {value!r}: give {kind}")
        if not flag:
            yield f"--{name}={','.join(map(str, values))}"
        elif value is True:
            yield f"--{name}"

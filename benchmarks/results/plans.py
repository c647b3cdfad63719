"""Plans as files: what a command asked for, as TOML, as a run's folder keeps it."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.files import write_file

Plan = Mapping[str, object]
"""An option's name without dashes in front → its value, as TOML has it."""


def read_plan(file: Path) -> Plan:
    """Return the plan in a file.

    Raises:
        BenchmarkError: it can't be read, or is no TOML.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BenchmarkError(f"{file}: the plan can't be read ({why})") from error


def as_toml(plan: Plan) -> bytes:
    """Return the content of a plan's file."""
    # A text, number or list is written in TOML as it is in JSON.
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in plan.items())
    return "".join(lines).encode(errors="backslashreplace")


def keep_plan(run: Path, plan: Plan) -> None:
    """Keep a plan in a run's folder beside those kept before: plan.toml, plan-2.toml, …

    Raises:
        StorageError: it can't be written.
    """
    for number in itertools.count(1):
        file = run / (f"plan-{number}.toml" if number > 1 else "plan.toml")
        if not file.exists():
            write_file(file, as_toml(plan))
            return
        if file.read_bytes() == as_toml(plan):
            return


def kept_plans(run: Path) -> list[Plan]:
    """Return what was asked for in a run, as its folder keeps it."""
    return list(map(read_plan, sorted(run.glob("plan*.toml"))))


def kept_data(run: Path) -> list[tuple[Path, bool, int]]:
    """Return the data of a run's plans, each once: folder, whether without masks, --split-seed."""
    plans = [plan for plan in kept_plans(run) if "data" in plan]
    data = (
        (Path(str(p["data"])), p.get("no-masks") is True, int(str(p.get("split-seed", 0))))
        for p in plans
    )
    return list(dict.fromkeys(data))

"""Compares a run with a stored baseline and fails where a metric has got worse.

    python -m benchmarks.compare RUN --baseline results/baselines/embedded.json
    python -m benchmarks.compare RUN --baseline FILE --update [--measure RERUN RERUN ...]

Exit status: 0 nothing is worse, 2 usage or files, 3 a row is worse, newly failed, missing, or not
comparable: a check that compares nothing would pass everything.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from benchmarks.baseline import Baseline, label, measured, read, unit, value, write
from benchmarks.comparison import find_run
from benchmarks.errors import BenchmarkError
from benchmarks.metrics import METRICS
from benchmarks.progress import say
from benchmarks.run import guarded
from benchmarks.store import Cell, Store, atomic_file

Mark = Literal[
    "worse", "new failure", "missing", "not comparable", "better", "fixed", "new", "unchanged"
]
REGRESSIONS: frozenset[Mark] = frozenset({"worse", "new failure", "missing", "not comparable"})

_SHOWN = 12
"""Characters of a hash that are shown."""


@dataclass(frozen=True)
class Row:
    """One metric of one cell beside its baseline.

    Attributes:
        cell: category, method, seed and shots.
        metric: name of the metric.
        mark: the judgement.
        baseline: the stored value, None where there is none.
        value: the run's value, likewise.
        limit: the largest difference that is none, in the value's unit.
        note: why, where numbers don't say it.
    """

    cell: str
    metric: str
    mark: Mark
    baseline: float | None = None
    value: float | None = None
    limit: float | None = None
    note: str = ""


def compare(baseline: Baseline, cells: Iterable[Cell]) -> list[Row]:
    """Return the rows of all cells, the baseline's first.

    Values are compared only where the specifications are equal: data, backbone, protocol,
    parameters, seed, shots, and the versions of the extractor and the metrics.
    """
    found = {cell.key: cell for cell in cells}
    pairs = [(reference, found.pop(reference.key, None)) for reference in baseline.cells]
    others = {label(cell): cell for cell in found.values()}
    rows: list[Row] = []
    for reference, cell in pairs:
        name = label(reference)
        if cell is not None:
            rows += _judged(baseline, reference, cell)
            continue
        other = others.get(name)
        mark: Mark = "missing" if other is None else "not comparable"
        note = "" if other is None else _difference(reference.spec, other.spec)
        rows += [Row(name, metric, mark, note=note) for metric in baseline.tolerances]
        found = {key: cell for key, cell in found.items() if cell is not other}
    rows += [
        Row(label(cell), metric, "new", value=value(cell, metric))
        for cell in found.values()
        for metric in METRICS
    ]
    return rows


def _judged(baseline: Baseline, reference: Cell, cell: Cell) -> Iterator[Row]:
    name = label(cell)
    for metric in baseline.tolerances:
        before, after = value(reference, metric), value(cell, metric)
        if metric not in METRICS:
            yield Row(name, metric, "missing", before, note="no such metric any more")
            continue
        limit = baseline.limit(metric, reference)
        mark = _mark(before, after, limit, higher_is_better=METRICS[metric].higher_is_better)
        yield Row(name, metric, mark, before, after, limit, cell.error)
    for metric in METRICS:
        if metric not in baseline.tolerances:
            yield Row(name, metric, "new", value=value(cell, metric))


def _mark(
    before: float | None, after: float | None, limit: float, *, higher_is_better: bool
) -> Mark:
    if before is None or after is None:
        return "unchanged" if before is after else "fixed" if before is None else "new failure"
    if abs(after - before) <= limit:
        return "unchanged"
    return "better" if (after > before) == higher_is_better else "worse"


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Say in which parts two specifications differ."""
    one, other = dict(flat(before)), dict(flat(after))
    return ", ".join(
        f"{name} {str(one.get(name))[:_SHOWN]} → {str(other.get(name))[:_SHOWN]}"
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    )


def flat(spec: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the parts of a specification, those of its parts named `part.name`."""
    for name, part in spec.items():
        if isinstance(part, Mapping):
            yield from flat(part, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", part


def summary(rows: Sequence[Row], baseline: Baseline) -> str:
    """Return Markdown: a verdict, counts, then every row that isn't unchanged."""
    counts = Counter(row.mark for row in rows)
    regressed = sum(counts[mark] for mark in REGRESSIONS)
    verdict = f"**{regressed} of {len(rows)} rows regressed**" if regressed else "No regression"
    shown = ", ".join(f"{counts[mark]} {mark}" for mark in get_args(Mark) if counts[mark])
    lines = [f"{verdict}: {shown}.", ""]
    changed = sorted(
        (row for row in rows if row.mark != "unchanged"),
        key=lambda row: get_args(Mark).index(row.mark),
    )
    if changed:
        lines += [
            "| mark | cell | metric | baseline | value | difference | tolerance |",
            "|:--|:--|:--|--:|--:|--:|--:|",
        ]
    for _, group in itertools.groupby(changed, key=_shown_together):
        lines.append(_line(list(group), baseline))
    return "\n".join(lines).rstrip() + "\n"


def _shown_together(row: Row) -> tuple[str, ...]:
    """Return the same for rows that need one line: a cell's without numbers to compare."""
    alone = row.metric if row.baseline is not None and row.value is not None else ""
    return row.mark, row.cell, row.note, alone


def _line(group: Sequence[Row], baseline: Baseline) -> str:
    row = group[0]
    parts = [row.metric, _number(row.baseline), _number(row.value), "", ""]
    if row.baseline is not None and row.value is not None:
        tolerance = baseline.tolerances[row.metric]
        parts[3] = f"{row.value - row.baseline:+.6f}"
        parts[4] = f"{tolerance.amount:g} {unit(row.metric)}"
    elif len(group) > 1:
        parts[:3] = [f"{len(group)} metrics", "", ""]
    note = row.note.replace("|", "\\|")
    mark = f"{row.mark}: {note}" if note else row.mark
    return "| " + " | ".join([mark, row.cell, *parts]) + " |"


def _number(number: float | None) -> str:
    return "–" if number is None else f"{number:.6f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(arguments)
    return guarded(lambda: _update(options) if options.update else _check(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder, or its name under results/")
    add("--baseline", type=Path, required=True, metavar="FILE", help="what RUN is compared with")
    add("--update", action="store_true", help="write RUN as the new baseline; say what changed")
    add(
        "--measure",
        nargs="+",
        default=[],
        metavar="RERUN",
        help="with --update: set tolerances from the differences between RUN and these re-runs of "
        "the same code, on other machines, thread counts, … (default: keep the baseline's)",
    )
    add("--summary", type=Path, metavar="FILE.md", help="write what is printed there too")
    return parser


def _check(options: argparse.Namespace) -> int:
    if options.measure:
        raise BenchmarkError("--measure sets the tolerances of a new baseline: add --update")
    baseline = read(options.baseline)
    rows = compare(baseline, _cells(options.run))
    _tell(summary(rows, baseline), options.summary)
    return 3 if any(row.mark in REGRESSIONS for row in rows) else 0


def _update(options: argparse.Namespace) -> int:
    cells, path = _cells(options.run), options.baseline
    if options.measure:
        before = read(path) if path.exists() else Baseline((), {})
        runs = {name: _cells(name) for name in (options.run, *options.measure)}
        after = Baseline(tuple(cells), measured(cells, runs))
    else:
        before = read(path)
        after = Baseline(tuple(cells), before.tolerances)
    write(path, after)
    _tell(summary(compare(before, cells), before), options.summary)
    say(f"{path}: {len(cells)} cells written")
    return 0


def _cells(name: str) -> Collection[Cell]:
    run = find_run(name)
    cells = Store(run).cells(lambda line: say(f"warning: {line}"))
    if not cells:
        raise BenchmarkError(f"{run / 'cells'}: no cells; python -m benchmarks.run writes some")
    return cells


def _tell(text: str, path: Path | None) -> None:
    print(text, end="")
    if path is not None:
        with atomic_file(path) as file:
            file.write(text.encode())


if __name__ == "__main__":
    sys.exit(main())

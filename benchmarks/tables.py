"""Tables of a run's stored cells: categories × methods, one a metric, as Markdown, CSV and LaTeX.

python -m benchmarks.tables RUN
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.comparison import Comparison, Table, comparisons, find_run, read_rows
from benchmarks.errors import BenchmarkError
from benchmarks.metrics import METRICS, Metric
from benchmarks.store import atomic_file

if TYPE_CHECKING:
    pass

MAIN_METRICS = ("image_auroc", "pixel_auroc", "aupro_30", "error_at_full_recall")
"""What the terminal shows; every metric gets its files."""


def _text(value: float, deviation: float, failed: bool, unit: str, decimals: int) -> str:
    if failed or math.isnan(value):
        return "failed" if failed else "–"
    scale = 100 if unit == "fraction" else 1
    spread = "" if math.isnan(deviation) else f" ± {scale * deviation:.1f}"
    return f"{scale * value:.{1 if spread else decimals}f}{spread}"


def _grid(
    table: Table, mark: Callable[[str], str], escape: Callable[[str], str] = str
) -> list[list[str]]:
    """Return the rows as shown, the category first: per cent with one decimal, counts as integers.

    The best of a row is judged on what is shown, and marked where there are others; ties share it.
    """
    unit = table.metric.unit
    choose = max if table.metric.higher_is_better else min
    grid = []
    parts = (part.to_numpy().tolist() for part in (table.values, table.deviations, table.failed))
    for row, (name, *entries) in enumerate(zip(table.values.index, *parts, strict=True), start=1):
        decimals = 0 if unit == "images" and row < len(table.values) else 1
        texts = [
            _text(value, deviation, failed, unit, decimals)
            for value, deviation, failed in zip(*entries, strict=True)
        ]
        shown = {text: float(text.split()[0]) for text in texts if text not in {"failed", "–"}}
        best = choose(shown.values()) if shown and len(texts) > 1 else None
        grid.append([escape(str(name))])
        for text in texts:
            is_best = text in shown and shown[text] == best
            grid[-1].append(mark(escape(text)) if is_best else escape(text))
    return grid


def _caption(comparison: Comparison, metric: Metric, fraction: str = "%") -> str:
    unit = fraction if metric.unit == "fraction" else metric.unit
    direction = "higher" if metric.higher_is_better else "lower"
    return comparison.caption(f"{metric.label} in {unit} ({direction} is better)")


def _tabulated(comparison: Comparison, metric: str, style: str, mark: str) -> str:
    from tabulate import tabulate

    table = comparison.table(metric)
    body = tabulate(
        _grid(table, mark.format),
        headers=["category", *comparison.methods],
        tablefmt=style,
        colalign=["left", *["right"] * len(comparison.methods)],
        disable_numparse=True,
    )
    return f"{_caption(comparison, table.metric)}\n\n{body}\n"


_markdown = partial(_tabulated, style="pipe", mark="**{}**")
_terminal = partial(_tabulated, style="simple", mark="*{}")


def _csv(comparison: Comparison, metric: str) -> str:
    """Return the unrounded values, below the caption as a comment."""
    table = comparison.table(metric)
    frame = table.values.astype(object).mask(table.failed, "failed")
    for place, method in reversed(list(enumerate(table.values.columns, start=1))):
        if table.deviations[method].notna().any():
            frame.insert(place, f"{method} std", table.deviations[method])
    body = frame.to_csv(index_label="category", lineterminator="\n")
    return f"# {_caption(comparison, table.metric, 'fractions')}\n{body}"


_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{character: f"${character}$" for character in "<>"},
        # A bare bracket is read as an optional argument where one may follow.
        **{character: f"{{{character}}}" for character in "[]"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "≤": r"$\leq$",
        "–": "--",
    }
)


def escape(text: str) -> str:
    """Return `text` as LaTeX shows it."""
    return text.translate(_LATEX)


def _latex(comparison: Comparison, metric: str) -> str:
    table = comparison.table(metric)
    caption = _caption(comparison, table.metric)
    rows = [
        [escape(text) for text in ("category", *comparison.methods)],
        *_grid(table, r"\textbf{{{}}}".format, escape),
    ]
    header, *categories, mean = (" & ".join(row) + r" \\" for row in rows)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * len(comparison.methods)}}}",
        *(r"\toprule", header, r"\midrule", *categories, r"\midrule", mean, r"\bottomrule"),
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def write_tables(run: Path) -> list[Path]:
    """Write `run`/tables/<metric>.md, .csv and .tex for every metric present; return their paths.

    Raises:
        BenchmarkError: the run has no readable metrics.csv.
        StorageError: the tables can't be written.
    """
    found = comparisons(read_rows(run))
    paths = []
    for metric in METRICS:
        present = [comparison for comparison in found if comparison.has(metric)]
        for suffix, render in (("md", _markdown), ("csv", _csv), ("tex", _latex)):
            if present:
                path = run / "tables" / f"{metric}.{suffix}"
                text = "\n".join(render(comparison, metric) for comparison in present)
                with atomic_file(path) as file:
                    file.write(text.encode())
                paths.append(path)
    return paths


def terminal_tables(run: Path) -> str:
    """Return the main tables of `run` as text, the best of each row marked *.

    Raises:
        BenchmarkError: the run has no readable metrics.csv.
    """
    found = comparisons(read_rows(run))
    return "\n".join(
        _terminal(comparison, metric)
        for metric in MAIN_METRICS
        for comparison in found
        if comparison.has(metric)
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write and print a run's tables; return 0, or 2 where there is nothing to make them from."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder, or its name under results/")
    name = parser.parse_args(argv).run
    try:
        run = find_run(name)
        paths = write_tables(run)
        print(terminal_tables(run), end="")
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(paths)} tables written to {run / 'tables'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

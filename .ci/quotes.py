"""Check that the tables in README.md and docs/ are those of the results that they name.

    python .ci/quotes.py            # say which are stale; exit status 1 if any
    python .ci/quotes.py --write    # bring them up to date

A table stands between `<!-- quote WHAT -->` and `<!-- end of quote -->`. WHAT is one of

    FILE.md                                whole
    FILE.md columns=a,b row "other row"    those columns of the rows that have these cells, several
                                           with / between them; of all rows where none is named;
                                           with table=2 in front, of the second table
    RUN/metrics.csv screw image_auroc      a row a method, a column a metric; with the word
                                           published, a published value beside each; also
                                           fit_seconds, score_seconds and peak_memory_mb
    RUNS/{a,b}/metrics.csv screw …         the same of several runs, whose names stand in front
"""

import csv
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

COSTS = {"fit_seconds": "s", "score_seconds": "s", "peak_memory_mb": "MB"}
"""What a cell took, and in what."""

BLOCK = re.compile(r"(<!-- quote (.+?) -->\n)(.*?)(<!-- end of quote -->)", re.DOTALL)


def main() -> int:
    """Check or write every page; return the exit status."""
    stale = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text("utf-8")
        fresh = BLOCK.sub(lambda block: block[1] + "\n" + quoted(block[2]) + "\n" + block[4], text)
        if fresh != text:
            stale.append(page)
            if "--write" in sys.argv:
                page.write_text(fresh, "utf-8")
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'written' if '--write' in sys.argv else 'stale tables'}")
    return int(bool(stale) and "--write" not in sys.argv)


def quoted(what: str) -> str:
    """Return the table that `what` names, as Markdown."""
    path, *chosen = shlex.split(what)
    if path.endswith(".csv"):
        return "\n".join(table(runs(path), *chosen)) + "\n"
    text = (ROOT / path).read_text("utf-8").strip()
    return "\n".join(part(text, chosen) if chosen else [text]) + "\n"


def part(text: str, chosen: list[str]) -> Iterator[str]:
    """Yield the lines of a table of `text`, of it the columns and the rows chosen."""
    options = [word.split("=", 1) for word in chosen if word.startswith(("table=", "columns="))]
    named = dict(options)
    rows, columns = chosen[len(named) :], named.get("columns", "")
    tables = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    lines = tables[int(named.get("table", 1)) - 1].splitlines()
    heads, rule, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    names = re.split(",(?! )", columns) if columns else heads
    kept = [heads.index(name) for name in names]
    wanted = [next(cells for cells in body if {*row.split(" / ")} <= {*cells}) for row in rows]
    wanted = wanted or body
    for cells in (heads, [re.sub("-+", "--", cell) for cell in rule], *wanted):
        yield "| " + " | ".join(cells[column] for column in kept) + " |"


def runs(path: str) -> dict[str, Path]:
    """Return name → metrics of each run that a path names, the only one's name being empty."""
    front, brace, rest = path.partition("{")
    if not brace:
        return {"": ROOT / path}
    names, _, back = rest.partition("}")
    return {name: ROOT / f"{front}{name}{back}" for name in names.split(",")}


def table(paths: dict[str, Path], category: str, *metrics: str) -> Iterator[str]:
    """Yield the lines of a table: a row a run and method, in their order, and a column a metric."""
    names = [each for each in metrics if each != "published"]
    rows = {
        (run, method): values
        for run, path in paths.items()
        for method, values in methods(path, category, names).items()
    }
    if "published" in metrics:
        for (_, method), values in rows.items():
            values.update(
                {f"published {name}": published(method, name, category) for name in names}
            )
        names = [each for name in names for each in (name, f"published {name}")]
    first = ["run", "method"] if any(paths) else ["method"]
    yield "| " + " | ".join([*first, *map(heading, names)]) + " |"
    yield "|" + ":--|" * len(first) + "--:|" * len(names)
    for identity, values in rows.items():
        cells = [*filter(None, identity), *(values.get(each, "–") for each in names)]
        yield "| " + " | ".join(cells) + " |"


def methods(path: Path, category: str, names: list[str]) -> dict[str, dict[str, str]]:
    """Return method → metric → its value as it is shown, of what one run measured."""
    rows: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["category"] != category:
                continue
            values = rows.setdefault(row["method"], {})
            if row["metric"] in names and row["value"]:
                if row["metric"] in values:
                    sys.exit(f"{path}: several values of {row['method']}'s {row['metric']}")
                scale, digits = (100, 1) if row["unit"] == "fraction" else (1, 0)
                values[row["metric"]] = f"{scale * float(row['value']):.{digits}f}"
            for name in COSTS.keys() & set(names):
                values[name] = f"{float(row[name]):,.0f} {COSTS[name]}"
    return rows


def published(method: str, metric: str, category: str) -> str:
    """Return the value that the papers report, in per cent, or a dash."""
    from benchmarks.results.published import Published

    value = Published.load().main(method, metric, category)
    return "–" if value is None else f"{value:.1f}"


def heading(metric: str) -> str:
    """Return what stands above a column."""
    words = "published" if metric.startswith("published ") else metric.replace("_", " ")
    words = re.sub(" (seconds|mb)$", "", words)
    return re.sub(r"\b(auroc|aupro|aupimo|ap)\b", lambda metric: metric[0].upper(), words)


if __name__ == "__main__":
    sys.exit(main())

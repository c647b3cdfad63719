"""Check that the tables in README.md and docs/ are those of the results that they name.

    python3 .ci/quotes.py            # say which are stale; exit status 1 if any
    python3 .ci/quotes.py --write    # bring them up to date

A table stands between `<!-- quote WHAT -->` and `<!-- end of quote -->`. WHAT is a Markdown file,
or a run's metrics.csv, a category and metrics: `results/RUN/metrics.csv screw image_auroc aupro_30`.
"""

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BLOCK = re.compile(r"(<!-- quote (.+?) -->\n)(.*?)(<!-- end of quote -->)", re.DOTALL)


def main() -> int:
    """Check or write every page; return the exit status."""
    stale = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text("utf-8")
        fresh = BLOCK.sub(lambda found: found[1] + "\n" + quoted(found[2]) + "\n" + found[4], text)
        if fresh != text:
            stale.append(page)
            if "--write" in sys.argv:
                page.write_text(fresh, "utf-8")
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'written' if '--write' in sys.argv else 'stale tables'}")
    return int(bool(stale) and "--write" not in sys.argv)


def quoted(what: str) -> str:
    """Return the table that `what` names, as Markdown."""
    path, *chosen = what.split()
    if path.endswith(".csv"):
        return "\n".join(table(ROOT / path, *chosen)) + "\n"
    return (ROOT / path).read_text("utf-8").strip() + "\n"


def table(path: Path, category: str, *metrics: str) -> Iterator[str]:
    """Yield the lines of a table: a row a method, as the run has them, and a column a metric."""
    rows: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["category"] == category and row["metric"] in metrics:
                shown = (
                    f"{100 * float(row['value']):.1f}"
                    if row["unit"] == "fraction"
                    else (f"{float(row['value']):g}")
                )
                rows.setdefault(row["method"], {})[row["metric"]] = shown
    yield "| " + " | ".join(["method", *(each.replace("_", " ") for each in metrics)]) + " |"
    yield "|:--|" + "--:|" * len(metrics)
    for method, values in rows.items():
        yield "| " + " | ".join([method, *(values[each] for each in metrics)]) + " |"


if __name__ == "__main__":
    sys.exit(main())

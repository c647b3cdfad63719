"""Lists the data sets that are known, or checks a copy of one.

Of a copy it says what is read, what is left out and what looks wrong, and draws a picture. Exit
status: 0 fine, 1 warnings or other counts than the official ones, 2 problems or usage.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from benchmarks.console import command_parser, run_program, show
from benchmarks.datasets.indexing import Dataset, index
from benchmarks.datasets.known import EVERY, KNOWN
from benchmarks.datasets.picture import write_picture
from benchmarks.datasets.seen import losses
from benchmarks.names import printable
from benchmarks.places import written_path
from benchmarks.specs import BackboneSpec, EvaluationProtocol


def main(arguments: list[str] | None = None) -> int:
    """List the data sets that are known, or check a copy; return the exit status."""
    return run_program(lambda: _main(arguments))


def _main(arguments: list[str] | None) -> int:
    parser = command_parser("benchmarks.datasets", __doc__)
    parser.add_argument(
        "root", nargs="?", type=written_path, metavar="DIR", help="the copy to check"
    )
    parser.add_argument(
        "--picture",
        type=written_path,
        metavar="FILE",
        help="where a picture of some images with their masks goes (default: a temporary folder)",
    )
    parser.add_argument(
        "--split-seed", type=int, default=0, metavar="SEED", help="as of a run (default: 0)"
    )
    parser.add_argument("--no-masks", action="store_true", help="don't read masks, nor miss them")
    parser.add_argument(
        "--image-size",
        type=int,
        default=EvaluationProtocol.image_size,
        metavar="PIXELS",
        help="of the crop of which is said what it and resizing take from defects "
        "(default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    root: Path | None = options.root
    if root is None:
        show(_list())
        return 0
    if options.image_size < 1:
        parser.error(f"--image-size {options.image_size}: give a positive number of pixels")
    dataset = index(root, masks=not options.no_masks, split_seed=options.split_seed)
    status = _report(dataset, EvaluationProtocol(BackboneSpec("", "", "", {}), options.image_size))
    picture = options.picture or Path(tempfile.mkdtemp(prefix="total-recall-")) / "images.png"
    show(f"A few images of each kind, with their masks: {write_picture(dataset, picture)}")
    return status


def _list() -> str:
    rows = [
        (name, known.title, len(known.names) or "", known.licence or "see there", known.where)
        for name, known in EVERY.items()
    ]
    return _table(("name", "data set", "categories", "licence", "where"), rows)


def _report(dataset: Dataset, protocol: EvaluationProtocol) -> int:
    """Print a copy's counts beside the official ones, and what a run loses; return the status."""
    known = EVERY.get(dataset.alike)
    official = known.counts if known else {}
    columns = 3 * bool(official)
    rows = [
        (c.name, *c.counts, *official.get(c.name, ("",) * columns), sizes(c.shapes))
        for c in dataset.categories
    ]
    headers = ["category", "train", "test good", "test defect", *["official"] * columns, "pixels"]
    heading = printable(f"{dataset.root}: {dataset.name}")
    if known:
        heading += (
            f"\nlaid out and named as {known.title}: {known.licence or 'licence'}, {known.where}"
        )
    if known and not official:
        heading += "\n(no counts by category are published, so it goes by its folder's name)"
    show(f"{heading}\n\n{_table(headers, rows)}\n")
    for category in dataset.categories:
        for line in (*category.notes, *category.left_out):
            show(f"{printable(category.name)}: {line}")
    wrong = list(dataset.warnings)
    present = {category.name for category in dataset.categories}
    missing = [name for name in official if name not in present]
    if missing and dataset.name in KNOWN:
        wrong.append(f"missing: {', '.join(missing)}; {KNOWN[dataset.name].where} has all")
    show("\n".join(f"warning: {line}" for line in wrong) or "Every image and mask can be read.")
    for line in losses(dataset.categories, protocol):
        show(line if line.startswith("(") else f"at {protocol.image_size} pixels {line}")
    return 1 if wrong else 0


def sizes(shapes: Sequence[tuple[int, int]]) -> str:
    """Return the size of images, or the smallest and the largest."""
    if not shapes:
        return ""
    by_area = sorted(shapes, key=lambda shape: shape[0] * shape[1])
    ends = dict.fromkeys((by_area[0], by_area[-1]))
    return " to ".join(f"{width}×{height}" for width, height in ends)


def _table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [[printable(str(value)) for value in row] for row in rows]
    return tabulate(cells, headers, disable_numparse=True)  # else category 01 becomes 1


if __name__ == "__main__":
    sys.exit(main())

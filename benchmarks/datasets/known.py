"""Data sets that are known: where each comes from, its licence, and how many images it has."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ImageCounts = tuple[int, int, int]
"""Training images, test images without and with a defect."""


@dataclass(frozen=True)
class Known:
    """A published data set, of `known.csv` and `counts.csv`.

    Attributes:
        title: what its authors call it.
        layout: the layout that it is distributed in.
        where: its official page.
        licence: the licence stated there; "" where that is not certain.
        counts: category → its counts as distributed; none where these aren't published.
        names: its categories; none where the layout alone tells that it is it.
    """

    title: str
    layout: str
    where: str
    licence: str
    counts: Mapping[str, ImageCounts]
    names: Collection[str]

    def has(self, category: str, layout: str) -> bool:
        """Whether a category of that name and layout may be one of its own."""
        return layout == self.layout and (category in self.names or not self.names)


def _rows(file: str) -> Iterator[dict[str, str]]:
    with Path(__file__).with_name(file).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _known() -> dict[str, Known]:
    names, counts = (
        defaultdict[str, list[str]](list),
        defaultdict[str, dict[str, ImageCounts]](dict),
    )
    for row in _rows("counts.csv"):
        names[row["name"]].append(row["category"])
        if row["train"]:
            of_category = int(row["train"]), int(row["good"]), int(row["defect"])
            counts[row["name"]][row["category"]] = of_category
    return {
        (name := row.pop("name")): Known(**row, counts=counts[name], names=names[name])
        for row in _rows("known.csv")
    }


EVERY = _known()
"""Name → every published data set that is read."""

KNOWN = {name: known for name, known in EVERY.items() if known.counts}
"""Those by whose counts a copy can be told from other data; the rest go by their folder's name."""

SYNTHETIC = "synthetic"
"""The embedded data set's name."""

OFFICIAL_COUNTS = KNOWN["mvtec_ad"].counts
"""MVTec AD: training images, test images without and with a defect."""


def name_of_others(folder: str) -> str:
    """Return what a data set that isn't known is called: as its folder, or never as a known one."""
    return f"{folder}-own" if folder in {*KNOWN, SYNTHETIC} else folder


def is_complete(dataset: str, categories: Collection[str]) -> bool:
    """Whether `categories` are all of a known data set; True of one that is not known.

    A mean over fewer is no number of the data set's.
    """
    known = KNOWN.get(dataset)
    return known is None or known.counts.keys() == {*categories}

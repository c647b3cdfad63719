"""A verdict on every published value that a run's cells can be set beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.datasets.known import OFFICIAL_COUNTS
from benchmarks.reproduction.published_values import DATASET, PublishedValue, published_values
from benchmarks.reproduction.tolerance import Tolerance, of_seeds
from benchmarks.results import ResultSet
from benchmarks.results.metrics_csv import MEAN
from benchmarks.results.result_set import category_of
from benchmarks.results.table import Table
from benchmarks.specs import CONDITIONS
from benchmarks.statistics.proportions import Interval, mean_interval

if TYPE_CHECKING:
    import pandas as pd


IntervalsOf = Callable[[Path, Path | None], Mapping[str, Interval]]
"""A cell's scores and maps, None where it kept none → metric → 95 % interval over test images."""


@dataclass(frozen=True)
class Verdict:
    """A published value beside ours, in per cent.

    Attributes:
        published: what was published.
        backbone: ours.
        image_size: ours, in pixels.
        ours: mean over the seeds.
        deviation: sample standard deviation over the seeds, None for one seed.
        seeds: how many seeds.
        tolerance: how far they may be apart; None where they can't be compared.
        unlike: why they can't, in words; "" where they can.
        resized: how theirs were resized, where ours were otherwise; else "".
    """

    published: PublishedValue
    backbone: str
    image_size: int
    ours: float
    deviation: float | None
    seeds: int
    tolerance: Tolerance | None
    unlike: str = ""
    resized: str = ""

    @property
    def difference(self) -> float:
        """Ours less what was published, in percentage points."""
        return self.ours - self.published.value

    @property
    def word(self) -> str:
        """One of `Tolerance.judge`'s, or "not comparable"."""
        return self.tolerance.judge(self.difference) if self.tolerance else "not comparable"

    @property
    def text(self) -> str:
        """The verdict with what it rests on."""
        if self.tolerance is None:
            return f"not comparable ({self.unlike})"
        known = self.tolerance
        parts = [
            f"Δ {self.difference:+z.2f}, tolerance ±{known.without_images:.2f}",
            *([] if known.images is None else [f"with test images ±{known.whole:.2f}"]),
            *self.notes,
        ]
        return f"{self.word} ({'; '.join(parts)})".replace("-", "−")

    @property
    def notes(self) -> list[str]:
        """What the tolerance lacks, and what is known to differ."""
        known = self.tolerance
        if known is None:
            return []
        said = {
            "one seed: spread unknown": known.seeds is None,
            "test images: unknown": known.images is None,
            "so wide that it says little": known.says_little(self.difference),
            f"theirs resized by {self.resized}": bool(self.resized),
        }
        return [note for note, true in said.items() if true]


def verdicts(sets: Sequence[ResultSet], intervals_of: IntervalsOf) -> list[Verdict]:
    """Return a verdict on every published value of which these result sets have one like it.

    A published value is judged beside each result set of its backbone, image size and protocol;
    where there is none of them, but its method was run otherwise, it is not comparable.

    Args:
        sets: of one run.
        intervals_of: `benchmarks.uncertainty.cell_intervals`, called for cells that are judged.

    Raises:
        BenchmarkError: the published numbers, or stored scores or maps, can't be read.
    """
    measured = [
        _Measured(by_source, cache(by_source.table), cache(intervals_of))
        for results in sets
        if results.dataset == DATASET
        for by_source in results.by_source
    ]
    judged: list[Verdict] = []
    for published in published_values() if measured else ():
        candidates = [results for results in measured if results.has(published)]
        alike = [results for results in candidates if not results.unlike(published)]
        judged += [results.verdict(published) for results in alike or candidates[:1]]
    return judged


@dataclass(frozen=True)
class _Measured:
    """A result set and its tables, each made once."""

    results: ResultSet
    table: Callable[[str], Table]
    intervals_of: IntervalsOf

    def has(self, published: PublishedValue) -> bool:
        """Whether there is a value of the published one's method, shots, metric and category."""
        conditions = {**dict.fromkeys(CONDITIONS), "shots": published.shots}
        ours = {name: value or None for name, value in self.results.spec.conditions.items()}
        if published.method not in self.results.methods or ours != conditions:
            return False
        values = self.table(published.metric).values
        return published.category in values.index and not isnan(_value(values, published))

    def unlike(self, published: PublishedValue) -> str:
        """Say why our value can't be compared with a published one, in words; "" where it can."""
        return published.unlike(self.results) or self._other_images(published)

    def _other_images(self, published: PublishedValue) -> str:
        """Say where our images aren't as many as the data set's; "" where they are, or unknown."""
        for cell in self.results.columns[published.method]:
            category = category_of(cell)
            counts = cell.n_train, cell.n_test_good, cell.n_test_defect
            if published.category not in (MEAN, category) or category not in OFFICIAL_COUNTS:
                continue
            train, good, defect = OFFICIAL_COUNTS[category]
            official = published.shots or train, good, defect
            if None not in counts and counts != official:
                ours = f"{cell.n_train} + {(cell.n_test_good or 0) + (cell.n_test_defect or 0)}"
                usual = f"{official[0]} + {good + defect}"
                return f"ours on {ours} images of {category}, not {usual}"
        return ""

    def verdict(self, published: PublishedValue) -> Verdict:
        """Set our value beside a published one that `has` it."""
        table, count = self.table(published.metric), len(self.results.methods[published.method])
        ours = 100 * _value(table.values, published)
        deviation = 100 * _value(table.deviations, published) if count > 1 else None
        unlike = self.unlike(published)
        tolerance = None
        if not unlike:
            images = self._reach(published, lower=published.value < ours)
            tolerance = Tolerance(of_seeds(deviation, count), images, published.rounding)
        protocol = self.results.cells[0].spec.protocol
        setting = protocol.backbone.name, protocol.image_size
        same = protocol.interpolation == published.interpolation
        resized = "" if same else published.interpolation.capitalize()
        return Verdict(published, *setting, ours, deviation, count, tolerance, unlike, resized)

    def _reach(self, published: PublishedValue, *, lower: bool) -> float | None:
        """Return how far the interval over test images reaches towards the published value.

        In percentage points from the first seed's value, or from the mean of the categories'.
        """
        categories = self.results.categories if published.category == MEAN else [published.category]
        known = [self._first_seed(published, category) for category in categories]
        interval = mean_interval(known)
        if interval is None:
            return None
        mean = sum(value for value, _ in known) / len(known)
        return 100 * (mean - interval[0] if lower else interval[1] - mean)

    def _first_seed(
        self, published: PublishedValue, category: str
    ) -> tuple[float, Interval | None]:
        """Return the first seed's value, on the metric's own scale, and its interval over images.

        It is None where nothing stored gives it.
        """
        place = category, published.method
        value = self.results.first[place].metrics.get(published.metric)
        path = self.results.scores.get(place)
        intervals = self.intervals_of(path, self.results.maps.get(place)) if path else {}
        return nan if value is None else value, intervals.get(published.metric)


def _value(frame: pd.DataFrame, published: PublishedValue) -> float:
    """Return what a table has of a method and category, on the metric's own scale."""
    return float(frame[published.method].to_dict()[published.category])

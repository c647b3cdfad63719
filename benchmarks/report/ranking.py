"""Which method is best by a metric, how sure that is, and both in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan

from benchmarks.datasets.known import KNOWN
from benchmarks.metrics.calibrated import CALIBRATED
from benchmarks.metrics.definitions import Metric
from benchmarks.report.schema import PageRanking, RankedMethod
from benchmarks.results.metrics_csv import MEAN
from benchmarks.results.table import Table
from benchmarks.statistics.pairs import DIGITS
from benchmarks.statistics.proportions import Interval, mean_interval


@dataclass(frozen=True)
class Ranking:
    """The methods that have a value in every category, by their mean over the run's categories.

    Attributes:
        table: the values, (categories and the mean, methods).
        dataset: the data set's name.
        intervals: the same shape: the values' intervals, None where there is none.
        best: row → the methods that share its mark, of the rows that a test judged.
    """

    table: Table
    dataset: str
    intervals: Sequence[Sequence[Interval | None]]
    best: Mapping[str, Collection[str]]

    def content(self) -> PageRanking:
        """Return the methods, best first, with what their values are worth."""
        methods = [self._ranked(name) for name in self.ranked]
        intervals = any(method["low"] is not None for method in methods)
        return PageRanking(methods=methods, verdict=self._verdict(), note=self._note(intervals))

    def _ranked(self, name: str) -> RankedMethod:
        low, high = self._interval(name) or (None, None)
        frames = (self.table.deviations, self.table.lows, self.table.highs)
        deviation, *ends = (float(frame[name][self.row]) for frame in frames)
        ranged = self.table.metric.name in CALIBRATED and not isnan(deviation)
        return RankedMethod(
            method=list(self.table.values).index(name),
            value=self.means[name],
            deviation=None if isnan(deviation) else deviation,
            range=ends if ranged else None,
            low=low,
            high=high,
            marked=name in (self.alike or ()),
        )

    @property
    def categories(self) -> list[str]:
        """The run's categories."""
        return list(map(str, self.table.values.index[:-1]))

    @property
    def row(self) -> str:
        """The row that is ranked: the only category, or the mean."""
        return self.categories[0] if len(self.categories) == 1 else MEAN

    @cached_property
    def means(self) -> dict[str, float]:
        """Method → mean over the run's categories, of the methods that lack none."""
        return {name: float(row.mean()) for name, row in self.table.complete_values().items()}

    @cached_property
    def ranked(self) -> list[str]:
        """The methods, best first; those of one value in the run's order."""
        sign = -1 if self.table.metric.higher_is_better else 1
        return sorted(self.means, key=lambda name: sign * round(self.means[name], DIGITS))

    @property
    def alike(self) -> Collection[str] | None:
        """The best and all not significantly worse, None where no test decides."""
        return self.best.get(self.row)

    def _interval(self, method: str) -> tuple[float, float] | None:
        """Return the interval of a method's mean, None where a category has none."""
        place = list(self.table.values).index(method)
        intervals = [row[place] for row in self.intervals]
        estimates = zip(self.table.values[method].to_list(), intervals, strict=True)
        return mean_interval(list(estimates)[:-1])

    def _verdict(self) -> str:
        """Say which method is best, and whether that is decided."""
        if not self.ranked:
            return "No method has a value in every category, so none is ranked."
        metric, best = self.table.metric, self.ranked[0]
        ties = [
            name for name in self.ranked if round(self.means[name] - self.means[best], DIGITS) == 0
        ]
        end = "highest" if metric.higher_is_better else "lowest"
        subject = f"mean {metric.label}" if self.row == MEAN else f"{metric.label} on {self.row}"
        value = _shown(self.means[best], metric)
        if len(self.ranked) == 1:
            return f"{best} has a {subject} of {value}; there is nothing to rank it against."
        if len(ties) > 1:
            return f"Not decided: {_listed(ties)} share the {end} {subject}, {value}."
        return self._decision(f"{best} has the {end} {subject}, {value}")

    def _decision(self, start: str) -> str:
        """Say whether the best is significantly better than the others."""
        if self.alike is None:
            return f"Not decided: {start}, but {self._untested()}."
        alike = [name for name in self.ranked[1:] if name in self.alike]
        worse = [name for name in self.ranked[1:] if name not in self.alike]
        if not alike:
            return f"{start}: significantly better than {_listed(worse)}."
        if not worse:
            return f"Not decided: {start}, but no other method is significantly worse."
        return (
            f"{start}. {_listed(alike)} {_are(alike)} not significantly worse, so it is not "
            f"decided between them; {_listed(worse)} {_are(worse)} worse."
        )

    def _untested(self) -> str:
        """Say why no test judges the row that is ranked."""
        if self.row != MEAN:
            return "no test of one category can judge it"
        if self.table.values.loc[MEAN].isna().all():
            return "the categories at hand make no mean of the data set"
        return "so few categories can’t decide it"

    def _note(self, intervals: bool) -> str:
        """Say what the ranking is over, what it leaves out, and what decides it."""
        said = [self._scope(), self._left_out()]
        if intervals:
            said.append("Intervals are over test images.")
        elif self.table.metric.level == "pixel" and self.table.metric.interval:
            said.append("Intervals of it need a run with --save-maps, and one seed.")
        if self.alike is not None and len(self.ranked) > 1:
            test = "Wilcoxon’s test over categories" if self.row == MEAN else "a paired test"
            said.append(
                f"Marked: the best and all not significantly worse by {test}, corrected for all "
                "tests of the table."
            )
        return " ".join(filter(None, [*said, self._in_each()]))

    def _scope(self) -> str:
        if self.row != MEAN:
            return ""
        here, known = len(self.categories), KNOWN.get(self.dataset)
        whole = f", not of all {len(known.counts)}" if known and len(known.counts) > here else ""
        return f"Mean of {here} categories{whole}."

    def _left_out(self) -> str:
        names = [name for name in map(str, self.table.values) if name not in self.means]
        return f"Without a value somewhere, so not ranked: {_listed(names)}." if names else ""

    def _in_each(self) -> str:
        """Say in how many categories the best method is among the best."""
        rows = [self.best[name] for name in self.categories if name in self.best]
        if self.row != MEAN or not rows or len(self.ranked) < 2:
            return ""
        won = sum(self.ranked[0] in best for best in rows)
        return (
            f"Tested in each category, {self.ranked[0]} is best or not significantly worse in "
            f"{won} of {len(rows)}."
        )


def _shown(value: float, metric: Metric) -> str:
    return f"{100 * value:.1f} %" if metric.unit == "fraction" else f"{value:.1f} images"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"

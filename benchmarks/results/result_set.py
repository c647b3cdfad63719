"""A run's stored cells as comparable sets: categories × methods of one protocol."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.datasets.known import KNOWN
from benchmarks.metrics import METRICS, Metric
from benchmarks.results.cropping import LEAST_SHARE, lost_to_crop
from benchmarks.results.metrics_csv import CELL_COLUMNS, COLUMNS, PROTOCOL_COLUMNS, USUAL
from benchmarks.results.store import Store
from benchmarks.specs import resize_for

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.array_types import Floats


Files = Mapping[tuple[str, str], Path]
"""(category, method) → a file that one of its cells stored."""

MEAN = "mean"
"""Label of a table's last row."""


@dataclass(frozen=True)
class Table:
    """One metric's values under one protocol, on the metric's own scale.

    Attributes:
        metric: what the values are.
        values: (categories and a last row `MEAN`, methods): mean over the seeds; NaN where the
            value is failed, undefined, absent, or a mean over an incomplete set.
        deviations: the same shape: sample standard deviation over the seeds; NaN for one seed.
        failed: the same shape: whether a cell failed; False in the last row.
    """

    metric: Metric
    values: pd.DataFrame
    deviations: pd.DataFrame
    failed: pd.DataFrame


@dataclass(frozen=True)
class Comparison:
    """The cells of a run that share one protocol, and hence may stand in one table.

    Attributes:
        rows: their rows of metrics.csv.
        categories: every category that the run holds of this dataset, alphabetically.
        varying: the protocol columns in which the run's comparisons differ.
    """

    rows: pd.DataFrame
    categories: tuple[str, ...]
    varying: tuple[str, ...]

    @property
    def dataset(self) -> str:
        """Name of the dataset, "synthetic" for the embedded one."""
        return str(self.rows["dataset"].iloc[0])

    @cached_property
    def methods(self) -> dict[str, tuple[int, ...]]:
        """The methods in order of appearance, each with its seeds in ascending order."""
        seeds = self.rows.groupby("method", sort=False)["seed"].unique()
        return {str(method): tuple(sorted(map(int, found))) for method, found in seeds.items()}

    def has(self, metric: str) -> bool:
        """Whether any cell names `metric`."""
        return bool((self.rows["metric"] == metric).any())

    def table(self, metric: str) -> Table:
        """Return the table of `metric`, a mean only over a complete set of categories."""
        import pandas as pd

        rows = self.rows[self.rows["metric"] == metric]
        columns = {method: self._column(rows, method) for method in self.methods}
        values, deviations, failed = (
            pd.DataFrame({method: column[part] for method, column in columns.items()})
            for part in ("value", "deviation", "failed")
        )
        return Table(METRICS[metric], values, deviations, failed)

    def _column(self, rows: pd.DataFrame, method: str) -> pd.DataFrame:
        """Return one method's value, deviation and failure in every category and their mean."""
        import pandas as pd

        own = rows[rows["method"] == method]
        grid = own.pivot(index="category", columns="seed", values="value")
        grid = grid.reindex(index=list(self.categories), columns=list(self.methods[method]))
        known = KNOWN.get(self.dataset)
        whole = known is None or len(grid) == len(known.counts)
        # skipna=False: one missing category, or seed, leaves the mean empty, not optimistic.
        mean = grid.mean(skipna=False) if whole else grid.mean() * float("nan")
        grid = pd.concat([grid, mean.to_frame(MEAN).T])
        failures = own.loc[own["status"] == "failed", "category"]
        return pd.DataFrame(
            {
                "value": grid.mean(axis=1, skipna=False),
                "deviation": grid.std(axis=1, ddof=1, skipna=False),
                "failed": [*grid.index[:-1].isin(failures), False],
            }
        )

    def caption(self, subject: str, seeds: str | None = None) -> str:
        """Return `subject` with everything that it depends on, in one line.

        Args:
            subject: what is shown.
            seeds: which seeds are shown; None for the mean and deviation over all of them.
        """
        first = self.rows.iloc[0]
        parts = [
            f"{subject} on {first['dataset']}",
            f"{first['backbone']}, weights {first['weights'] or 'none'}, {first['image_size']} px",
            *self._unusual(),
            seeds or self._seeds(),
            *self._unseen(),
            *self._warnings(),
            f"{self.rows['started_utc'].max():%Y-%m-%d}",
        ]
        notice = "SYNTHETIC DATA. " if self.dataset == "synthetic" else ""
        return notice + "; ".join(parts) + "."

    def _unusual(self) -> list[str]:
        """Say what of the protocol is not the default, or tells the run's comparisons apart."""
        first = self.rows.iloc[0]
        said = [
            f"{column.replace('_', ' ')} {first[column]}"
            for column in ("layers", *USUAL)
            if column in self.varying or first[column] != USUAL.get(column, first[column])
        ]
        cropped = first["fit"] == "crop"
        if cropped and int(first["resize"]) != resize_for(int(first["image_size"])):
            said.append(f"cropped from {first['resize']}")
        if "weights_sha256" in self.varying:
            said.append(f"sha256 {first['weights_sha256'][:8]}")
        if shots := first["shots"]:
            said.append(f"{shots} shot{'s' * (shots != '1')}")
        return said

    def _seeds(self) -> str:
        every = sorted({seed for seeds in self.methods.values() for seed in seeds})
        fewer = [
            f"{method}: {', '.join(map(str, seeds))}"
            for method, seeds in self.methods.items()
            if list(seeds) != every
        ]
        if len(every) == 1:
            return f"seed {every[0]}"
        of_some = f" ({'; '.join(fewer)})" if fewer else ""
        return f"mean ± standard deviation over seeds {', '.join(map(str, every))}{of_some}"

    def _unseen(self) -> list[str]:
        """Say what of the defects the crop cuts off, and where nothing says what a defect is."""
        said = []
        rows = self.rows[self.rows["unseen_share"] != ""].drop_duplicates("category")
        numbers = [
            (
                str(row["category"]),
                int(row["unseen_defects"]),
                int(row["n_test_defect"]),
                float(row["unseen_share"]),
            )
            for row in rows.sort_values("category").to_dict("records")
        ]
        lost = [lost_to_crop(*one) for one in numbers if one[1] or one[3] >= LEAST_SHARE]
        if lost:
            said.append(f"the crop cuts off {', '.join(lost)} (--fit stretch or pad: nothing)")
        return said + self._unmasked()

    def _unmasked(self) -> list[str]:
        """Say where no defect has a mask: both classes, nothing to lose, no pixel metric."""
        if not {"n_test_defect", "n_test_good"} <= {*self.rows}:
            return []
        both = self.rows["n_test_defect"].ne("0") & self.rows["n_test_good"].ne("0")
        pixels = self.rows["metric"].map(lambda name: METRICS[name].level == "pixel")
        unknown = self.rows["unseen_share"] == ""
        rows = self.rows[(self.rows["status"] == "ok") & both & pixels & unknown]
        without = rows.groupby("category")["value"].apply(lambda values: values.isna().all())
        names = sorted(map(str, without.index[without])) if len(rows) else []
        if not names:
            return []
        where = "" if len(names) == len(self.categories) else f" in {', '.join(names)}"
        return [f"no masks{where}: image-level metrics alone"]

    def _warnings(self) -> list[str]:
        cells = self.rows.drop_duplicates(CELL_COLUMNS)
        warnings = []
        if failed := int((cells["status"] == "failed").sum()):
            warnings.append(f"{failed} cell{'s' * (failed > 1)} failed")
        versions = cells.groupby("category")["dataset_fingerprint"].nunique()
        if differing := sorted(map(str, versions.index[versions > 1])):
            warnings.append(f"NOT COMPARABLE, methods saw different data: {', '.join(differing)}")
        return warnings


def comparisons(rows: pd.DataFrame) -> list[Comparison]:
    """Split rows by protocol, in order of appearance."""
    varying = tuple(column for column in PROTOCOL_COLUMNS if rows[column].nunique() > 1)
    categories = rows.groupby("dataset")["category"].unique()
    return [
        Comparison(group, tuple(sorted(categories[group["dataset"].iloc[0]])), varying)
        for _, group in rows.groupby(PROTOCOL_COLUMNS, sort=False)
    ]


def stored_files(run: Path, comparison: Comparison, kind: Literal["scores", "maps"]) -> Files:
    """Return (category, method) → the file of each method's first seed, where there is one.

    Unreadable cells are named on stderr and left out.
    """
    stored = Store(run).cells(lambda line: print(line, file=sys.stderr))
    cells = {cell.key[:16]: cell for cell in stored}
    files = {}
    for row in comparison.rows.drop_duplicates("spec").itertuples():
        cell = cells.get(str(row.spec))
        name = getattr(cell, kind, None)
        first = row.seed == comparison.methods[str(row.method)][0]
        if row.status == "ok" and first and name and (run / name).is_file():
            files[str(row.category), str(row.method)] = run / name
    return files


def left_out(comparison: Comparison, category: str, drawn: Sequence[str]) -> str:
    """Say which methods a panel lacks, and why, one a line."""
    rows = comparison.rows[comparison.rows["category"] == category]
    failed = {*rows.loc[rows["status"] == "failed", "method"]}
    done = {*rows["method"]}
    return "\n".join(
        f"{'failed' if method in failed else 'no data' if method in done else 'not run'}: {method}"
        for method in comparison.methods
        if method not in drawn
    )


def first_seed(comparison: Comparison) -> str:
    """Say which seed files and curves are of."""
    firsts = {seeds[0] for seeds in comparison.methods.values()}
    return f"seed {min(firsts)}" if len(firsts) == 1 else "each method's first seed"


def complete_values(table: Table) -> dict[str, Floats]:
    """Return method → its value in every category, (C,), of the methods that lack none."""
    values = table.values.iloc[:-1]
    return {str(name): values[name].to_numpy() for name in values if values[name].notna().all()}


@dataclass(frozen=True)
class Stored:
    """The cells of each method's first seed in a comparison, and the files beside them.

    Attributes:
        run: the run's folder.
        comparison: the cells.
        scores: (category, method) → image scores.
        maps: (category, method) → anomaly maps with their previews.
    """

    run: Path
    comparison: Comparison
    scores: Files
    maps: Files

    @classmethod
    def of(cls, run: Path, comparison: Comparison) -> Stored:
        """Return what `run` stored of a comparison."""
        files = (stored_files(run, comparison, kind) for kind in ("scores", "maps"))
        return cls(run, comparison, *files)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row a cell, whatever its seed: the columns of metrics.csv but for metric and value.

        Columns that the run's metrics.csv lacks are empty.
        """
        cells = self.comparison.rows.drop_duplicates("spec")
        return cells.reindex(columns=list(COLUMNS), fill_value="")

    @cached_property
    def first(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """(category, method) → the row of the method's first seed."""
        seeds, records = self.comparison.methods, self.rows.to_dict("records")
        return {
            (row["category"], row["method"]): {str(name): value for name, value in row.items()}
            for row in records
            if row["seed"] == seeds[row["method"]][0]
        }

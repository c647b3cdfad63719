"""A run's cells that are measured alike, and so stand in one table, with the files beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.console import say
from benchmarks.datasets.known import is_complete
from benchmarks.metrics import METRICS, Metric
from benchmarks.results.captions import caption, failures
from benchmarks.results.cell import Cell
from benchmarks.results.cropping import LEAST_SHARE, lost_to_crop
from benchmarks.results.identity import told_apart
from benchmarks.results.makings import COLUMNS as FEATURE_COLUMNS
from benchmarks.results.makings import (
    Making,
    imported_methods,
    makings,
    own_method,
    with_makings,
)
from benchmarks.results.metrics_csv import (
    CELL_COLUMNS,
    COLUMNS,
    MEAN,
    MEASURED_COLUMNS,
    PROTOCOL_COLUMNS,
    newest_rows,
    read_rows,
    usual_settings,
)
from benchmarks.results.store import Store
from benchmarks.specs import IMPORTED, CellSpec

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.array_types import Floats


_SAID = ("layers", "dtype", "mask_resize", "smoothing_sigma", "fit", "interpolation")
"""Columns of the protocol that captions name where they aren't as usual."""

Files = Mapping[tuple[str, str], Path]
"""(category, method) → a file that one of its cells stored."""


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

    def complete_values(self) -> dict[str, Floats]:
        """Return method → its value in every category, (C,), of the methods that lack none."""
        own = self.values.iloc[:-1]
        return {str(name): own[name].to_numpy() for name in own if own[name].notna().all()}


@dataclass(frozen=True)
class ResultSet:
    """The cells of a run that are measured on the same data, crop and masks, and the same shots.

    They stand in one table. Where several backbones made them, methods are named with theirs.

    Attributes:
        run: the run's folder.
        rows: their rows of metrics.csv.
        categories: every category that the run holds of this dataset, alphabetically.
        varying: the protocol columns in which the run's cells differ.
        stored: short key → cell, of all result sets of the run.
    """

    run: Path
    rows: pd.DataFrame
    categories: tuple[str, ...]
    varying: tuple[str, ...]
    stored: Mapping[str, Cell]

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
        whole = is_complete(self.dataset, self.categories) and self.same_images
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
        """Return `subject` with everything that it depends on, in one line; as `describe`."""
        return caption(self.dataset, self.describe(subject, seeds))

    def describe(self, subject: str, seeds: str | None = None) -> list[str]:
        """Return `subject`, then everything that it depends on.

        Args:
            subject: what is shown.
            seeds: which seeds are shown; None for the mean and deviation over all of them.
        """
        return [
            f"{subject} on {self.dataset}",
            f"{self._made()}{self.rows['image_size'].iloc[0]} px",
            *self._unusual(),
            *self._imported(),
            seeds or self._seeds(),
            *self._unseen(),
            *self._warnings(),
            f"{self.rows['started_utc'].max():%Y-%m-%d}",
        ]

    @cached_property
    def makings(self) -> list[Making]:
        """What made the features of the cells, but for those whose maps are imported."""
        return makings(self.rows)

    @property
    def apart(self) -> list[ResultSet]:
        """The cells of each making in a set of its own, its methods by their own names."""
        own = self.rows[self.rows["backbone"] != IMPORTED]
        own = own.assign(method=own["method"].map(own_method))
        groups = own.groupby(list(FEATURE_COLUMNS), sort=False)
        return [replace(self, rows=rows) for _, rows in groups]

    @property
    def shared(self) -> Mapping[str, str]:
        """Column of the protocol → its value, of those in which all cells agree."""
        first = self.rows.iloc[0]
        of_features = zip(FEATURE_COLUMNS, zip(*self.makings, strict=True), strict=False)
        return {column: first[column] for column in MEASURED_COLUMNS} | {
            column: values[0] for column, values in of_features if len({*values}) == 1
        }

    def _made(self) -> str:
        """Say what made the features; nothing where all maps are imported."""
        texts = [
            f"{backbone}, weights {weights or 'none'}" for backbone, weights, *_ in self.makings
        ]
        return "".join(f"{text}, " for text in dict.fromkeys(texts))

    def _imported(self) -> list[str]:
        """Say which methods' maps come from another program, and where their scores do."""
        return [
            f"{name}: maps of another program, image scores: {scores.partition(',')[0]}"
            for name, scores in imported_methods(self.rows).items()
        ]

    def _unusual(self) -> list[str]:
        """Say what of the protocol is not the default, or tells the run's result sets apart.

        What tells the columns apart stands above them.
        """
        shared = self.shared
        usual = usual_settings(int(shared["image_size"]), shared["fit"])
        said = [
            f"{column.replace('_', ' ')} {shared[column]}"
            for column in _SAID
            if column in shared
            and (column in self.varying or shared[column] != usual.get(column, shared[column]))
        ]
        if shared["resize"] != usual["resize"]:
            said.append(f"cropped from {shared['resize']}")
        if "weights_sha256" in self.varying and "weights_sha256" in shared:
            said.append(f"sha256 {shared['weights_sha256'][:8]}")
        if shots := shared["shots"]:
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
        warnings = failures(int((cells["status"] == "failed").sum()))
        versions = cells.groupby("category")["dataset_fingerprint"].nunique()
        if differing := sorted(map(str, versions.index[versions > 1])):
            warnings.append(f"NOT COMPARABLE, methods saw different data: {', '.join(differing)}")
        if any(spec.dataset != self.dataset for spec in self.specs.values()):
            warnings.append("other data sets of that name are shown apart")
        return warnings

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell, whatever its seed: the columns of metrics.csv but for metric and value.

        Columns that the run's metrics.csv lacks are empty.
        """
        cells = self.rows.drop_duplicates("spec")
        return cells.reindex(columns=list(COLUMNS), fill_value="")

    @cached_property
    def first(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """(category, method) → the row of the method's first seed."""
        return {
            (row["category"], row["method"]): {str(name): value for name, value in row.items()}
            for row in self.cells.to_dict("records")
            if row["seed"] == self.methods[row["method"]][0]
        }

    @cached_property
    def specs(self) -> Mapping[tuple[str, str], CellSpec]:
        """(category, method) → the specification of the first seed's cell, where it is stored."""
        found = {place: self.stored.get(str(row["spec"])) for place, row in self.first.items()}
        return {place: cell.spec for place, cell in found.items() if cell is not None}

    @cached_property
    def scores(self) -> Files:
        """(category, method) → the first seed's image scores, where there are some."""
        return self._files("scores")

    @cached_property
    def maps(self) -> Files:
        """(category, method) → the first seed's maps with their previews, where there are some."""
        return self._files("maps")

    def _files(self, kind: Literal["scores", "maps"]) -> Files:
        found = {}
        for place, row in self.first.items():
            name = getattr(self.stored.get(str(row["spec"])), kind, None)
            if row["status"] == "ok" and name and (self.run / name).is_file():
                found[place] = self.run / name
        return found

    def left_out(self, category: str, drawn: Sequence[str]) -> str:
        """Say which methods a panel lacks, and why, one a line."""
        rows = self.rows[self.rows["category"] == category]
        failed = {*rows.loc[rows["status"] == "failed", "method"]}
        done = {*rows["method"]}
        return "\n".join(
            f"{'failed' if one in failed else 'no data' if one in done else 'not run'}: {one}"
            for one in self.methods
            if one not in drawn
        )

    @property
    def first_seed(self) -> str:
        """Which seed the files and curves belong to, in words."""
        firsts = {seeds[0] for seeds in self.methods.values()}
        return f"seed {min(firsts)}" if len(firsts) == 1 else "each method's first seed"

    @property
    def same_images(self) -> bool:
        """Whether the methods of every category saw the same data, so that they can be paired."""
        seen = self.rows.groupby("category")["dataset_fingerprint"].nunique()
        return bool((seen == 1).all())


def result_sets(run: Path) -> list[ResultSet]:
    """Return the result sets of a run, one a data set, crop and number of shots.

    They are in order of appearance, and hold all backbones, and imported maps.

    Its cells are what counts: a metrics.csv that doesn't match them is written anew. Cells that
    can't be read are named on stderr and left out.

    Raises:
        BenchmarkError: there are no cells, and the run's metrics.csv is missing, unreadable,
            truncated or empty.
    """
    store = Store(run)
    cells = store.cells(say)
    rows = read_rows(store.metrics(cells, say), run / "metrics.csv")
    stored = {cell.short_key: cell for cell in cells}
    names = told_apart(cells)
    pairs = zip(rows["spec"], rows["dataset"], strict=True)
    rows["dataset"] = [names.get(spec, dataset) for spec, dataset in pairs]
    rows = newest_rows(rows)
    made = rows[rows["backbone"] != IMPORTED]
    varying = tuple(
        column
        for column in PROTOCOL_COLUMNS
        if (made if column in FEATURE_COLUMNS else rows)[column].nunique() > 1
    )
    categories = {
        dataset: tuple(sorted(found))
        for dataset, found in rows.groupby("dataset")["category"].unique().items()
    }
    return [
        ResultSet(run, with_makings(group), categories[group["dataset"].iloc[0]], varying, stored)
        for _, group in rows.groupby(MEASURED_COLUMNS, sort=False)
    ]

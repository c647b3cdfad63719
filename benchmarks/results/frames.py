"""A run's stored cells as pandas frames, for notebooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.array_types import Floats, Masks
from benchmarks.errors import BenchmarkError
from benchmarks.names import suggest
from benchmarks.results.folders import find_run
from benchmarks.results.intervals import estimates
from benchmarks.results.maps import read_maps
from benchmarks.results.metrics_csv import COLUMNS, NUMBERS, named_metrics, rows_of
from benchmarks.results.pairs import all_pairs
from benchmarks.results.reading import result_sets
from benchmarks.results.result_set import ResultSet, category_of, distinctions
from benchmarks.results.scores import read_image_scores

if TYPE_CHECKING:
    import pandas as pd


class LabelledMaps(NamedTuple):
    """Maps of n test images as a run shows them, H × W pixels; NaN around padded images."""

    names: NDArray[np.str_]  # (n,), paths in the category's folder
    images: NDArray[np.uint8]  # (n, H, W, 3)
    masks: Masks  # (n, H, W)
    maps: Floats  # (n, H, W)
    scores: Floats  # (n,)
    labels: NDArray[np.int64]  # (n,), 1 for a defect, also where the crop leaves none of it


@dataclass(frozen=True)
class Run:
    """A run's cells that stand in its tables.

    In every frame `method` is what tables call a method: with its backbone where several made the
    run's cells. Where the run has several tables, the first columns, or levels of the index, are
    the settings in which they differ, as `shots`; but for `frame`, which has all settings.

    Attributes:
        folder: where it lies.
    """

    folder: Path

    @cached_property
    def sets(self) -> list[ResultSet]:
        """The cells, those that stand in one table together."""
        return result_sets(self.folder)

    def frame(self) -> pd.DataFrame:
        """Return the long table: the columns of `metrics.csv` with types, a row a cell and metric.

        What isn't known is missing (NaN or NA), `started_utc` is a time, what isn't a number text.
        A category and method has a row a seed: `table` has the means over the seeds.
        """
        import pandas as pd

        metrics = named_metrics(cell for results in self.sets for cell in results.cells)
        records = [
            {**row, "dataset": results.dataset, "category": category_of(cell), "method": title}
            for results in self.sets
            for title, cell in results.titled
            for row in rows_of(self.folder.resolve().name, cell, metrics)
        ]
        frame = pd.DataFrame(records, columns=list(COLUMNS))
        started = pd.to_datetime(frame["started_utc"], utc=True, format="ISO8601")
        return frame.astype(NUMBERS).assign(started_utc=started)

    def table(self, metric: str) -> pd.DataFrame:
        """Return a metric's values, categories × methods, each the mean over the seeds.

        The last row, "mean", is NaN where a category is missing, as in the run's own tables.

        Raises:
            BenchmarkError: no cell has such a metric.
        """
        if not any(results.has(metric) for results in self.sets):
            near = suggest(metric, self.sets[0].metrics)
            raise BenchmarkError(f"{self.folder} has no metric {metric!r}{near}")
        frame = self._joined(lambda results: results.table(metric).values.rename_axis("category"))
        return frame.set_index([*distinctions(self.sets)[0]], append=True)

    def scores(self) -> pd.DataFrame:
        """Return image scores: category, method, seed, path, label, score; a row a cell and image.

        `path` is in the category's folder, `label` is 1 for a defect and 0 for a nominal image.

        Raises:
            BenchmarkError: a file is unreadable.
        """
        return self._joined(_image_scores)

    def maps(
        self,
        method: str,
        category: str,
        *,
        seed: int | None = None,
        shots: int | None = None,
        calibrate: float | None = None,
        contamination: float = 0.0,
        shift: str = "",
    ) -> LabelledMaps:
        """Return a cell's stored maps, with images, masks, scores and labels beside them.

        Args:
            method: as the frames call it.
            category: the category.
            seed: the cell's; None for the method's first.
            shots: how many training images it had; None for all.
            calibrate: how many, or which share, were held out; None for none.
            contamination: which share of them was anomalous.
            shift: what the test images underwent.

        Raises:
            BenchmarkError: there is no such cell, or several, or its maps aren't stored.
        """
        asked = {"shots": shots, "calibrate": calibrate, "contamination": contamination}
        cells = [
            (f"{title} on {category_of(cell)}", results, cell)
            for results in self.sets
            for title, cell in results.titled
            if {**asked, "shift": shift}.items() <= results.spec.conditions.items()
            and cell.spec.seed == (results.methods[title][0] if seed is None else seed)
        ]
        place = f"{method} on {category}"
        chosen = [(results, cell) for name, results, cell in cells if name == place]
        if not chosen:
            near = suggest(place, dict.fromkeys(name for name, *_ in cells if name != place))
            raise BenchmarkError(f"{self.folder}: {place} isn't stored{near}")
        if len(chosen) > 1:
            raise BenchmarkError(
                f"{self.folder}: {place} is stored at several sizes, or of several data sets: open "
                "a run that has a single"
            )
        ((results, cell),) = chosen
        maps, scores = results.file_of(cell, "maps"), results.file_of(cell, "scores")
        if not maps or not scores:
            raise BenchmarkError(
                f"{self.folder}: {place} has no maps; run it again with --save-maps --force"
            )
        labels = read_image_scores(scores).set_index("path")["label"]
        stored = read_maps(maps)
        return LabelledMaps(*stored, labels.reindex(stored.names).to_numpy())

    def intervals(self) -> pd.DataFrame:
        """Return values with 95 % intervals: category, method, seed, metric, value, low, high.

        A row a cell and metric. `low` and `high` are NaN where nothing stored gives them, as for
        pixels unless all maps are stored (`--save-maps`).

        Raises:
            BenchmarkError: a file is unreadable.
        """
        return self._joined(lambda results: estimates(results, every_seed=True))

    def pairs(self) -> pd.DataFrame:
        """Return the tests of all pairs of methods: the columns of `tables/pairs.csv`.

        Raises:
            BenchmarkError: a file is unreadable.
        """
        return self._joined(all_pairs)

    def _joined(self, frame_of: Callable[[ResultSet], pd.DataFrame]) -> pd.DataFrame:
        """Return the frames of all sets as one, settings in which they differ in front."""
        import pandas as pd

        frames = []
        for results, settings in zip(self.sets, distinctions(self.sets), strict=True):
            frame = frame_of(results)
            frames.append(frame.assign(**settings)[[*settings, *frame]])
        return pd.concat(frames, ignore_index=isinstance(frames[0].index, pd.RangeIndex))


def open_run(run: str | Path) -> Run:
    """Return a run's stored cells as frames.

    Args:
        run: its folder, or its name under results/.

    Raises:
        BenchmarkError: there is no such run.
    """
    return Run(find_run(str(run)))


def _image_scores(results: ResultSet) -> pd.DataFrame:
    import pandas as pd

    names = ["category", "method", "seed", "path", "label", "score"]
    frames = [
        read_image_scores(path).assign(
            category=category_of(cell), method=title, seed=cell.spec.seed
        )
        for title, cell in results.titled
        if (path := results.file_of(cell, "scores"))
    ]
    return pd.concat(frames, ignore_index=True)[names] if frames else pd.DataFrame(columns=names)

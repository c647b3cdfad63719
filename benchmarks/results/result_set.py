"""A run's cells that are measured alike, and so stand in one table, with the files beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.datasets.known import is_complete
from benchmarks.datasets.losses import LEAST_SHARE, area_lost
from benchmarks.metrics.calibrated import CALIBRATED, KNOWN
from benchmarks.results import agreement, captions
from benchmarks.results.agreement import FeatureSource, Measure
from benchmarks.results.cell import Cell
from benchmarks.results.identity import count_folders
from benchmarks.results.metrics_csv import MEAN, category_label
from benchmarks.results.table import Table
from benchmarks.specs import CONDITIONS, IMPORTED, CellSpec

if TYPE_CHECKING:
    import pandas as pd


_SAID = (
    *("dtype", "mask_resize", "smoothing_sigma", "fit", "interpolation", "regions", "score_area"),
    *("augment", "tiles"),
)
"""Settings that captions name where they aren't as usual."""

Place = tuple[str, str]
"""A category, and a method as its table calls it."""

Files = Mapping[Place, Path]
"""(category, method) → a file that one of its cells stored."""


@dataclass(frozen=True)
class ResultSet:
    """The cells of a run that are measured on the same data, crop and masks, the same shots and
    as many held-out images.

    They stand in one table. Where several backbones made them, methods are named with theirs.

    Attributes:
        run: the run's folder.
        dataset: name of the data set, "synthetic" for the embedded one.
        cells: in the order in which they were evaluated, each identity once.
        categories: every category that the run holds of this data set, alphabetically.
        metrics: the metrics that any cell of the run names.
        varying: the settings in which the run's cells differ.
    """

    run: Path
    dataset: str
    cells: Sequence[Cell]
    categories: tuple[str, ...]
    metrics: tuple[str, ...]
    varying: frozenset[str]

    @cached_property
    def titled(self) -> list[tuple[str, Cell]]:
        """The cells, each with its method as the table calls it."""
        return list(zip(agreement.column_titles(self.cells), self.cells, strict=True))

    @cached_property
    def columns(self) -> dict[str, list[Cell]]:
        """The methods as their table calls them, in order of appearance, each with its cells."""
        columns: dict[str, list[Cell]] = {}
        for title, cell in self.titled:
            columns.setdefault(title, []).append(cell)
        return columns

    @cached_property
    def methods(self) -> dict[str, tuple[int, ...]]:
        """The methods in order of appearance, each with its seeds in ascending order."""
        return {
            method: tuple(sorted({cell.spec.seed for cell in cells}))
            for method, cells in self.columns.items()
        }

    def has(self, metric: str) -> bool:
        """Whether any cell of the run names `metric`, and held-out images set its threshold."""
        return metric in self.metrics and (metric not in CALIBRATED or bool(self.spec.calibrate))

    def measured(self, metric: str) -> bool:
        """Whether any cell names `metric` and has a value, or all failed: pixels need masks."""
        done = [cell for cell in self.cells if cell.status == "ok"]
        known = any(cell.metrics.get(metric) is not None for cell in done)
        return self.has(metric) and (known or not done)

    def table(self, metric: str) -> Table:
        """Return the table of `metric`, a mean only over a complete set of categories."""
        import pandas as pd

        grids = {method: self._grid(metric, method) for method in self.methods}
        rows, failed = [*self.categories, MEAN], {}
        for method, cells in self.columns.items():
            names = {category_of(cell) for cell in cells if cell.status == "failed"}
            failed[method] = [name in names for name in rows]

        def over_seeds(statistic: str) -> pd.DataFrame:
            of_method = {m: getattr(grid, statistic) for m, grid in grids.items()}
            return pd.DataFrame({m: take(axis=1, skipna=False) for m, take in of_method.items()})

        values, deviations = over_seeds("mean"), over_seeds("std")
        marks = pd.DataFrame(failed, rows)
        return Table(KNOWN[metric], values, deviations, marks, over_seeds("min"), over_seeds("max"))

    def _grid(self, metric: str, method: str) -> pd.DataFrame:
        """Return one method's values, (categories and a last row `MEAN`, seeds)."""
        import pandas as pd

        seeds = self.methods[method]
        known = {
            (category_of(cell), cell.spec.seed): value
            for cell in self.columns[method]
            if (value := cell.metrics.get(metric)) is not None
        }
        rows = [[known.get((name, seed)) for seed in seeds] for name in self.categories]
        grid = pd.DataFrame(rows, list(self.categories), list(seeds), dtype=float)
        whole = is_complete(self.dataset, self.categories) and self.same_images
        # skipna=False: one missing category, or seed, leaves the mean empty, not optimistic.
        mean = grid.mean(skipna=False) if whole else grid.mean() * float("nan")
        return pd.concat([grid, mean.to_frame(MEAN).T])

    def caption(self, subject: str, seeds: str | None = None) -> str:
        """Return `subject` with everything that it depends on, in one line; as `describe`."""
        return captions.caption(self.dataset, self.describe(subject, seeds))

    def describe(self, subject: str, seeds: str | None = None) -> list[str]:
        """Return `subject`, then everything that it depends on.

        Args:
            subject: what is shown.
            seeds: which seeds are shown; None for the mean and deviation over all of them.
        """
        networks = dict.fromkeys(
            f"{source.backbone}, weights {source.weights or 'none'}, " for source in self.sources
        )
        return [
            f"{subject} on {self.dataset}",
            f"{''.join(networks)}{self.measure.image_size} px",
            *self._unusual(),
            *self.imports(),
            seeds or self.seeds(),
            *self.lost(),
            *self._unmasked(),
            *self._warnings(),
            f"{max(cell.started for cell in self.cells):%Y-%m-%d}",
        ]

    @cached_property
    def sources(self) -> list[FeatureSource]:
        """What gave the features of the cells, but for those whose maps are imported."""
        return agreement.feature_sources(self.cells)

    @property
    def measure(self) -> Measure:
        """Over which pixels all values are measured."""
        return Measure.of(self.cells[0].spec.protocol)

    @property
    def spec(self) -> CellSpec:
        """A specification of the set, for the protocol and conditions that its cells share."""
        return self.cells[0].spec

    @property
    def imported(self) -> dict[str, str]:
        """Each method whose maps another program made → where its image scores are from."""
        return {
            method: str(cells[0].spec.params.get("scores", ""))
            for method, cells in self.columns.items()
            if cells[0].spec.protocol.backbone.name == IMPORTED
        }

    @property
    def by_source(self) -> list[ResultSet]:
        """The cells of each feature source in a set of its own, without imported ones."""
        of_source = (
            [cell for cell in self.cells if FeatureSource.of(cell.spec.protocol) == source]
            for source in self.sources
        )
        return [replace(self, cells=cells) for cells in of_source]

    @property
    def shared(self) -> Mapping[str, Any]:
        """Setting → its value, of those in which all cells agree."""
        settings = agreement.settings_of(self.cells)
        return {name: values[0] for name, values in settings.items() if len(values) == 1}

    def _unusual(self) -> list[str]:
        """Say which settings are not the default, or distinguish the run's result sets.

        What distinguishes the columns stands above them.
        """
        shared, measure = self.shared, self.measure
        usual = agreement.usual_settings(measure.image_size, measure.fit)
        said = [
            f"{name.replace('_', ' ')} {shared[name]}"
            for name in _SAID
            if name in shared and (name in self.varying or shared[name] != usual[name])
        ]
        if "layers" in self.varying and "layers" in shared:
            said.insert(0, self.sources[0].describe("layers"))
        if measure.resize != usual["resize"]:
            said.append(f"cropped from {measure.resize}")
        if "weights_sha256" in self.varying and "weights_sha256" in shared:
            said.append(self.sources[0].describe("weights_sha256"))
        shots, calibrate = self.spec.shots, self.spec.calibrate
        if shots:
            said.append(f"{shots} shot{'s' * (shots != 1)}")
        if calibrate:
            share = captions.held_out_label(calibrate)
            said.append(f"{share} of the training images held out")
        return said + captions.condition_labels(self.spec)

    def seeds(self, *spread: str) -> str:
        """Say over which seeds values are means, and what of them stands beside."""
        every = sorted({seed for seeds in self.methods.values() for seed in seeds})
        fewer = [
            f"{method}: {', '.join(map(str, seeds))}"
            for method, seeds in self.methods.items()
            if list(seeds) != every
        ]
        return captions.seeds_label(every, *spread) + (f" ({'; '.join(fewer)})" if fewer else "")

    def imports(self) -> list[str]:
        """Say which methods' maps another program made."""
        return [
            f"{method}: maps of another program, image scores: {origin.partition(',')[0]}"
            for method, origin in self.imported.items()
        ]

    @property
    def notes(self) -> list[str]:
        """What of `describe` may get long, and is said once where several captions are read."""
        return [*self.imports(), *self.lost()]

    def lost(self) -> list[str]:
        """Say what the crop cuts off, and what resizing takes from defects."""
        by_knowledge = sorted(self.cells, key=lambda cell: cell.defect_regions is not None)
        known = {category_of(cell): cell for cell in by_knowledge if cell.status == "ok"}
        cut, resized = [], []
        for category, cell in sorted(known.items()):
            lost, defects = cell.lost, cell.n_test_defect or 0
            if lost and lost.cut >= LEAST_SHARE:
                cut.append(f"{category}: {lost.by_crop(defects)}")
            if lost and lost.changed >= LEAST_SHARE:
                resized.append(f"{category}: {lost.by_resizing(defects)}")
            if (cell.unseen_area or 0) >= LEAST_SHARE:
                cut.append(f"{category}: {area_lost(cell.unseen_area or 0)}")
        texts = (
            f"the crop cuts off {', '.join(cut)} (--fit stretch or pad: nothing)" * bool(cut),
            f"resizing changes masks of {', '.join(resized)}" * bool(resized),
        )
        return [text for text in texts if text]

    def note_on(self, metric: str) -> str:
        """Say which defect images AUPIMO leaves out, and where no image set a threshold."""
        if metric in CALIBRATED and not self.spec.calibrate:
            return "; of runs with --calibrate"
        counts = {
            category_of(cell): f"{cell.unmarked_defects} of {cell.n_test_defect}"
            for cell in self.cells
            if metric == "aupimo" and cell.unmarked_defects
        }
        images = ", ".join(f"{category}: {count}" for category, count in sorted(counts.items()))
        return f"; defect images without a mask pixel left out, {images}" if images else ""

    def _unmasked(self) -> list[str]:
        """Say where no defect has a mask: both classes, nothing to lose, no pixel metric."""
        pixel_metrics = [name for name in self.metrics if KNOWN[name].level == "pixel"]
        known: dict[str, list[bool]] = {}
        for cell in self.cells:
            both = cell.n_test_good and cell.n_test_defect
            if pixel_metrics and cell.status == "ok" and both and cell.unseen_share is None:
                undefined = all(cell.metrics.get(name) is None for name in pixel_metrics)
                known.setdefault(category_of(cell), []).append(undefined)
        names = sorted(category for category, undefined in known.items() if all(undefined))
        where = "" if len(names) == len(self.categories) else f" in {', '.join(names)}"
        return [f"no masks{where}: image-level metrics alone"] if names else []

    def _warnings(self) -> list[str]:
        warnings = captions.failures(sum(cell.status == "failed" for cell in self.cells))
        versions = self._fingerprints
        if differing := sorted(name for name, prints in versions.items() if len(prints) > 1):
            warnings.append(f"NOT COMPARABLE, methods saw different data: {', '.join(differing)}")
        specs = [cell.spec for cell in self.cells]
        if len({(spec.extractor_version, spec.metrics_version) for spec in specs}) > 1:
            warnings.append("NOT COMPARABLE, measured by several versions of this program")
        if any(cell.spec.dataset != self.dataset for cell in self.cells):
            warnings.append("other data sets of that name are shown apart")
        elif (count := count_folders(self.cells)) > 1:
            warnings.append(f"categories of {count} folders of that name")
        return [*warnings, *self._changed_code()]

    def _changed_code(self) -> Iterator[str]:
        """Say which categories' cells an earlier state of a method's code made, not all of them."""
        for method, cells in self.columns.items():
            latest = max(
                (cell for cell in cells if cell.code), key=attrgetter("started"), default=None
            )
            earlier = [cell for cell in cells if latest and cell.is_of_other_code(latest.code)]
            if names := sorted(set(map(category_of, earlier))):
                yield f"NOT COMPARABLE, {method}'s code has changed since {', '.join(names)}"

    @property
    def _fingerprints(self) -> dict[str, set[str]]:
        """Category → the fingerprints of what its cells saw."""
        prints: dict[str, set[str]] = {}
        for cell in self.cells:
            prints.setdefault(category_of(cell), set()).add(cell.spec.dataset_fingerprint)
        return prints

    @cached_property
    def first(self) -> Mapping[Place, Cell]:
        """(category, method) → the cell of the method's first seed."""
        return {
            (category_of(cell), method): cell
            for method, cell in self.titled
            if cell.spec.seed == self.methods[method][0]
        }

    @cached_property
    def scores(self) -> Files:
        """(category, method) → the first seed's image scores, where there are some."""
        return self._files("scores")

    @cached_property
    def maps(self) -> Files:
        """(category, method) → the first seed's maps with their previews, where there are some."""
        return self._files("maps")

    def _files(self, kind: Literal["scores", "maps"]) -> Files:
        paths = {place: self.file_of(cell, kind) for place, cell in self.first.items()}
        return {place: path for place, path in paths.items() if path}

    def file_of(self, cell: Cell, kind: Literal["scores", "maps"]) -> Path | None:
        """Return the file of a cell's image scores or maps, None where there is none."""
        name = getattr(cell, kind)
        path = self.run / name if name and cell.status == "ok" else None
        return path if path and path.is_file() else None

    def left_out(self, category: str, drawn: Sequence[str]) -> str:
        """Say which methods a panel lacks, and why, one a line."""
        states = {
            method: {cell.status for cell in cells if category_of(cell) == category}
            for method, cells in self.columns.items()
            if method not in drawn
        }
        return "\n".join(
            f"{'failed' if 'failed' in state else 'no data' if state else 'not run'}: {method}"
            for method, state in states.items()
        )

    @property
    def first_seed(self) -> str:
        """Which seed the files and curves belong to, in words."""
        firsts = {seeds[0] for seeds in self.methods.values()}
        return f"seed {min(firsts)}" if len(firsts) == 1 else "each method's first seed"

    @cached_property
    def same_images(self) -> bool:
        """Whether the methods of every category saw the same data, so that they can be paired."""
        return all(len(prints) == 1 for prints in self._fingerprints.values())


def distinctions(sets: Sequence[ResultSet]) -> list[dict[str, str]]:
    """Return of each of a run's sets setting → its value as text, of those in which they differ.

    A setting that varies within a set is empty, as shots are where all images are used.
    """
    names = ("dataset", *Measure._fields, *CONDITIONS, *FeatureSource._fields)
    settings = [{**results.shared, "dataset": results.dataset} for results in sets]
    texts = [
        {name: "" if values.get(name) is None else str(values[name]) for name in names}
        for values in settings
    ]
    differing = [name for name in names if len({text[name] for text in texts}) > 1]
    return [{name: text[name] for name in differing} for text in texts]


def category_of(cell: Cell) -> str:
    """Return what a cell's category is called in tables."""
    return category_label(cell.spec.category)

"""Faults that the gate on the embedded set's metrics has to see, and how it is asked."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks.backbones import filterbank
from benchmarks.compare.baseline import Baseline, read
from benchmarks.compare.check import Row, compare
from benchmarks.datasets import images
from benchmarks.evaluation import anomaly_maps, category, frames, scoring
from benchmarks.features import crops
from benchmarks.metrics import definitions, pimo, pixel
from benchmarks.metrics import tally as metrics
from benchmarks.results import Cell, Store
from benchmarks.run import __main__ as run
from benchmarks.run import program
from benchmarks.synthetic import products as synthetic
from benchmarks.synthetic import writing
from methods import padim, patchcore, spade
from methods.base import Features, Scores
from methods.components import memory_bank
from methods.components.coreset import Selection
from methods.components.gaussians import Gaussians
from methods.components.memory_bank import MemoryBank
from methods.components.neighbours import nearest
from tests.helpers.paths import ROOT

BASELINE = ROOT / "results" / "baselines" / "embedded.json"
CATEGORIES = ("circuit_board", "washer")  # in colour, and grey
LARGE = ("button",)  # at 96 pixels, so that nominal images have enough of them for AUPIMO
EVERY = "patchcore-10,spade-5,padim"

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


@dataclass(frozen=True)
class Mutation:
    """A fault: what is wrong, the methods that are run with it, and how it is planted."""

    name: str
    methods: str
    plant: Plant
    before_features: bool = False
    categories: tuple[str, ...] = CATEGORIES


def wrap(owner: Any, name: str, change: Callable[..., Any]) -> Plant:
    """Return what replaces `owner.name` by `change`, which gets the original first."""
    original = getattr(owner, name)
    return lambda patch: patch.setattr(
        owner, name, lambda *given, **named: change(original, *given, **named)
    )


def put(owner: Any, name: str, value: Any) -> Plant:
    return lambda patch: patch.setattr(owner, name, value)


# --- the faults ------------------------------------------------------------------------------


class AtRandom(Selection):
    def __init__(self, points: Tensor, *others: Any) -> None:
        super().__init__(points, *others)
        self._order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))

    def first(self, size: int) -> Tensor:
        return self._order[:size]


def second(original: Any, queries: Any, bank: Any, k: int = 1) -> Any:
    distances, rows = original(queries, bank, k + 1)
    return distances[:, 1:], rows[:, 1:]


def second_row(_: Any, queries: Any, bank: Any) -> Any:
    distances, rows = second(nearest, queries, bank)
    return distances[:, 0], rows[:, 0]


def mean_images(original: Any, *given: Any) -> Scores:
    maps = original(*given).maps
    return Scores(maps, maps.mean(dim=(1, 2)))


def nearest_upsampling(_: Any, __: Any, length: int, size: int, sigma: float) -> Any:
    from scipy.ndimage import gaussian_filter1d

    repeated = np.eye(length)[np.arange(size) * length // size]
    return torch.from_numpy(gaussian_filter1d(repeated, sigma, axis=0, mode="reflect"))


def own_maximum(original: Any, *given: Any) -> Any:
    maps = original(*given)
    return maps / maps.amax(dim=(1, 2), keepdim=True)


def first_dims(_: Any, method: Any, training: Features, __: Any) -> list[list[int]]:
    channels = [training.shape(level)[0] for level in padim.LEVELS]
    return [list(range(min(count, 36))) for count in channels]


def one_dimension_fewer(original: Any, *given: Any) -> list[list[int]]:
    *finer, last = original(*given)
    return [*finer, last[:-1]]


def strictly_above(_: Any, tally: Any, index: int) -> metrics.WorkingPoint:
    above = np.append(tally.true_positives, 0)[index + 1]
    return metrics.WorkingPoint(
        threshold=float(tally.thresholds[index]),
        true_positives=int(above),
        false_positives=int(tally.above[index]),
        false_negatives=int(tally.rank.size - above),
        true_negatives=int(tally.normals - tally.above[index]),
    )


def ties_found(_: Any, tally: Any) -> float:
    below = tally.normals - tally.above[tally.rank]
    return float(below.sum() / (tally.normals * tally.rank.size))


def by_the_last_rate(original: Any, *given: Any) -> Any:
    fpr, pro = original(*given)
    return fpr[:-1] * fpr[-1] / fpr[-2], pro[:-1]


def one_to_the_right(original: Any, path: Path, resize: int, crop: int, *_: str, **__: str) -> Any:
    first = round((resize - crop) / 2)
    return original(path, resize, resize)[first : first + crop, first + 1 : first + 1 + crop]


def without_blue(original: Any, bank: filterbank.FilterBank, *given: Any) -> None:
    original(bank, *given)
    bank._colours[2] = 0


# fmt: off
MUTATIONS = [
    Mutation("coreset one patch smaller", "patchcore-10,patchcore-25",
             wrap(MemoryBank, "first", lambda f, bank, size, batches: f(bank, size - 1, batches))),
    Mutation("coreset drawn at random", "patchcore-10",
             put(memory_bank, "Selection", AtRandom)),
    Mutation("coreset selected without the projection", "patchcore-10",
             wrap(patchcore, "projection", lambda f, width, dims, g: torch.eye(width))),
    Mutation("second nearest patch", "patchcore-10,patchcore-25",
             wrap(patchcore, "nearest_row", second_row)),
    Mutation("squared distances", "patchcore-10",
             wrap(patchcore, "nearest_row", lambda f, queries, bank:
                  (f(queries, bank)[0] ** 2, f(queries, bank)[1]))),
    Mutation("the seed ignored", "patchcore-10",
             wrap(patchcore.PatchCore, "fit", lambda f, method, training, _:
                  f(method, training, torch.Generator().manual_seed(1)))),
    Mutation("SPADE retrieves half of K", "spade,spade-5",
             wrap(spade, "nearest", lambda f, queries, bank, k: f(queries, bank, k // 2))),
    Mutation("SPADE leaves out the nearest image", "spade,spade-5", wrap(spade, "nearest", second)),
    Mutation("SPADE retrieves by level 3", "spade-5", put(spade, "IMAGE_LEVEL", 3)),
    Mutation("PaDiM with level 4 for level 3", "padim", put(padim, "LEVELS", (1, 2, 4))),
    Mutation("PaDiM without the square root", "padim",
             wrap(Gaussians, "distances", lambda f, *given: f(*given).square_())),
    Mutation("PaDiM almost without regularisation", "padim",
             wrap(Gaussians, "fit", lambda f, samples, cells, _: f(samples, cells, 1e-6))),
    Mutation("PaDiM divides by N, not N - 1", "padim",
             wrap(Gaussians, "fit", lambda f, samples, cells, epsilon:
                  f(samples, cells, epsilon * samples[0].shape[1] / (samples[0].shape[1] - 1)))),
    Mutation("PaDiM with one dimension fewer", "padim",
             wrap(padim.Padim, "_choose", one_dimension_fewer)),
    Mutation("maps not smoothed", EVERY,
             wrap(scoring, "upsample_and_smooth",
                  lambda f, scores, size, sigma: f(scores, size, 0))),
    Mutation("sigma halved", EVERY,
             wrap(scoring, "upsample_and_smooth",
                  lambda f, scores, size, sigma: f(scores, size, sigma / 2))),
    Mutation("nearest instead of bilinear upsampling", EVERY,
             wrap(anomaly_maps, "_matrix_on", nearest_upsampling)),
    Mutation("each map divided by its maximum", EVERY,
             wrap(scoring, "upsample_and_smooth", own_maximum)),
    Mutation("image score is the mean of the map", "padim",
             wrap(padim.Padim, "score", mean_images)),
    Mutation("one training image fewer", EVERY,
             wrap(category, "draw_images",
                  lambda f, *given: f(*given)._replace(fitted=f(*given).fitted[:-1]))),
    Mutation("masks eroded", EVERY,
             wrap(frames, "frame_mask", lambda f, defect, resize, size, _, fit:
                  f(defect, resize, size, "official", fit))),
    Mutation("masks one pixel to the right", EVERY,
             wrap(frames, "frame_mask", lambda f, *given: np.roll(f(*given), 1, axis=1))),
    Mutation("AUPRO up to two thirds of its limit", EVERY,
             wrap(pixel.PixelTally, "aupro", lambda f, tally, limit: f(tally, limit * 2 / 3))),
    Mutation("AUPRO counts pixels, not regions", EVERY,
             wrap(pixel, "_region_shares", lambda f, *given: np.ones_like(f(*given)))),
    Mutation("AUPRO divided by the last FPR below 0.3", EVERY,
             wrap(pixel, "_pro_curve", by_the_last_rate)),
    Mutation("anomalous above the threshold, not at it", EVERY,
             wrap(metrics.Tally, "working_point", strictly_above)),
    Mutation("pixel F1 where no pixel is missed", EVERY,
             put(pixel.PixelTally, "f1_optimal", property(lambda tally: tally.full_recall))),
    Mutation("95 % recall taken for 100 %", EVERY,
             wrap(definitions, "_false_positive_rate", lambda f, points, _: f(points, 100))),
    Mutation("AUPIMO up to 5e-5", "patchcore-10,padim", put(pimo, "RATES", (1e-5, 5e-5)),
             categories=LARGE),
    Mutation("AUPIMO with the sum of images' rates", "patchcore-10,padim",
             wrap(pimo.NominalTail, "rates", lambda f, tail, thresholds:
                  tail.sizes.size * f(tail, thresholds)), categories=LARGE),
    Mutation("images cropped one pixel to the right", EVERY,
             wrap(crops, "load_image", one_to_the_right), before_features=True),
    Mutation("images resized to one pixel more", EVERY,
             wrap(crops, "load_image", lambda f, path, size, *rest, **named:
                  f(path, size + 1, *rest, **named)), before_features=True),
    Mutation("images resized to the nearest pixel", EVERY,
             wrap(images, "frame", lambda f, image, resize, size, _, fit:
                  f(image, resize, size, Image.Resampling.NEAREST, fit)), before_features=True),
    Mutation("filter bank without yellow-blue", EVERY,
             wrap(filterbank.FilterBank, "__init__", without_blue), before_features=True),
    Mutation("filter bank's energies not scaled", EVERY,
             wrap(filterbank, "_compress", lambda f, kind, energy: f(kind, energy) / 20),
             before_features=True),
]
# fmt: on

BLESSINGS = (
    Mutation("SPADE without level 3", "spade,spade-5", put(spade, "PIXEL_LEVELS", (1, 2))),
    Mutation("PaDiM takes the first dimensions", "padim", wrap(padim.Padim, "_choose", first_dims)),
)
"""Faults that raise all that they change at this image size."""

INVISIBLE = Mutation("AUROC counts ties as found", EVERY, wrap(metrics.Tally, "auroc", ties_found))
"""A fault in what doesn't occur: no defect pixel here ties with a defect-free one."""


# --- the gate --------------------------------------------------------------------------------


class Gate:
    """Runs the benchmark's command on part of the gate's cells and compares them.

    Args:
        folder: where the data set, features and runs go.
        categories: those that are drawn.
    """

    def __init__(self, folder: Path, categories: tuple[str, ...] = CATEGORIES + LARGE) -> None:
        self._folder, self._runs = folder, 0
        with Patch.context() as patch:
            chosen = {name: writing.PRODUCTS[name] for name in categories}
            patch.setattr(writing, "PRODUCTS", chosen)
            writing.ensure(folder / "cache")

    def cache_without_features(self, name: str) -> Path:
        """Return a new cache's folder; the data set is there, drawn once for all."""
        cache = self._folder / name
        shutil.copytree(self._folder / "cache" / synthetic.VERSION, cache / synthetic.VERSION)
        return cache

    def rows(
        self,
        methods: str,
        plant: Plant = lambda patch: None,
        categories: tuple[str, ...] = CATEGORIES,
        *,
        extract: bool = False,
    ) -> list[Row]:
        """Return what the baseline judges of these methods, evaluated with a fault planted.

        Args:
            methods: as for --methods.
            plant: plants the fault.
            categories: in which order.
            extract: whether features are made anew, which a fault before them needs.
        """
        self._runs += 1
        out, cache = self._folder / f"run-{self._runs}", self._folder / "cache"
        if extract:
            cache = self.cache_without_features(f"cache-{self._runs}")
        baseline = read(BASELINE)
        asked = [
            cell
            for cell in baseline.cells
            if cell.spec.category in categories and cell.spec.method in methods.split(",")
        ]
        (size,) = {cell.spec.protocol.image_size for cell in asked}
        arguments = ["--methods", methods, "--categories", ",".join(categories)]
        arguments += ["--image-size", str(size), "--cache", str(cache), "--out", str(out)]
        with surroundings() as patch:
            torch.set_num_threads(1)  # on a busy machine, waiting for others takes minutes
            plant(patch)
            run.main([*arguments, "--device", "cpu"])
        cells = Store(out).cells()
        assert len(cells) == len(categories) * len(methods.split(","))
        return judged(replace(baseline, cells=tuple(asked)), cells)


Calls = dict[int, tuple[tuple[str, ...], tuple[str, ...]]]
"""Image size → the methods and the categories of a call."""


def calls(baseline: Baseline) -> Calls:
    """Return the calls that a baseline's cells are from."""
    by_size: dict[int, tuple[dict[str, None], dict[str, None]]] = {}
    for cell in baseline.cells:
        methods, categories = by_size.setdefault(cell.spec.protocol.image_size, ({}, {}))
        methods[cell.spec.method], categories[cell.spec.category] = None, None
    return {size: (tuple(names), tuple(places)) for size, (names, places) in by_size.items()}


def judged(baseline: Baseline, cells: Iterable[Cell]) -> list[Row]:
    """Return the rows of the metrics that the baseline has values of."""
    return [row for row in compare(baseline, cells) if row.metric in baseline.tolerances]


@contextmanager
def surroundings() -> Iterator[Patch]:
    """Leave out tables, figures and the report, and keep the process's threads as they are."""
    threads = torch.get_num_threads()
    with Patch.context() as patch:
        patch.delenv("MVTEC_AD_ROOT", raising=False)
        patch.setattr(program, "_show", lambda *_: None)
        yield patch
    torch.set_num_threads(threads)


def table(gate: Gate) -> str:
    """Return, as Markdown, how many rows each fault turns."""
    lines = ["| fault | methods | rows | worse | better | unchanged |", "|:--|:--|--:|--:|--:|--:|"]
    for one in (*MUTATIONS, *BLESSINGS, INVISIBLE):
        rows = gate.rows(one.methods, one.plant, one.categories, extract=one.before_features)
        marks = Counter(row.mark for row in rows)
        numbers = [len(rows), *(marks[mark] for mark in ("worse", "better", "unchanged"))]
        methods = one.methods.replace(",", ", ")
        lines.append(f"| {one.name} | {methods} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)

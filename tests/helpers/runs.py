"""Builds small runs and lets the store write them, for tests of what reads them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics.pixel import pro_curve, thinned
from benchmarks.results import Cell as StoredCell
from benchmarks.results import Store
from benchmarks.results.previews import map_sheet, picture_sheets
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol, Interpolation

MVTEC_AD = [
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut"),
    *("pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper"),
]


@dataclass(frozen=True)
class Cell:
    """One stored cell; a value of None is undefined, and `values` are void where it failed."""

    category: str
    method: str
    values: Mapping[str, float | None] = field(default_factory=dict)
    seed: int = 0
    shots: int | None = None
    dataset: str = "parts"
    fingerprint: str = "f0"
    status: str = "ok"
    started: str = "2025-03-04T05:06:07+00:00"
    backbone: str = "wide_resnet50_2"
    weights: str = "IMAGENET1K_V1"
    image_size: int = 224
    smoothing_sigma: float = 4.0
    interpolation: Interpolation = "bilinear"
    scores: tuple[Sequence[int], Sequence[float]] | None = None
    """Labels and scores of the test images."""
    maps: Mapping[str, Any] | None = None
    """Arrays of the example maps."""
    traceback: str = ""
    calibrate: float | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    """Further columns of metrics.csv: counts, seconds, memory."""

    @property
    def spec(self) -> CellSpec:
        """What the cell's numbers depend on."""
        backbone = BackboneSpec(self.backbone, self.weights, "ab" * 32, {2: "layer2", 3: "layer3"})
        protocol = EvaluationProtocol(
            backbone,
            self.image_size,
            smoothing_sigma=self.smoothing_sigma,
            interpolation=self.interpolation,
        )
        return CellSpec(
            self.dataset,
            self.fingerprint,
            self.category,
            self.method,
            {},
            protocol,
            self.seed,
            self.shots,
            calibrate=self.calibrate,
        )

    @property
    def stored(self) -> StoredCell:
        """What the store gets of it."""
        failed = self.status == "failed"
        values = {} if failed else self.values
        return StoredCell(
            self.spec,
            self.status,
            "out of memory" if failed else "",
            {name: _number(value) for name, value in values.items()},
            started_utc=self.started,
            **self.measured,  # type: ignore[arg-type]
        )

    @property
    def images(self) -> list[tuple[str, int, float]]:
        """Path, label and score of each test image."""
        return [
            (f"test/{'bad' if label else 'good'}/{number:03}.png", label, score)
            for number, (label, score) in enumerate(zip(*(self.scores or ((), ())), strict=True))
        ]


def write_run(folder: Path, cells: Sequence[Cell]) -> Path:
    """Store the cells, each begun a millisecond after the one before; return `folder`."""
    store = Store(folder)
    shutil.rmtree(folder / "cells", ignore_errors=True)
    for number, cell in enumerate(cells):
        begun = datetime.fromisoformat(cell.started) + timedelta(milliseconds=number)
        stored = replace(cell.stored, started_utc=begun.isoformat(timespec="milliseconds"))
        store.write(stored, cell.images, cell.maps, cell.traceback)
    store.write_metrics()
    return folder


def _number(value: float | None) -> float | None:
    return None if value is None or isnan(value) else value


def previews_of(images: Any, masks: Any, maps: Any) -> dict[str, Any]:
    """Return the previews that a cell stores of its test images and maps."""
    return picture_sheets(images, masks) | map_sheet(maps, thinned(*pro_curve(maps, masks)))


def generator(*names: object) -> np.random.Generator:
    """Return random numbers that depend on `names` alone."""
    return np.random.default_rng(int.from_bytes(sha256(repr(names).encode()).digest()[:8]))


def some_scores(category: str, method: str) -> tuple[list[int], list[float]]:
    """Return labels and overlapping, partly tied scores of 60 images."""
    random = generator(category, method)
    labels = [0] * 20 + [1] * 40
    scores = random.normal(loc=np.multiply(labels, random.uniform(1, 3)))
    return labels, scores.round(1).tolist()


def some_maps(category: str, method: str, count: int = 4, size: int = 64) -> dict[str, Any]:
    """Return example maps: a square defect on a texture, nothing on the first image."""
    random = generator(category)
    images = random.integers(90, 150, (count, size, size, 3)).astype(np.uint8)
    masks = np.zeros((count, size, size), dtype=bool)
    for number in range(1, count):
        top, left = random.integers(4, size // 2, 2)
        masks[number, top : top + size // 4, left : left + size // 3] = True
    images[masks] //= 2
    maps = masks + generator(category, method).normal(scale=0.2, size=masks.shape)
    return {
        "names": np.array([f"test/{'bent' if n else 'good'}/{n:03}.png" for n in range(count)]),
        "images": images,
        "masks": masks,
        "maps": maps.astype(np.float32),
        "scores": maps.max(axis=(1, 2)),
    }

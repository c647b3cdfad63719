"""Writes small run folders in the stored format, for tests of what reads them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics.definitions import METRICS
from benchmarks.results.previews import map_sheet, picture_sheets
from benchmarks.specs import BackboneSpec, CellSpec, Protocol

COLUMNS = [
    *("run", "dataset", "dataset_fingerprint", "category", "method", "params", "backbone"),
    *("weights", "weights_sha256", "image_size", "seed", "shots", "metric", "value", "unit"),
    *("higher_is_better", "n_train", "n_test_good", "n_test_defect", "status", "error"),
    *("fit_seconds", "score_seconds", "peak_memory_mb", "device", "git_sha", "versions"),
    *("started_utc", "layers", "dtype", "mask_resize", "smoothing_sigma", "resize"),
    "spec",
]

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
    scores: tuple[Sequence[int], Sequence[float]] | None = None
    """Labels and scores of the test images."""
    maps: Mapping[str, Any] | None = None
    """Arrays of the example maps."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Further columns of metrics.csv: counts, seconds, memory."""

    @property
    def spec(self) -> CellSpec:
        """What the cell's numbers depend on."""
        backbone = BackboneSpec(self.backbone, self.weights, "ab" * 32, {2: "layer2", 3: "layer3"})
        protocol = Protocol(backbone, self.image_size, smoothing_sigma=self.smoothing_sigma)
        return CellSpec(
            self.dataset,
            self.fingerprint,
            self.category,
            self.method,
            {},
            protocol,
            self.seed,
            self.shots,
        )

    @property
    def stem(self) -> str:
        """Where the cell's files lie."""
        return f"{self.method}/{self.category}-s{self.seed}-{self.spec.key[:8]}"


def write_run(folder: Path, cells: Sequence[Cell]) -> Path:
    """Write metrics.csv, and the cells with their scores and maps; return `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    metrics = [name for name in METRICS if any(name in cell.values for cell in cells)]
    with (folder / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(row for cell in cells for row in _rows(cell, metrics))
    for cell in cells:
        _write_files(folder, cell)
    return folder


def _rows(cell: Cell, metrics: Sequence[str]) -> list[dict[str, Any]]:
    protocol = cell.spec.protocol
    shared = {
        "run": "fake",
        "dataset": cell.dataset,
        "dataset_fingerprint": cell.fingerprint,
        "category": cell.category,
        "method": cell.method,
        "params": "{}",
        "backbone": cell.backbone,
        "weights": cell.weights,
        "weights_sha256": protocol.backbone.weights_sha256,
        "image_size": cell.image_size,
        "seed": cell.seed,
        "shots": cell.shots,
        "status": cell.status,
        "error": "out of memory" if cell.status == "failed" else "",
        "started_utc": cell.started,
        "layers": json.dumps(protocol.backbone.layers),
        "dtype": protocol.dtype,
        "mask_resize": protocol.mask_resize,
        "smoothing_sigma": cell.smoothing_sigma,
        "resize": protocol.resize,
        "spec": cell.spec.key[:16],
        **cell.measured,
    }
    failed = cell.status == "failed"
    return [
        shared
        | {
            "metric": name,
            "value": None if failed else cell.values[name],
            "unit": METRICS[name].unit,
            "higher_is_better": METRICS[name].higher_is_better,
        }
        for name in metrics
        if failed or name in cell.values
    ]


def _write_files(folder: Path, cell: Cell) -> None:
    stored: dict[str, Any] = {"spec": cell.spec.as_dict(), "status": cell.status}
    stored |= {"metrics": dict(cell.values), "scores": None, "maps": None}
    if cell.scores is not None:
        path = folder / "scores" / f"{cell.stem}.csv"
        stored["scores"] = path.relative_to(folder).as_posix()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("path", "label", "score"))
            for number, (label, score) in enumerate(zip(*cell.scores, strict=True)):
                writer.writerow(
                    (f"test/{'bad' if label else 'good'}/{number:03}.png", label, score)
                )
    if cell.maps is not None:
        path = folder / "maps" / f"{cell.stem}.npz"
        stored["maps"] = path.relative_to(folder).as_posix()
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **cell.maps)
    path = folder / "cells" / f"{cell.stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stored), encoding="utf-8")


def previews_of(images: Any, masks: Any, maps: Any) -> dict[str, Any]:
    """Return the previews that a cell stores of its test images and maps."""
    return picture_sheets(images, masks) | map_sheet(maps, masks)


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

"""One cell: fit a method, score the test images, finish the maps, measure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.datasets import Category, Sample, load_image, load_mask
from benchmarks.errors import BenchmarkError
from benchmarks.features import Arrays, Split
from benchmarks.machine import PeakMemory, git_sha, versions
from benchmarks.metrics import image_metrics, pixel_metrics
from benchmarks.protocol import CellSpec, Protocol
from benchmarks.store import Cell
from methods import create
from methods.base import Features, Scores
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

RESIDENT_SHARE = 0.5
"""Share of the memory that a category's features may take on a GPU; beyond it they stream."""

FINISHED_IMAGES = 16
"""Maps that are finished together."""


@dataclass(frozen=True)
class Evaluated:
    """A cell and what is stored beside it."""

    cell: Cell
    scores: Sequence[tuple[str, int, float]] = ()
    maps: Mapping[str, np.ndarray[Any, Any]] | None = None


class CategoryData:
    """What all cells of one category share: features on the device, and ground truth."""

    def __init__(
        self,
        category: Category,
        arrays: Mapping[Split, Arrays],
        protocol: Protocol,
        device: str,
        memory: int,
    ) -> None:
        self.category, self.protocol, self.device = category, protocol, device
        self.features = _on_device(arrays, device, memory)
        self.labels = np.array([sample.label for sample in category.test])
        self.masks = np.stack([self._mask(sample) for sample in category.test])

    def _mask(self, sample: Sample) -> np.ndarray[Any, Any]:
        p = self.protocol
        return load_mask(sample.mask, p.resize, p.image_size, p.mask_resize)

    def image(self, sample: Sample) -> np.ndarray[Any, Any]:
        """Return an image as the backbone saw it, (S, S, 3) uint8."""
        return load_image(sample.path, self.protocol.resize, self.protocol.image_size)


def _on_device(arrays: Mapping[Split, Arrays], device: str, memory: int) -> dict[Split, Features]:
    """Return features whose arrays already lie on a GPU where they fit, else stream to it."""
    needed = sum(array.size * 4 for levels in arrays.values() for array in levels.values())
    if device == "cpu" or needed > RESIDENT_SHARE * memory:
        return {split: Features(a, device=device, memory=memory) for split, a in arrays.items()}
    return {
        split: Features(
            {i: torch.from_numpy(np.array(a)).to(device).float() for i, a in levels.items()},
            device=device,
            memory=memory - needed,
        )
        for split, levels in arrays.items()
    }


def evaluate(spec: CellSpec, data: Callable[[], CategoryData], *, all_maps: bool) -> Evaluated:
    """Return the cell of `spec`; whatever goes wrong inside becomes a failed cell.

    Args:
        spec: what to evaluate.
        data: brings the category's data; its failure is the cell's.
        all_maps: keep the maps of all test images, not only of one a kind.
    """
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    made_by: dict[str, Any] = {"git_sha": git_sha(), "versions": versions()}
    try:
        return _measure(spec, data(), started, made_by, all_maps=all_maps)
    except Exception as error:  # noqa: BLE001 the cell's boundary: a failure is a result
        cell = Cell(
            spec.as_dict(), "failed", error=_one_line(error), started_utc=started, **made_by
        )
        return Evaluated(cell)


def _measure(
    spec: CellSpec,
    data: CategoryData,
    started: str,
    made_by: Mapping[str, Any],
    *,
    all_maps: bool,
) -> Evaluated:
    training = shots(data.features["train"], spec.shots, spec.seed)
    memory = PeakMemory(data.device)
    begun = time.perf_counter()
    method = create(spec.method).fit(training, torch.Generator().manual_seed(spec.seed))
    memory.synchronise()
    fitted = time.perf_counter()
    scores = method.score(data.features["test"])
    finished = finish(scores, spec.protocol.image_size, spec.protocol.smoothing_sigma)
    image_scores = finished.amax(dim=(1, 2)) if scores.images is None else scores.images
    maps, ranked = finished.cpu().numpy(), image_scores.double().cpu().numpy()
    scored = time.perf_counter()
    metrics = {**image_metrics(data.labels, ranked), **pixel_metrics(maps, data.masks)}
    cell = Cell(
        spec.as_dict(),
        "ok",
        metrics={name: None if np.isnan(value) else value for name, value in metrics.items()},
        n_train=len(training),
        n_test_good=int((data.labels == 0).sum()),
        n_test_defect=int((data.labels == 1).sum()),
        fit_seconds=fitted - begun,
        score_seconds=scored - fitted,
        peak_memory_mb=memory.megabytes(),
        device=data.device,
        started_utc=started,
        **made_by,
    )
    rows = [(s.name, s.label, float(v)) for s, v in zip(data.category.test, ranked, strict=True)]
    return Evaluated(cell, rows, _kept_maps(data, maps, ranked, all_maps=all_maps))


def shots(features: Features, count: int | None, seed: int) -> Features:
    """Return `count` training images drawn by the seed; its 5 shots contain its 2 shots.

    Raises:
        BenchmarkError: there are fewer images than that.
    """
    if count is None:
        return features
    if count > len(features):
        raise BenchmarkError(f"{count} shots asked for, but there are {len(features)} images")
    drawn = np.random.default_rng(seed).permutation(len(features))[:count]
    return features.select(sorted(drawn.tolist()))


def finish(scores: Scores, size: int, sigma: float) -> Tensor:
    """Return anomaly maps at the crop's resolution, (N, size, size) float32.

    Bilinear upsampling, then a Gaussian (`scipy.ndimage.gaussian_filter`'s, reflecting, cut at
    four sigma). Both are linear and separable, so that together they are one matrix on either side
    of a map. Several maps an image are averaged.

    Args:
        scores: a method's scores, its maps (N, h, w).
        size: side of the crop in pixels.
        sigma: the Gaussian's standard deviation in pixels, 0 for none.
    """
    maps = scores.maps if isinstance(scores.maps, tuple) else (scores.maps,)
    sides = [
        [_finishing_matrix(length, size, sigma).to(one.device) for length in one.shape[1:]]
        for one in maps
    ]
    finished = maps[0].new_empty(len(maps[0]), size, size, dtype=torch.float32)
    for start in range(0, len(finished), FINISHED_IMAGES):
        images = slice(start, start + FINISHED_IMAGES)
        total = torch.zeros((), dtype=torch.float64, device=finished.device)
        for one, (down, across) in zip(maps, sides, strict=True):
            total = total + down @ one[images].double() @ across.T  # (size, h) (n, h, w) (w, size)
        finished[images] = total / len(maps)
    return finished


def _finishing_matrix(length: int, size: int, sigma: float) -> Tensor:
    """Return bilinear upsampling and smoothing along one axis as a matrix (size, length)."""
    from scipy.ndimage import gaussian_filter1d

    identity = torch.eye(length, dtype=torch.float64)[None]
    upsampling = torch.nn.functional.interpolate(identity, size=size, mode="linear")[0].T
    if sigma == 0:
        return upsampling
    smoothed = gaussian_filter1d(upsampling.numpy(), sigma, axis=0, mode="reflect", truncate=4.0)
    return torch.from_numpy(smoothed)


def _kept_maps(
    data: CategoryData,
    maps: np.ndarray[Any, Any],
    scores: np.ndarray[Any, Any],
    *,
    all_maps: bool,
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the maps to store, with what a figure needs to show them: one a kind, or all."""
    samples = data.category.test
    kinds = [sample.defect for sample in samples]
    kept = list(range(len(samples))) if all_maps else [kinds.index(k) for k in sorted(set(kinds))]
    return {
        "names": np.array([samples[i].name for i in kept]),
        "images": np.stack([data.image(samples[i]) for i in kept]),
        "masks": data.masks[kept],
        "maps": maps[kept],
        "scores": scores[kept],
    }


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, BenchmarkError) else f"{type(error).__name__}: {text}"

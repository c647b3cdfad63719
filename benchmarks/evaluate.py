"""One cell: fit a method, score the test images, finish the maps, measure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.datasets import Category, Sample, load_image, load_mask
from benchmarks.errors import BenchmarkError
from benchmarks.features import Arrays, Split
from benchmarks.machine import PeakMemory, git_sha, versions
from benchmarks.metrics import f1_optimal, image_metrics, pixel_metrics
from benchmarks.previews import map_sheet, picture_sheets
from benchmarks.protocol import CellSpec, Protocol
from benchmarks.store import Cell
from methods import create
from methods.base import Features, Scores
from methods.components.precision import full_precision
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

RESIDENT_SHARE = 0.5
"""Share of the memory that a category's features may take on a GPU; beyond it they stream."""

BUDGETS = (1, 1 / 4, 1 / 16, 1 / 64)
"""Shares of its memory that a method gets, one after the other, where the device has none left."""

FINISHED_IMAGES = 16
"""Maps that are finished together."""


Stage = Literal["features", "fit", "score", "measure"]

KeptMaps = Literal["none", "errors", "all"]
"""Which anomaly maps are stored; errors: what is misclassified at the F1-optimal threshold, and
one image of every kind."""


@dataclass(frozen=True)
class Job:
    """A cell to evaluate, the maps to store beside it, and those that it is useless without."""

    spec: CellSpec
    kept_maps: KeptMaps = "errors"
    needed_maps: KeptMaps = "none"


@dataclass(frozen=True)
class Evaluated:
    """A cell and what is stored beside it."""

    cell: Cell
    scores: Sequence[tuple[str, int, float]] = ()
    maps: Mapping[str, np.ndarray[Any, Any]] | None = None


@dataclass(frozen=True)
class Scored:
    """What a fitted method says of N test images, its maps finished.

    Attributes:
        images: image scores, (N,) float64.
        maps: anomaly maps at the crop's resolution, (N, S, S) float32.
        fit_seconds: time to fit.
        score_seconds: time to score and to finish the maps.
    """

    images: np.ndarray[Any, Any]
    maps: np.ndarray[Any, Any]
    fit_seconds: float
    score_seconds: float


class CategoryData:
    """What all cells of one category share: features on the device, and ground truth.

    Args:
        category: its images.
        members: the features' arrays, one set for each member of an ensemble.
        protocol: how images and masks are read.
        device: where features go.
        memory: bytes on it that a method may fill with what it could do without.
    """

    def __init__(
        self,
        category: Category,
        members: Sequence[Mapping[Split, Arrays]],
        protocol: Protocol,
        device: str,
        memory: int,
    ) -> None:
        self.category, self.protocol, self.device = category, protocol, device
        share = memory // len(members)
        self.members = [_on_device(arrays, device, share) for arrays in members]
        self.labels = np.array([sample.label for sample in category.test])
        self.masks = np.stack([self._mask(sample) for sample in category.test])

    def _mask(self, sample: Sample) -> np.ndarray[Any, Any]:
        p = self.protocol
        return load_mask(sample.masks, p.resize, p.image_size, p.mask_resize)

    def image(self, sample: Sample) -> np.ndarray[Any, Any]:
        """Return an image as the backbone saw it, (S, S, 3) uint8."""
        return load_image(sample.path, self.protocol.resize, self.protocol.image_size)

    @cached_property
    def pictures(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Small previews of all test images and their defects, as they are stored."""
        return picture_sheets(map(self.image, self.category.test), self.masks)


def _on_device(arrays: Mapping[Split, Arrays], device: str, memory: int) -> dict[Split, Features]:
    """Return features whose arrays already lie on a GPU where they fit, else stream to it."""
    needed = sum(array.size * 4 for levels in arrays.values() for array in levels.values())
    streamed = {split: Features(a, device=device, memory=memory) for split, a in arrays.items()}
    if device == "cpu" or needed > RESIDENT_SHARE * memory:
        return streamed
    try:
        return _resident(arrays, device, memory - needed)
    except torch.OutOfMemoryError:  # another process has taken what was free
        torch.cuda.empty_cache()
        return streamed


def _resident(arrays: Mapping[Split, Arrays], device: str, memory: int) -> dict[Split, Features]:
    """Return features whose arrays lie on a GPU, beside `memory` bytes that a method may fill."""
    return {
        split: Features(
            {i: torch.from_numpy(np.array(a)).to(device).float() for i, a in levels.items()},
            device=device,
            memory=memory,
        )
        for split, levels in arrays.items()
    }


def evaluate(
    job: Job, data: Callable[[], CategoryData], at: Callable[[Stage], None] = lambda stage: None
) -> Evaluated:
    """Return the cell of `job`; whatever goes wrong inside becomes a failed cell.

    Args:
        job: what to evaluate.
        data: brings the category's data; its failure is the cell's.
        at: called at the start of each stage; an ensemble fits and scores once a member.
    """
    started = _now()
    made_by: dict[str, Any] = {"git_sha": git_sha(), "versions": versions()}
    try:
        at("features")
        return _measure(job, data(), started, made_by, at)
    except Exception as error:  # noqa: BLE001 the cell's boundary: a failure is a result
        return failed(job, _one_line(error), started)


def failed(job: Job, why: str, started: str = "") -> Evaluated:
    """Return the cell of a job that failed.

    Args:
        job: the job.
        why: one line.
        started: when, as ISO 8601 in UTC; now where it is empty.
    """
    cell = Cell(
        job.spec.as_dict(),
        "failed",
        error=why,
        started_utc=started or _now(),
        git_sha=git_sha(),
        versions=versions(),
    )
    return Evaluated(cell)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _measure(
    job: Job,
    data: CategoryData,
    started: str,
    made_by: Mapping[str, Any],
    at: Callable[[Stage], None],
) -> Evaluated:
    memory = PeakMemory(data.device)
    scored = combined([_score_within(job.spec, one, memory, at) for one in data.members])
    at("measure")
    metrics = {
        **image_metrics(data.labels, scored.images),
        **pixel_metrics(scored.maps, data.masks),
    }
    cell = Cell(
        job.spec.as_dict(),
        "ok",
        metrics={name: None if np.isnan(value) else value for name, value in metrics.items()},
        n_train=len(data.category.train) if job.spec.shots is None else job.spec.shots,
        n_test_good=int((data.labels == 0).sum()),
        n_test_defect=int((data.labels == 1).sum()),
        fit_seconds=scored.fit_seconds,
        score_seconds=scored.score_seconds,
        peak_memory_mb=memory.megabytes(),
        device=data.device,
        started_utc=started,
        **made_by,
    )
    test = data.category.test
    rows = [(s.name, s.label, float(v)) for s, v in zip(test, scored.images, strict=True)]
    return Evaluated(cell, rows, _maps(data, scored, job.kept_maps))


def _score_within(
    spec: CellSpec,
    features: Mapping[Split, Features],
    memory: PeakMemory,
    at: Callable[[Stage], None],
) -> Scored:
    """Score with less memory to spare where the device runs out of it; no number depends on it.

    Raises:
        BenchmarkError: even the least is too much.
    """
    device, spare = features["train"].device, 0
    for share in BUDGETS:
        spare = int(share * features["train"].memory)
        try:
            within = {split: f.within(spare) for split, f in features.items()}
            return _score(spec, within, memory, at)
        except torch.OutOfMemoryError:
            if device.type == "cuda":
                torch.cuda.empty_cache()
    raise BenchmarkError(
        f"{spec.method} ran out of memory on {device}, with {spare / 1e9:.2f} GB to spare, too: "
        "pass --device cpu or a smaller --image-size"
    )


def _score(
    spec: CellSpec,
    features: Mapping[Split, Features],
    memory: PeakMemory,
    at: Callable[[Stage], None],
) -> Scored:
    """Fit the method to one member's training features, and score the test images."""
    training = shots(features["train"], spec.shots, spec.seed)
    at("fit")
    begun = time.perf_counter()
    with full_precision():
        method = create(spec.method).fit(training, torch.Generator().manual_seed(spec.seed))
        memory.synchronise()
        at("score")
        fitted = time.perf_counter()
        scores = method.score(features["test"])
        finished = finish(scores, spec.protocol.image_size, spec.protocol.smoothing_sigma)
    image_scores = finished.amax(dim=(1, 2)) if scores.images is None else scores.images
    images, maps = image_scores.double().cpu().numpy(), finished.cpu().numpy()
    return Scored(images, maps, fitted - begun, time.perf_counter() - fitted)


def combined(members: Sequence[Scored]) -> Scored:
    """Return an ensemble's scores: each member's min-max normalised over the test set, averaged.

    (The official PatchCore code's ensemble.) A single member's stay as they are.
    """
    if len(members) == 1:
        return members[0]
    share = 1 / len(members)
    images, maps = np.zeros_like(members[0].images), np.zeros_like(members[0].maps)
    for member in members:
        images += share * _normalised(member.images)
        maps += share * _normalised(member.maps)
    return Scored(
        images,
        maps,
        sum(member.fit_seconds for member in members),
        sum(member.score_seconds for member in members),
    )


def _normalised(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    least, greatest = scores.min(), scores.max()
    return (scores - least) / (greatest - least if greatest > least else 1)


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


def _maps(
    data: CategoryData, scored: Scored, kept_maps: KeptMaps
) -> dict[str, np.ndarray[Any, Any]] | None:
    """Return the maps to store, with what shows them, and small previews of all of them."""
    if kept_maps == "none":
        return None
    samples = data.category.test
    rows = list(range(len(samples)))
    if kept_maps == "errors":
        kinds = [sample.defect for sample in samples]
        examples = [kinds.index(kind) for kind in sorted(set(kinds))]
        wrong = _misclassified(data.labels, scored.images)
        rows = [*examples, *(row for row in wrong if row not in examples)]
    return {
        "names": np.array([samples[i].name for i in rows]),
        "images": np.stack([data.image(samples[i]) for i in rows]),
        "masks": data.masks[rows],
        "maps": scored.maps[rows],
        "scores": scored.images[rows],
        **data.pictures,
        **map_sheet(scored.maps, data.masks),
    }


def _misclassified(labels: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> list[int]:
    """Return which images the F1-optimal threshold gets wrong; none where one class is missing."""
    point = f1_optimal(labels, scores)
    if point is None:
        return []
    return np.flatnonzero((scores >= point.threshold) != (labels == 1)).tolist()


def _one_line(error: BaseException) -> str:
    if isinstance(error, torch.AcceleratorError):  # the process can't use the GPU any more
        return (
            f"the GPU gave up ({str(error).partition(chr(10))[0]}): run the same command again, "
            "which goes on with what is missing"
        )
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, BenchmarkError) else f"{type(error).__name__}: {text}"

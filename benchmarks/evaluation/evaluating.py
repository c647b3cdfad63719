"""One cell: fit a method, score the test images, post-process the maps, measure."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from benchmarks.array_types import Curve
from benchmarks.datasets.seen import unseen_area
from benchmarks.device_memory import within_budgets
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.category import CategoryData, GroundTruth
from benchmarks.evaluation.device import PeakMemory, card_of
from benchmarks.evaluation.hints import find_hints
from benchmarks.evaluation.job import Evaluated, Failure, Job, KeptMaps, Prediction, Stage
from benchmarks.evaluation.kept_maps import maps_to_keep
from benchmarks.evaluation.method_code import is_judged
from benchmarks.evaluation.provenance import git_sha, versions
from benchmarks.evaluation.scoring import fit_method, score_images
from benchmarks.features import Split
from benchmarks.metrics.calibrated import HeldOut, calibrated_metrics
from benchmarks.metrics.definitions import level_values
from benchmarks.metrics.image import image_metrics
from benchmarks.metrics.pixel import measure_pixels
from benchmarks.results import Cell
from benchmarks.specs import CellSpec
from methods import checks
from methods.base import Features, Method
from methods.components.precision import full_precision
from methods.lazy import torch

DRAWN = "draws from {} global generator, which the run seeds: draw from `fit`'s `generator`"

OnStage = Callable[[Stage], None]
"""Called at the start of each stage of a cell."""

BySplit = Mapping[Split, Features]

Measuring = Callable[[OnStage], Evaluated]


def evaluate(
    job: Job, data: Callable[[], CategoryData], at: OnStage = lambda stage: None
) -> Evaluated:
    """Return the cell of `job`; whatever goes wrong inside becomes a failed cell.

    Args:
        job: what to evaluate.
        data: loads the category's data; where it fails, so does the cell.
        at: called at the start of each stage; an ensemble fits and scores once a member.
    """
    return predict(job, data, at)(at)


def predict(job: Job, data: Callable[[], CategoryData], at: OnStage) -> Measuring:
    """Fit and score; return what measures the prediction, which needs the device no more.

    Args:
        job: as for `evaluate`.
        data: as for `evaluate`.
        at: as for `evaluate`.

    Returns:
        A function of `at` that returns the cell; failures before it and in it become failed cells.
    """
    cell = replace(begun(job.spec), code=job.code)
    try:
        at("features")
        category = data()
        memory = PeakMemory(category.device)
        draw = category.truth.draw(job.spec)
        truth = category.truth.shifted(job.spec.shift).select(draw.judged)
        with checks.seeded_generators(job.spec.seed) as drawn:
            members = [_score_within(job, member, memory, at, truth) for member in category.members]
        prediction = average_members(members)
        cell = replace(
            cell,
            device=category.device,
            card=card_of(category.device),
            peak_memory_mb=memory.megabytes(),
            warnings=[DRAWN.format(name) for name in sorted(drawn)],
        )
    except Exception as error:  # noqa: BLE001 the cell's boundary: a failure is a result
        outcome = failed(cell, failure_of(error))
        return lambda at: outcome
    return partial(_measure, cell, truth, prediction, kept_maps=job.kept_maps)


def measure(
    spec: CellSpec, kept_maps: KeptMaps, truth: GroundTruth, prediction: Prediction
) -> Evaluated:
    """Return the cell of a prediction that was made elsewhere; failures become failed cells.

    Args:
        spec: everything that its numbers depend on.
        kept_maps: which maps are stored beside the cell.
        truth: the category's test images.
        prediction: their scores.
    """
    return _measure(begun(spec), truth, prediction, lambda stage: None, kept_maps=kept_maps)


def begun(spec: CellSpec) -> Cell:
    """Return a cell without an outcome: its specification, when it began, and the versions."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Cell(spec, "failed", started_utc=now, git_sha=git_sha(), versions=versions())


def failed(cell: Cell, failure: Failure) -> Evaluated:
    """Return a cell, from `begun`, as a failed one."""
    return Evaluated(replace(cell, error=failure.reason), traceback=failure.traceback)


def failure_of(error: BaseException) -> Failure:
    """Return why a cell fails, with the traceback unless it is an error for the user to mend."""
    text = _encodable(" ".join(str(error).split())) or type(error).__name__
    if isinstance(error, BenchmarkError | checks.ConformanceError):
        return Failure(text)
    lines = _encodable("".join(traceback.format_exception(error)))
    if isinstance(error, torch.AcceleratorError):  # the process can't use the GPU any more
        first = str(error).partition("\n")[0]
        return Failure(
            f"the GPU gave up ({first}): run the same command again, which goes on with what is "
            "missing",
            lines,
        )
    return Failure(f"{type(error).__name__}: {text}", lines)


def _encodable(text: str) -> str:
    """Return text with characters that UTF-8 can't encode, as in some file names, escaped."""
    return text.encode(errors="backslashreplace").decode()


def _measure(
    cell: Cell, truth: GroundTruth, prediction: Prediction, at: OnStage, *, kept_maps: KeptMaps
) -> Evaluated:
    try:
        at("measure")
        of_pixels, pro = _measured_pixels(truth, prediction)
        metrics = {**image_metrics(truth.labels, prediction.images), **of_pixels}
        if held_out := prediction.held_out:
            images, pixels = (truth.labels, prediction.images), (truth.masks, prediction.maps)
            metrics |= calibrated_metrics(held_out, images, pixels, truth.ignored)
        names = zip(truth.category.test, prediction.images, strict=True)
        rows = [(sample.name, sample.label, float(score)) for sample, score in names]
        hints = find_hints(metrics, truth.labels, truth.masks, prediction.images, prediction.maps)
        named = f"{cell.spec.method} s{cell.spec.seed}"
        lines = [f"{named}: {hint}" for hint in (*cell.warnings, *hints)]
        cell = replace(cell, warnings=[*truth.category.warnings, *lines])
        measured = _measured(cell, truth, prediction, metrics)
        kept = maps_to_keep(truth, prediction, kept_maps, pro)
        return Evaluated(measured, rows, kept, hints=lines, held_out=held_out)
    except Exception as error:  # noqa: BLE001 the cell's boundary: a failure is a result
        return failed(cell, failure_of(error))


def _measured_pixels(truth: GroundTruth, prediction: Prediction) -> tuple[dict[str, float], Curve]:
    """Return pixel-level metrics and the PRO curve; NaN and an empty one without maps."""
    if not prediction.has_maps:
        return level_values("pixel", None), (np.empty(0), np.empty(0))
    nominal = truth.labels == 0
    return measure_pixels(prediction.maps, truth.masks, truth.ignored, truth.regions, nominal)


def _measured(
    cell: Cell, truth: GroundTruth, prediction: Prediction, metrics: Mapping[str, float]
) -> Cell:
    lost, held_out = truth.lost, prediction.held_out
    draw = truth.draw(cell.spec)
    unmarked = (truth.labels == 1) & ~truth.masks.any(axis=(1, 2))
    return replace(
        cell,
        status="ok",
        metrics={name: None if np.isnan(value) else value for name, value in metrics.items()},
        n_train=len(draw.fitted),
        n_held_out=len(draw.held_out) if held_out else None,
        thresholds=held_out.thresholds if held_out else {},
        n_test_good=int((truth.labels == 0).sum()),
        n_test_defect=int((truth.labels == 1).sum()),
        fit_seconds=prediction.fit_seconds,
        score_seconds=prediction.score_seconds,
        unmarked_defects=int(unmarked.sum()) if lost else None,
        unseen_area=None if lost else unseen_area(truth.category, truth.protocol),
        **(asdict(lost) if lost else {}),
    )


def _score_within(
    job: Job, features: BySplit, memory: PeakMemory, at: OnStage, truth: GroundTruth
) -> Prediction:
    """Score, with less memory where the device runs out of it; raises as `within_budgets`."""

    def score(spare: int) -> Prediction:
        within = {split: part.within(spare) for split, part in features.items()}
        return _score(job, within, memory, at, truth)

    training, side = features["train"], job.spec.protocol.image_size
    return within_budgets(score, training.memory, job.spec.method, side, training.device)


def _score(
    job: Job, features: BySplit, memory: PeakMemory, at: OnStage, truth: GroundTruth
) -> Prediction:
    """Fit the method to one member's training features, and score the test images.

    Raises:
        ConformanceError: it isn't a method as the comparison relies on.
    """
    spec, draw = job.spec, truth.draw(job.spec)
    test = features[spec.shift or "test"].select(draw.judged)
    every = features["train"] + features["test"]
    training = [images.select(draw.fitted) for images in (every, *_copies(features))]
    learnt = sum(training[1:], start=training[0])
    at("fit")
    begun = time.perf_counter()
    method = fit_method(job.parameters, learnt, spec.seed)
    memory.synchronise()
    at("score")
    fitted = time.perf_counter()
    raw, prediction = score_images(method, test, spec.protocol, truth.outside)
    finished = time.perf_counter()
    if not is_judged(job.parameters):  # the others are held to it by the project's tests
        with full_precision():
            checks.check_again(method, raw, test)
    held_out = _score_held_out(method, every, draw.held_out, truth)
    took = fitted - begun, finished - fitted
    return Prediction(prediction.images, prediction.maps, *took, held_out)


def _score_held_out(
    method: Method, every: Features, rows: Sequence[int], truth: GroundTruth
) -> HeldOut | None:
    """Score images that the method wasn't fitted to, by `Draw.held_out`; None without any."""
    if not rows:
        return None
    samples = [(*truth.whole.train, *truth.whole.test)[row] for row in rows]
    padding, protocol = truth.padding(samples), truth.protocol
    outside = padding if protocol.score_area == "image" else None
    _, scored = score_images(method, every.select(rows), protocol, outside)
    inside = scored.maps if padding is None else np.where(padding, -np.inf, scored.maps)
    maxima = inside.max(axis=(1, 2)).astype(float)
    known = None if np.isnan(maxima).all() else maxima  # of a method without maps
    return HeldOut([sample.name for sample in samples], scored.images, known)


def _copies(features: BySplit) -> Iterator[Features]:
    """Yield each kind of copies of the training images, in the order of these."""
    training, copies = features["train"], features.get("copies")
    for start in range(0, len(copies or ()), len(training)):
        yield copies.select(range(start, start + len(training)))  # type: ignore[union-attr]


def average_members(members: Sequence[Prediction]) -> Prediction:
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
    return Prediction(
        images,
        maps,
        sum(member.fit_seconds or 0.0 for member in members),
        sum(member.score_seconds or 0.0 for member in members),
    )


def _normalised(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    least, greatest = scores.min(), scores.max()
    return (scores - least) / (greatest - least if greatest > least else 1)

"""Which images a method is fitted to, which are held out, and which it judges; by the seed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.metrics.calibrated import PER_CENT, images_needed
from benchmarks.specs import CellSpec


class Draw(NamedTuple):
    """Which images are fitted to, which are held out, and which are judged; ascending.

    The first two are rows of the training images with all test images behind them, of which they
    have those that contaminate; the last are rows of the test images.
    """

    fitted: list[int]
    held_out: list[int]
    judged: list[int]


def draw_images(spec: CellSpec, images: int, labels: Sequence[int] = ()) -> Draw:
    """Return what is fitted to, what is held out, and what is judged.

    Anomalous images take the places of nominal ones first. Shots and held-out images are then drawn
    from the ends of one permutation of the places: of a seed 5 shots contain its 2 shots, 100 that
    are held out contain its 50, and shots are the same whether or not others are held out. Smaller
    contaminations are within larger ones, and leave the same test images.

    Args:
        spec: seed, shots and shares.
        images: how many training images there are.
        labels: of all test images, 1 for a defect.

    Raises:
        BenchmarkError: there are fewer images than that.
    """
    places, judged = _contaminated(spec, images, labels)
    shots, held = spec.shots, held_out_count(spec.calibrate, images)
    left = images - held
    if spec.calibrate and not held:
        raise BenchmarkError(f"{spec.calibrate} of {images} images is none: hold out more")
    if left < 1:
        raise BenchmarkError(f"{held} images are to be held out, but there are {images}")
    if (shots or 0) > left:
        why = f" but for the {held} that are held out" * bool(held)
        raise BenchmarkError(f"{shots} shots asked for, but there are {images} images{why}")
    order = np.random.default_rng(spec.seed).permutation(images)
    fitted, held_out = (places[part] for part in (order[: shots or left], order[left:]))
    return Draw(sorted(fitted.tolist()), sorted(held_out.tolist()), judged)


def _contaminated(
    spec: CellSpec, images: int, labels: Sequence[int]
) -> tuple[np.ndarray[Any, Any], list[int]]:
    """Return which image lies at each place of the training images, and what is left to judge."""
    places, tested = np.arange(images), np.arange(len(labels))
    if not spec.reserve:
        return places, tested.tolist()
    count, reserve = (round(Fraction(str(s)) * images) for s in (spec.contamination, spec.reserve))
    defects = np.flatnonzero(labels)
    if spec.contamination and not count:
        raise BenchmarkError(
            f"--contamination {spec.contamination:g}: that of {images} training images is none; "
            "give a larger share"
        )
    if reserve >= len(defects):
        raise BenchmarkError(
            f"--contamination {spec.reserve:g}: that of {images} training images is {reserve}, and "
            f"of {len(defects)} anomalous test images some must be left; give a smaller share"
        )
    generator = np.random.default_rng([spec.seed, 1])  # apart from that of shots
    drawn = generator.permutation(defects)
    places[generator.permutation(images)[:count]] = images + drawn[:count]
    return places, np.setdiff1d(tested, drawn[:reserve]).tolist()


def held_out_count(calibrate: float | None, images: int) -> int:
    """Return how many of so many training images are held out; a share is rounded."""
    if calibrate is None or calibrate >= 1:
        return int(calibrate or 0)
    return round(Fraction(str(calibrate)) * images)


def describe_promise(held_out: int) -> str:
    """Say which false-alarm rates so many held-out images can promise, and what others need."""
    promised = [f"{rate} %" for rate in PER_CENT if images_needed(rate) <= held_out]
    lacking = [
        f"{rate} % needs {images_needed(rate)}"
        for rate in PER_CENT
        if images_needed(rate) > held_out
    ]
    said = f"thresholds for {', '.join(promised)} of false alarms" if promised else "no threshold"
    return "; ".join([f"{held_out} images held out: {said}", *lacking])

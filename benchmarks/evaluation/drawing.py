"""Which nominal training images a method is fitted to, and which are held out; by the seed."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.metrics.calibrated import PER_CENT, images_needed
from benchmarks.specs import CellSpec


class Draw(NamedTuple):
    """Rows of the training images, ascending: those that are fitted to, and those held out."""

    fitted: list[int]
    held_out: list[int]


def draw_images(spec: CellSpec, images: int) -> Draw:
    """Return what is fitted to, and what is held out, of so many training images.

    Both are drawn from the ends of one permutation: of a seed 5 shots contain its 2 shots, 100 that
    are held out contain its 50, and shots are the same whether or not others are held out.

    Raises:
        BenchmarkError: there are fewer images than that.
    """
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
    return Draw(sorted(order[: shots or left].tolist()), sorted(order[left:].tolist()))


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

"""Where an image's anomaly map lies in the square that methods see, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.array_types import Floats
from benchmarks.datasets.framing import whole_and_square
from benchmarks.specs import EvaluationProtocol


@dataclass(frozen=True)
class Placing:
    """How one image lies in the square: along each axis, height first.

    Attributes:
        image: the image's own lengths in pixels.
        whole: its lengths once it is resized.
        start: where in the resized image the square begins; negative where it begins outside.
        side: the square's.
    """

    image: tuple[int, int]
    whole: tuple[int, int]
    start: tuple[int, int]
    side: int

    @classmethod
    def of(cls, width: int, height: int, protocol: EvaluationProtocol) -> Placing:
        """Return how an image of that size lies in the square."""
        p = protocol
        wide, high, left, top = whole_and_square(width, height, p.resize, p.image_size, p.fit)
        return cls((height, width), (high, wide), (top, left), p.image_size)

    def into_square(self, values: Floats) -> Floats:
        """Return a map of the whole image, (h, w), in the square, (S, S).

        An axis that has at least as many pixels as the resized image is sampled where masks are,
        at the nearest pixel; one with fewer is interpolated linearly. What isn't the image's gets
        the map's minimum; no metric sees it.
        """
        down, across = (
            _sampled(length, whole)[self._seen(axis)]
            for axis, (length, whole) in enumerate(zip(values.shape, self.whole, strict=True))
        )
        square = np.full((self.side, self.side), values.min(), values.dtype)
        square[self._filled] = _at(values, down, across)
        return square

    def into_image(self, square: Floats) -> Floats:
        """Return a map of the whole image at its own size, (H, W), of one in the square, (S, S).

        Each pixel that `into_square` samples gets the square's value as it is, those between them
        linear interpolations; beyond what the square shows it is the least value in it.
        """
        seen = square[self._filled]
        down, across = (self._between(axis) for axis in (0, 1))
        whole_map = _at(seen, down, across)
        whole_map[~self._shown(0)] = seen.min()
        whole_map[:, ~self._shown(1)] = seen.min()
        return whole_map

    @property
    def cut(self) -> bool:
        """Whether the square leaves out any pixel of the image."""
        return not all(self._shown(axis).all() for axis in (0, 1))

    @property
    def exact(self) -> bool:
        """Whether `into_square` undoes `into_image` bit by bit: the image isn't enlarged."""
        return all(length >= whole for length, whole in zip(self.image, self.whole, strict=True))

    def _seen(self, axis: int) -> slice:
        """Return which pixels of the resized image are in the square."""
        start = self.start[axis]
        return slice(max(0, start), min(self.whole[axis], start + self.side))

    @property
    def _filled(self) -> tuple[slice, slice]:
        """Which of the square's pixels are the image's."""
        first, second = (
            slice(self._seen(axis).start - start, self._seen(axis).stop - start)
            for axis, start in enumerate(self.start)
        )
        return first, second

    def _shown(self, axis: int) -> NDArray[np.bool_]:
        """Return which of the image's own pixels have their centre in the square."""
        length, whole, seen = self.image[axis], self.whole[axis], self._seen(axis)
        centres = (np.arange(length) + 0.5) * whole / length
        return (centres >= seen.start) & (centres < seen.stop)

    def _between(self, axis: int) -> NDArray[Any]:
        """Return the weights that the image's own pixels take from the square's."""
        length, whole = self.image[axis], self.whole[axis]
        places = (
            _nearest(length, whole)
            if length >= whole
            else (np.arange(whole) + 0.5) * length / whole - 0.5
        )
        return _linear(places[self._seen(axis)].astype(float), np.arange(length, dtype=float))


_WEIGHTS = np.dtype([("lower", np.intp), ("upper", np.intp), ("share", np.float64)])
"""What a value is made of: (1 - share) of the lower entry and `share` of the upper one."""


def _sampled(length: int, whole: int) -> NDArray[Any]:
    """Return the weights by which an axis of a map becomes one of `whole` pixels."""
    if length < whole:
        centres = (np.arange(whole) + 0.5) * length / whole - 0.5
        return _linear(np.arange(length, dtype=float), centres)
    weights = np.zeros(whole, _WEIGHTS)
    weights["lower"] = weights["upper"] = _nearest(length, whole)
    return weights


def _nearest(length: int, whole: int) -> NDArray[np.int32]:
    """Return which pixels Pillow takes where it resizes to the nearest one, as it does masks."""
    places = Image.fromarray(np.arange(length, dtype=np.int32)[None])
    return np.asarray(places.resize((whole, 1), Image.Resampling.NEAREST))[0]


def _linear(knots: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[Any]:
    """Return the weights of linear interpolation between ascending knots, constant beyond them."""
    weights = np.zeros(len(at), _WEIGHTS)
    lower = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 1)
    upper = np.minimum(lower + 1, len(knots) - 1)
    gaps = np.where(upper > lower, knots[upper] - knots[lower], 1.0)
    weights["lower"], weights["upper"] = lower, upper
    weights["share"] = np.clip((at - knots[lower]) / gaps, 0, 1)
    return weights


def _at(values: Floats, down: NDArray[Any], across: NDArray[Any]) -> Floats:
    """Return the values (h, w) at weights of both axes; where the shares are 0, as they are."""
    rows = _mixed(values.astype(np.float64), down)
    columns: Floats = _mixed(rows.T, across).T.astype(values.dtype)
    return columns


def _mixed(values: NDArray[np.float64], weights: NDArray[Any]) -> NDArray[np.float64]:
    share = weights["share"][:, None]
    mixed: NDArray[np.float64] = (1 - share) * values[weights["lower"]]
    mixed += share * values[weights["upper"]]
    return mixed

"""Image scores with a known AUROC, of five shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from benchmarks.array_types import Counts, Floats

WIDE = 3.0
"""Standard deviation of the wider class."""

FAR = 100.0
"""A shift that no score bridges."""


@dataclass(frozen=True)
class Shape:
    """How a method's scores are distributed.

    Attributes:
        draw: labels (N,), AUROC, standard normal and uniform numbers (…, N) → scores (…, N).
        above: AUROC and threshold → the chance that a normal image scores higher.
    """

    draw: Callable[[Counts, float, Floats, Floats], Floats]
    above: Callable[[float, float], float]


def _deviates(area: float, deviation: float) -> float:
    """Return how far means lie apart whose difference has that standard deviation."""
    from scipy.special import ndtri

    return deviation * float(ndtri(area))


def _higher(score: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(-score))


def _alike(labels: Counts, area: float, normal: Floats, _: Floats) -> Floats:
    return normal + labels * _deviates(area, 2**0.5)


def _wide(label: int) -> Callable[[Counts, float, Floats, Floats], Floats]:
    def draw(labels: Counts, area: float, normal: Floats, _: Floats) -> Floats:
        apart = _deviates(area, (1 + WIDE**2) ** 0.5)
        return normal * np.where(labels == label, WIDE, 1) + labels * apart

    return draw


def _hidden(labels: Counts, area: float, normal: Floats, uniform: Floats) -> Floats:
    return normal + FAR * labels * (uniform >= 2 * (1 - area))


def _stray(labels: Counts, area: float, normal: Floats, uniform: Floats) -> Floats:
    return normal + FAR * labels + 2 * FAR * (1 - labels) * (uniform < 1 - area)


SHAPES = {
    "alike": Shape(_alike, lambda _, score: _higher(score)),
    "wide defects": Shape(_wide(1), lambda _, score: _higher(score)),
    "wide normals": Shape(_wide(0), lambda _, score: _higher(score / WIDE)),
    "hidden defects": Shape(_hidden, lambda _, score: _higher(score)),
    "stray normals": Shape(
        _stray,
        lambda area, score: area * _higher(score) + (1 - area) * _higher(score - 2 * FAR),
    ),
}
"""Both classes normal with one deviation; one of them with three times the other's; some anomalous
images that score as normal ones do, all others far above; some normal images far above all."""

CORRELATION = 0.5
"""Of two methods' scores of an image."""


def draw_scores(
    random: np.random.Generator, labels: Counts, area: float, shapes: list[str], rounds: int
) -> Floats:
    """Return scores of as many methods as there are shapes, (rounds, methods, N).

    Args:
        random: where chance comes from.
        labels: (N,), 0 normal, 1 anomalous.
        area: the AUROC of every method, above 1/2.
        shapes: of each, keys of `SHAPES`; what makes an image hard is hard for all.
        rounds: how many test sets.
    """
    shared = random.normal(size=(rounds, 1, labels.size))
    size = (rounds, len(shapes), labels.size)
    normal = CORRELATION**0.5 * shared + (1 - CORRELATION) ** 0.5 * random.normal(size=size)
    uniform = random.random(size)
    methods = [
        SHAPES[shape].draw(labels, area, normal[:, place], uniform[:, place])
        for place, shape in enumerate(shapes)
    ]
    return np.stack(methods, axis=1)

"""What a method may get wrong, each fault in one sentence: for the suite, and for every run."""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import numpy as np

from methods.base import Features, Method, Scores
from methods.lazy import torch

if TYPE_CHECKING:
    from methods.features import Array

SAME = 1e-3
"""Largest mean difference, as a share of the mean score, of an image that is scored again."""


class ConformanceError(AssertionError):
    """A property that the comparison relies on does not hold; says which and why it matters."""


def check_fitted(fitted: object) -> Method:
    """Return what `fit` returned.

    Raises:
        ConformanceError: it can't score.
    """
    if not callable(getattr(fitted, "score", None)):
        kind = _kind(fitted)
        raise ConformanceError(f"`fit` returned {kind}, not the method: end it with `return self`")
    return cast(Method, fitted)


def check_scores(scores: object, features: Features) -> Scores:
    """Return what `score` returned of these features.

    Raises:
        ConformanceError: it is not what `Scores` promises: kinds, shapes, types, device.
    """
    if not isinstance(scores, Scores):
        kind = _kind(scores)
        raise ConformanceError(f"`score` returned {kind}, not Scores: write `return Scores(maps)`")
    tensors = tensors_of(scores)
    if not tensors or (isinstance(scores.maps, tuple) and not scores.maps):
        raise ConformanceError("`score` returned Scores without maps and image scores")
    for name, tensor in tensors.items():
        _check_tensor(name, tensor, features)
    return scores


def tensors_of(scores: Scores) -> dict[str, torch.Tensor]:
    """Return "map 0" and on, and "image scores" where there are some → tensor."""
    tensors = {f"map {number}": grid for number, grid in enumerate(scores.grids)}
    return tensors if scores.images is None else {**tensors, "image scores": scores.images}


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _check_tensor(what: str, tensor: object, features: Features) -> None:
    if not isinstance(tensor, torch.Tensor):
        raise ConformanceError(f"{what}: of type {_kind(tensor)}, not a tensor")
    shape, count, home, place = tuple(tensor.shape), len(features), features.device, tensor.device
    dimensions, expected = (3, f"({count}, h, w)") if "map" in what else (1, f"({count},)")
    fits = len(shape) == dimensions and shape[0] == count and 0 not in shape[1:]
    floating = tensor.dtype in (torch.float32, torch.float64)
    together = (place.type, place.index or 0) == (home.type, home.index or 0)
    faults = {
        f"of shape {shape}, not {expected}": not fits,
        f"{tensor.dtype}, not torch.float32: add `.float()`": not floating,
        "with gradients: compute it inside `with torch.no_grad():`": tensor.requires_grad,
        f"on {place}, not on the features' {home}": not together,
    }
    for fault in (fault for fault, applies in faults.items() if applies):
        raise ConformanceError(f"{what}: {fault}")


def check_finite(what: str, values: Array) -> None:
    """Raise ConformanceError where scores hold NaN or infinite values, which no rank survives."""
    if len(values) and not math.isfinite(float(values.max()) - float(values.min())):
        raise ConformanceError(f"{what} hold NaN or infinite values")


def check_again(method: Method, scores: Scores, features: Features) -> None:
    """Score the middle image once more, alone: its scores changed where those of any would.

    Args:
        method: is fitted.
        scores: what it said of the features.
        features: of the test images.

    Raises:
        ConformanceError: it gets other scores than before.
    """
    rows = [len(features) // 2]
    part = features.select(rows)
    again = check_scores(method.score(part), part)
    for before, after in zip(tensors_of(scores).values(), tensors_of(again).values(), strict=True):
        difference = (after.double() - before[rows].double()).abs().mean()
        if bool(difference > SAME * before.double().abs().mean()):
            raise ConformanceError(
                "an image that is scored again, alone, gets other scores: `score` must neither "
                "learn nor draw, and no image's score may depend on the others"
            )


@contextmanager
def seeded_generators(seed: int) -> Iterator[set[str]]:
    """Seed the generators that all of a process draws from, so that what draws can be repeated.

    Afterwards they go on as if nothing had been drawn.

    Yields:
        A set that gets the names of those that were drawn from.
    """
    before, drawn = (random.getstate(), np.random.get_state()), set[str]()
    with torch.random.fork_rng(range(len(torch.cuda.default_generators))):
        for seed_generator in (random.seed, np.random.seed, torch.manual_seed):
            seed_generator(seed)
        seeded = _states()
        try:
            yield drawn
        finally:
            drawn |= {name for name, state in _states().items() if state != seeded[name]}
            random.setstate(before[0])
            np.random.set_state(before[1])


def _states() -> dict[str, bytes]:
    generators = torch.default_generator, *torch.cuda.default_generators
    of_torch = [generator.get_state().numpy() for generator in generators]
    states = {"Python's": random.getstate(), "NumPy's": np.random.get_state(), "torch's": of_torch}
    return {name: pickle.dumps(state) for name, state in states.items()}

"""From features to scores: a method fitted, images scored, maps finished, all in full precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from benchmarks.array_types import Masks
from benchmarks.device_memory import RUNNING, let_go, ran_out, size_that_fits
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.anomaly_maps import upsample_and_smooth
from benchmarks.evaluation.job import Prediction
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol
from methods import checks
from methods.base import GLOBAL, LAST, Features, Method, Parameters, Scores, Variant
from methods.components.precision import full_precision
from methods.components.uploads import moved
from methods.lazy import Tensor, torch

T = TypeVar("T")

BUDGETS = (1, 1 / 4, 1 / 16, 1 / 64)
"""Shares of its memory that a method gets, one after the other, where the device has none left."""


def fit_method(parameters: Parameters, features: Features, seed: int) -> Method:
    """Return a method fitted to features of nominal images.

    Raises:
        ConformanceError: `fit` doesn't return what can score.
    """
    with full_precision():
        generator = torch.Generator().manual_seed(seed)
        return checks.check_fitted(parameters.create().fit(features, generator))


def score_images(
    method: Method, features: Features, protocol: EvaluationProtocol, outside: Masks | None
) -> tuple[Scores, Prediction]:
    """Score images by a fitted method; return what it says, and what is measured of that.

    Args:
        method: is fitted.
        features: of the images.
        protocol: the square's side, and how maps are smoothed.
        outside: pixels that aren't the images', (N, S, S), over which no maximum is taken.

    Raises:
        ConformanceError: the scores aren't what `Scores` promises, or hold NaN or infinity.
    """
    with full_precision():
        scores = checks.check_scores(method.score(features), features)
        finished = upsample_and_smooth(scores, protocol.image_size, protocol.smoothing_sigma)
    image_scores = image_scores_of(scores, finished, outside)
    prediction = Prediction(image_scores.double().cpu().numpy(), finished.cpu().numpy())
    if scores.grids:
        checks.check_finite("maps", prediction.maps)
    checks.check_finite("image scores", prediction.images)
    return scores, prediction


def image_scores_of(scores: Scores, finished: Tensor, outside: Masks | None) -> Tensor:
    """Return the method's own image scores, (N,), or the maxima of the finished maps, (N, S, S).

    Maxima are taken where the images are, and so are a method's own scores if they are the maxima
    of its map: at positions of its grid that hold a pixel which isn't `outside`, (N, S, S).
    """
    grid = finished
    if scores.images is not None:
        if outside is None or not isinstance(scores.maps, torch.Tensor):
            return scores.images
        grid = scores.maps
        if bool((scores.images != grid.amax(dim=(1, 2))).any()):
            return scores.images
    if outside is not None:
        inside = torch.from_numpy(~outside).float()
        held = torch.nn.functional.adaptive_max_pool2d(inside, grid.shape[1:]) > 0
        grid = grid.masked_fill(~moved(held, grid.device), -torch.inf)
    return grid.amax(dim=(1, 2))


def describe_missing_levels(backbone: BackboneSpec, variants: Iterable[Variant]) -> str:
    """Return which methods read levels that a backbone lacks, and the remedy; "" if none do."""
    known = {*backbone.layers, GLOBAL, LAST}
    absent = {v.name: set(v.parameters.levels) - known for v in variants}
    lacking = [name for name, levels in absent.items() if levels]
    if not lacking:
        return ""
    levels = ", ".join(map(str, sorted(set.union(*absent.values()))))
    return (
        f"{', '.join(lacking)} need{'s' * (len(lacking) == 1)} level {levels}, which "
        f"{backbone.name} doesn't have here: leave out what needs it, or name a layer for "
        "every level with --layers a,b,c,d, of weights that hold them"
    )


def within_budgets(work: Callable[[int], T], features: Features, spec: CellSpec) -> T:
    """Return what a method's `work` returns; where memory runs out, called again with less of it.

    Args:
        work: is told how many bytes it may take for caches and blocks.
        features: of the first try, which say how many and on which device.
        spec: of the cell whose method works.

    Raises:
        BenchmarkError: the smallest share is too much, too.
    """
    spare, fits, device = 0, "", features.device
    for share in BUDGETS:
        spare = int(share * features.memory)
        try:
            with RUNNING:
                return work(spare)
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
            fits = size_that_fits(error, spec.protocol.image_size, device)
            let_go(error)
    raise BenchmarkError(
        f"{spec.method} ran out of memory on {device}, with {spare / 1e9:.2f} GB to spare, too: "
        f"pass --device cpu or a smaller --image-size{fits}"
    )

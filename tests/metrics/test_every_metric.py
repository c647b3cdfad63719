"""What every metric has to be: its definition, better in its direction, and right in resamples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.metrics import pimo, resampled
from benchmarks.metrics.definitions import METRICS, Metric
from benchmarks.metrics.image import image_metrics, resampled_image_metrics
from benchmarks.metrics.pixel import pixel_metrics, resampled_pixel_bounds
from benchmarks.statistics.bootstrap import multiplicities
from benchmarks.statistics.intervals import metric_intervals
from tests.metrics.inputs import labelled_scores, maps_and_masks
from tests.metrics.references import REFERENCES
from tests.statistics.drawing import LABELS, drawn_scores

EXACT = 1e-12

RATES = (0.4, 0.9)
"""Of AUPIMO, so that a few pixels are enough for it; tests/metrics/test_pimo.py has its own."""


@pytest.fixture(autouse=True, scope="module")
def rates_of_few_pixels() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pimo, "RATES", RATES)
        yield


every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
image_metric = pytest.mark.parametrize(
    "metric", [m for m in METRICS.values() if m.level == "image"], ids=lambda m: m.name
)
pixel_metric = pytest.mark.parametrize(
    "metric", [m for m in METRICS.values() if m.level == "pixel"], ids=lambda m: m.name
)


def reference(metric: Metric) -> Callable[[Any, Any], Fraction | int | float]:
    assert metric.name in REFERENCES, (
        f"{metric.name} has no reference: write its definition out naively in REFERENCES of "
        "tests/metrics/references.py"
    )
    return REFERENCES[metric.name]


def inputs(metric: Metric, **limits: int) -> Any:
    return labelled_scores() if metric.level == "image" else maps_and_masks(**limits)


def computed(metric: Metric, *given: Any) -> float:
    """Return the metric of labels and scores, or of maps and masks."""
    values = image_metrics(*given) if metric.level == "image" else pixel_metrics(*given)
    assert [*values] == [name for name, other in METRICS.items() if other.level == metric.level]
    return values[metric.name]


def example(metric: Metric, scores: Any) -> tuple[Any, Any]:
    """Return labels 0 0 0 1 1 1 1 with these scores; as maps, 1 row of each of 7 images."""
    labels = [0, 0, 0, 1, 1, 1, 1]
    if metric.level == "image":
        return labels, scores
    return np.asarray(scores).reshape(7, 1, 1), np.array(labels, bool).reshape(7, 1, 1)


# --- the entry -------------------------------------------------------------------------------


@every_metric
def test_an_entry_says_what_tables_show(metric: Metric) -> None:
    assert METRICS[metric.name] is metric
    assert metric.label
    assert metric.description.endswith(".")
    assert metric.unit == "fraction" or metric.counted_images


BOTH = ("n_test_good", "n_test_defect")
COUNTED = {"false_positive": BOTH[:1], "false_negative": BOTH[1:], "error": BOTH}
"""How a name begins → the images that such a metric counts, or is a fraction of."""


@every_metric
def test_a_name_says_which_images_are_counted(metric: Metric) -> None:
    begins = [images for start, images in COUNTED.items() if metric.name.startswith(start)]
    assert begins in ([], [metric.counted_images])
    assert not metric.higher_is_better or not begins


@every_metric
def test_there_is_a_reference(metric: Metric) -> None:
    assert callable(reference(metric))


# --- the value -------------------------------------------------------------------------------


@every_metric
@settings(max_examples=60)
@given(st.data())
def test_a_value_is_the_references(metric: Metric, data: st.DataObject) -> None:
    given = data.draw(inputs(metric))
    value = computed(metric, *given)
    assert type(value) is float
    assert value == pytest.approx(float(reference(metric)(*given)), abs=EXACT, nan_ok=True)


@every_metric
@settings(max_examples=30)
@given(st.data())
def test_a_value_is_of_its_unit(metric: Metric, data: st.DataObject) -> None:
    given = data.draw(inputs(metric))
    value = computed(metric, *given)
    if isnan(value):
        assert metric.name == "aupimo"  # of few nominal pixels
        return
    labels = given[0] if metric.level == "image" else []
    images = {"n_test_good": labels.count(0), "n_test_defect": labels.count(1)}
    counted = sum(images[name] for name in metric.counted_images)
    if metric.unit == "images":
        assert value.is_integer()
        assert 0 <= value <= counted
    else:
        assert 0 <= value <= 1 + EXACT
        assert round(value * counted) == pytest.approx(value * counted)


EDGES = {
    "perfect": [0, 1, 2, 3, 4, 5, 6],
    "inverted": [6, 5, 4, 3, 2, 1, 0],
    "all equal": [7, 7, 7, 7, 7, 7, 7],
    "ties": [1, 2, 2, 2, 2, 3, 3],
    "a normal outlier": [0, 1, 9, 0, 8, 8, 1],
    "negative": [-2, 0, -1, 0, -3, 1, -1],
}


@every_metric
def test_edge_cases_in_every_type(metric: Metric) -> None:
    for name, scores in EDGES.items():
        expected = float(reference(metric)(*example(metric, scores)))
        for kind in ("f2", "f4", "f8", "i1", "i8"):
            value = computed(metric, *example(metric, np.array(scores, kind)))
            assert value == pytest.approx(expected, abs=EXACT), (name, kind)


@every_metric
def test_with_one_class_it_is_what_its_entry_says(metric: Metric) -> None:
    for count, label in ((0, 0), (3, 0), (3, 1)):
        given: Any = [label] * count, list(range(count))
        if metric.level == "pixel":
            given = np.ones((count, 4, 4)), np.full((count, 4, 4), bool(label))
        value = computed(metric, *given)
        assert type(value) is float
        np.testing.assert_equal(value, metric.undefined)


@every_metric
def test_better_is_in_the_direction_that_it_says(metric: Metric) -> None:
    """No scores are better than those that part the classes, and some are worse."""
    sign = 1 if metric.higher_is_better else -1
    perfect = sign * computed(metric, *example(metric, [0, 1, 2, 3, 4, 5, 6]))
    random = np.random.default_rng(5)
    others = [
        sign * computed(metric, *example(metric, random.integers(0, 9, 7))) for _ in range(200)
    ]
    assert max(others) <= perfect
    assert min(others) < perfect


@pixel_metric
@settings(max_examples=30)
@given(st.data())
def test_ignored_pixels_count_as_nothing(metric: Metric, data: st.DataObject) -> None:
    maps, masks = data.draw(inputs(metric))
    around = np.pad(masks, ((0, 0), (1, 1), (2, 0)))
    padded = np.pad(maps, ((0, 0), (1, 1), (2, 0)), constant_values=9)
    ignored = ~np.pad(np.ones_like(masks), ((0, 0), (1, 1), (2, 0)))
    value = computed(metric, maps, masks)
    np.testing.assert_equal(pixel_metrics(padded, around, ignored)[metric.name], value)


# --- resamples -------------------------------------------------------------------------------


@image_metric
@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_a_resamples_value_is_that_of_the_resampled_images(
    metric: Metric, seed: int, digits: int
) -> None:
    scores = drawn_scores(seed, digits)
    drawn = multiplicities(LABELS, 20, seed)
    values = resampled_image_metrics(LABELS, scores, drawn)
    assert (metric.name in values) == (metric.interval is not None)
    for row, times in enumerate(drawn):
        if metric.name in values:
            exact = computed(metric, LABELS.repeat(times), scores.repeat(times))
            assert values[metric.name][row] == pytest.approx(exact)


def seven_maps() -> tuple[Any, Any, Any]:
    """Return maps, masks and labels of 7 images, one of them anomalous without a defect pixel."""
    random = np.random.default_rng(3)
    masks = np.zeros((7, 16, 16), bool)
    masks[3, 2:6, 3:9] = masks[4, 8:12, 8:12] = masks[5, 1:3, 1:3] = masks[5, 10:15, 4:6] = True
    maps = (random.normal(size=masks.shape) + 1.5 * masks).astype(np.float32)
    return maps, masks, np.repeat([0, 1], [3, 4])


@pytest.mark.parametrize(("thresholds", "width"), [(32, 0.2), (4096, 0.02)])
@pixel_metric
def test_bounds_hold_the_value_of_the_resampled_maps(
    metric: Metric, thresholds: int, width: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampled, "THRESHOLDS", thresholds)
    maps, masks, labels = seven_maps()
    drawn = multiplicities(labels, 130)  # more than are weighed together
    drawn = drawn[(drawn @ masks.any(axis=(1, 2))) > 0]
    bounds = resampled_pixel_bounds(maps, masks, drawn)
    assert (metric.name in bounds) == (metric.interval is not None)
    if metric.name not in bounds:
        return
    lower, upper = bounds[metric.name]
    for row, times in enumerate(drawn):
        exact = computed(metric, maps.repeat(times, axis=0), masks.repeat(times, axis=0))
        assert lower[row] - EXACT <= exact <= upper[row] + EXACT, (
            f"{metric.name} doesn't always get better where defect pixels score higher: give its "
            "entry interval=None"
        )
    assert np.median(upper - lower) < width


@pixel_metric
@settings(max_examples=60)
@given(st.data())
def test_bounds_hold_whatever_the_order_between_thresholds(
    metric: Metric, data: st.DataObject
) -> None:
    """One quantile of defects and one of other pixels, so that nearly all lie between two."""
    maps, masks = data.draw(inputs(metric, low=0, high=30))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampled, "THRESHOLDS", 2)
        bounds = resampled_pixel_bounds(maps, masks, np.ones((1, len(maps)), np.int64))
    assert (metric.name in bounds) == (metric.interval is not None)
    (lower,), (upper,) = bounds.get(metric.name, ([-np.inf], [np.inf]))
    value = computed(metric, maps, masks)
    if isnan(value):
        assert np.isnan([lower, upper]).all()
    else:
        assert lower - EXACT <= value <= upper + EXACT


@every_metric
def test_images_that_are_drawn_once_each_give_the_value(metric: Metric) -> None:
    maps, masks, labels = seven_maps()
    once = np.ones((1, 7), np.int64)
    if metric.level == "image":
        scores = maps.max(axis=(1, 2))
        values = resampled_image_metrics(labels, scores, once)
        lower = upper = values.get(metric.name)
        exact = computed(metric, labels, scores)
    else:
        lower, upper = resampled_pixel_bounds(maps, masks, once).get(metric.name, (None, None))
        exact = computed(metric, maps, masks)
    assert (lower is None) == (upper is None) == (metric.interval is None)
    if lower is not None and upper is not None:
        assert lower.shape == upper.shape == (1,)
        assert lower[0] - EXACT <= exact <= upper[0] + EXACT


@every_metric
def test_an_interval_has_a_width_and_holds_the_value(metric: Metric) -> None:
    maps, masks, labels = seven_maps()
    scores = maps.max(axis=(1, 2))
    intervals = metric_intervals(labels, scores, maps, masks)
    assert (metric.name in intervals) == (metric.interval is not None)
    if metric.name in intervals:
        low, high = intervals[metric.name]
        given = (labels, scores) if metric.level == "image" else (maps, masks)
        assert low <= computed(metric, *given) <= high
        assert low < high

"""Metrics against naive definitions, scikit-learn and numbers worked by hand."""

from __future__ import annotations

from fractions import Fraction
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from benchmarks.compare import baseline
from benchmarks.metrics import image as metrics
from benchmarks.metrics import pimo, tally
from benchmarks.metrics.definitions import METRICS
from benchmarks.metrics.image import image_metrics
from benchmarks.metrics.pixel import pixel_metrics, pro_curve
from tests.helpers.paths import ROOT
from tests.metrics import references
from tests.metrics.inputs import labelled_scores, maps_and_masks

EXACT = 1e-12
IMAGE_NAMES = [name for name, metric in METRICS.items() if metric.level == "image"]
PIXEL_NAMES = [name for name, metric in METRICS.items() if metric.level == "pixel"]


RATES = (0.4, 0.9)
"""Of AUPIMO, so that a few pixels are enough for it."""


@pytest.fixture(autouse=True, scope="module")
def rates_of_few_pixels():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pimo, "RATES", RATES)
        yield


def one_image(rows):
    return np.array([rows], np.float32)


# Table of metrics --------------------------------------------------------------------------------


def test_metrics_stand_in_the_order_of_the_shipped_baseline():
    stored = baseline.read(ROOT / "results" / "baselines" / "embedded.json").tolerances
    assert [name for name in METRICS if name in stored] == list(stored)


@given(labelled_scores(), maps_and_masks())
def test_each_metric_is_computed_by_its_level_and_no_other(images, pixels):
    assert sorted(image_metrics(*images)) == sorted(IMAGE_NAMES)
    assert sorted(pixel_metrics(*pixels)) == sorted(PIXEL_NAMES)
    for name, value in (image_metrics(*images) | pixel_metrics(*pixels)).items():
        assert type(value) is float
        few = isnan(value) and name == "aupimo"
        assert few or METRICS[name].unit == "images" or 0 <= value <= 1 + EXACT, name


# Images ------------------------------------------------------------------------------------------


def test_image_metrics_of_a_worked_example():
    # Descending: 9 d | 7 d | 6 n, d | 4 n | 3 d | 2 n, n        (4 defects, 4 normal)
    labels = [1, 1, 0, 1, 0, 1, 0, 0]
    scores = [9, 7, 6, 6, 4, 3, 2, 2]
    # AUROC: normals below each defect 4 + 4 + (3 + 1/2) + 2 = 13.5 of 16.
    # AP: (1/1 + 2/2 + 3/4 + 4/6) / 4. Full recall at 3: normals 6 and 4 are errors.
    # F1 at 9, 7, 6, 3: 2/5, 4/6, 6/8, 8/10 → at 3: fp 2, fn 0.
    expected = {
        "image_auroc": 13.5 / 16,
        "image_ap": pytest.approx((1 + 1 + 3 / 4 + 2 / 3) / 4, abs=1e-15),
        "error_at_full_recall": 2 / 8,
        "false_positives_at_full_recall": 2,
        "false_positive_rate_at_full_recall": 2 / 4,
        "error_at_f1_optimal": 2 / 8,
        "false_positives_at_f1_optimal": 2,
        "false_negatives_at_f1_optimal": 0,
        "f1_max": 0.8,
        "false_positive_rate_at_95_recall": 2 / 4,
    }
    measured = image_metrics(labels, scores)
    assert {name: measured[name] for name in expected} == expected


def test_95_recall_is_reached_without_the_last_of_twenty():
    # 19 of 20 are above 2: there 1 of 4 normal images is an alarm. Of 19, 18 are 94.7 %.
    scores = [3] * 18 + [2.5, 0] + [2.5, 2, 1, 0]
    labels = [1] * 20 + [0] * 4
    assert image_metrics(labels, scores)["false_positive_rate_at_95_recall"] == 1 / 4
    assert image_metrics(labels[1:], scores[1:])["false_positive_rate_at_95_recall"] == 1
    assert image_metrics(labels, scores)["false_positive_rate_at_full_recall"] == 1


@given(labelled_scores())
def test_the_rate_at_95_recall_is_of_scikit_learns_roc_curve(images):
    false, true, _ = roc_curve(*images, drop_intermediate=False)
    expected = false[(100 * true >= 95 - 1e-9).argmax()]
    assert image_metrics(*images)["false_positive_rate_at_95_recall"] == pytest.approx(expected)


def test_f1_optimum_may_leave_an_anomalous_image_unfound():
    # At 5: tp 3, fp 0, fn 1 → 6/7; at 1: tp 4, fp 4 → 8/12.
    labels, scores = [1, 1, 1, 0, 0, 0, 0, 1], [7, 6, 5, 4, 3, 2, 1, 1]
    measured = image_metrics(labels, scores)
    assert measured["f1_max"] == 6 / 7
    assert measured["false_positives_at_f1_optimal"] == 0
    assert measured["false_negatives_at_f1_optimal"] == 1
    assert measured["error_at_f1_optimal"] == 1 / 8
    assert measured["false_positives_at_full_recall"] == 4
    assert metrics.f1_optimal(labels, scores).threshold == 5


def test_equal_f1_at_two_thresholds_takes_the_lower():
    # At 9: 2·1/(2·1+0+2) = 1/2; at 5: 2·3/(2·3+6+0) = 1/2; at 7: 2·2/(4+6+1) < 1/2.
    labels, scores = [1, 1, 1] + [0] * 6, [9, 7, 5] + [8] * 6
    point = metrics.f1_optimal(labels, scores)
    assert (point.threshold, point.f1) == (5, 0.5)
    assert (point.true_positives, point.false_positives, point.false_negatives) == (3, 6, 0)


@pytest.mark.parametrize(
    ("anomalous", "high", "low"),
    [(4, (2, 0), (3, 2)), (5, (1, 1), (2, 7)), (5, (2, 0), (4, 5)), (6, (5, 4), (6, 6))],
)
def test_equal_f1_ties_although_precision_and_recall_round_differently(anomalous, high, low):
    # (tp, fp) at thresholds 9 and 5; what is left lies so low that it can't be the optimum.
    (found, wrong), (more_found, more_wrong) = high, low
    assert Fraction(2 * found, found + wrong + anomalous) == Fraction(
        2 * more_found, more_found + more_wrong + anomalous
    )
    steps = [(9, found, wrong), (5, more_found - found, more_wrong - wrong)]
    steps.append((1, anomalous - more_found, 100))
    labels, scores = [], []
    for score, defects, normals in steps:
        labels += [1] * defects + [0] * normals
        scores += [score] * (defects + normals)
    point = metrics.f1_optimal(labels, scores)
    assert (point.threshold, point.true_positives, point.false_positives) == (5, *low)


def test_a_normal_image_that_ties_with_the_lowest_anomalous_one_is_an_error():
    point = metrics.full_recall([1, 1, 0, 0], [3, 2, 2, 1])
    assert (point.threshold, point.false_positives, point.true_negatives) == (2, 1, 1)


@given(labelled_scores())
def test_auroc_and_average_precision_are_scikit_learns(images):
    labels, scores = images
    assert metrics.auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=EXACT)
    measured = image_metrics(labels, scores)
    assert measured["image_ap"] == pytest.approx(average_precision_score(labels, scores), abs=EXACT)
    assert measured["image_auroc"] == metrics.auroc(labels, scores)


@given(labelled_scores())
def test_auroc_is_the_share_of_pairs_in_the_right_order(images):
    labels, scores = images
    anomalous = [s for y, s in zip(labels, scores, strict=True) if y]
    normal = [s for y, s in zip(labels, scores, strict=True) if not y]
    halves = sum((a > n) + (a >= n) for a in anomalous for n in normal)
    assert metrics.auroc(labels, scores) == halves / (2 * len(anomalous) * len(normal))


@given(labelled_scores())
def test_f1_optimal_is_the_best_of_all_distinct_scores(images):
    labels, scores = images
    f1, threshold = references.best_f1(labels, scores)
    point = metrics.f1_optimal(labels, scores)
    assert point.threshold == threshold
    assert point.f1 == float(f1)
    counts = (point.true_positives, point.false_positives, point.false_negatives)
    assert counts == references.confusion(labels, scores, threshold)
    assert sum(counts) + point.true_negatives == len(labels)
    measured = image_metrics(labels, scores)
    assert measured["f1_max"] == point.f1
    assert measured["error_at_f1_optimal"] == (counts[1] + counts[2]) / len(labels)
    assert measured["false_positives_at_f1_optimal"] == counts[1]
    assert measured["false_negatives_at_f1_optimal"] == counts[2]


@given(labelled_scores())
def test_full_recall_is_the_highest_threshold_that_misses_nothing(images):
    labels, scores = images
    threshold = max(t for t in scores if references.confusion(labels, scores, t)[2] == 0)
    _, errors, _ = references.confusion(labels, scores, threshold)
    measured = image_metrics(labels, scores)
    assert metrics.full_recall(labels, scores).threshold == threshold
    assert measured["false_positives_at_full_recall"] == errors
    assert measured["error_at_full_recall"] == errors / len(labels)
    assert measured["false_positive_rate_at_full_recall"] == errors / labels.count(0)


@pytest.mark.parametrize(
    ("scores", "auroc", "precision", "full_recall_errors"),
    [
        ([1, 2, 3, 4], 1.0, 1.0, 0),
        ([4, 3, 2, 1], 0.0, (1 / 3 + 2 / 4) / 2, 2),
        ([5] * 4, 0.5, 0.5, 2),
    ],
    ids=["perfect", "inverted", "all equal"],
)
def test_extreme_rankings(scores, auroc, precision, full_recall_errors):
    measured = image_metrics([0, 0, 1, 1], scores)
    assert measured["image_auroc"] == auroc
    assert measured["image_ap"] == precision
    assert measured["false_positives_at_full_recall"] == full_recall_errors


@pytest.mark.parametrize("labels", [[], [0, 0, 0], [1, 1, 1]], ids=["none", "normal", "anomalous"])
def test_image_metrics_are_undefined_where_a_class_is_missing(labels):
    scores = [float(i) for i in range(len(labels))]
    measured = image_metrics(labels, scores)
    assert list(measured) == IMAGE_NAMES
    assert all(isnan(value) for value in measured.values())
    assert isnan(metrics.auroc(labels, scores))
    assert metrics.full_recall(labels, scores) is None
    assert metrics.f1_optimal(labels, scores) is None
    assert [len(axis) for axis in metrics.roc_curve(labels, scores)] == [0, 0]
    assert [len(axis) for axis in metrics.precision_recall_curve(labels, scores)] == [0, 0]


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 1], [0.0, np.nan], "NaN or infinite"),
        ([0, 1], [-np.inf, 0.0], "NaN or infinite"),
        ([0, 1], [0.0], "not both"),
        ([[0, 1]], [[0.0, 1.0]], "not both"),
        ([-1, 1], [0.0, 1.0], "0 .normal. and 1"),
        ([0, 255], [0.0, 1.0], "0 .normal. and 1"),
    ],
)
def test_unusable_image_scores_are_refused(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        image_metrics(labels, scores)


@given(labelled_scores(), st.randoms())
def test_image_metrics_ignore_the_order_of_images(images, random):
    labels, scores = images
    order = random.sample(range(len(labels)), len(labels))
    shuffled = image_metrics([labels[i] for i in order], [scores[i] for i in order])
    assert shuffled == pytest.approx(image_metrics(labels, scores), abs=EXACT)


MONOTONE = {
    "halved": lambda s: s / 2,
    "near 100": lambda s: 100 + s * 1e-4,
    "near 1e-30": lambda s: s * np.float32(1e-30),
    "near 1e30": lambda s: s * np.float32(1e30),
    "denormal": lambda s: s * np.float32(1e-44),
    "negative": lambda s: s - 1000,
    "exponential": np.exp,
}


@pytest.mark.parametrize("scale", MONOTONE.values(), ids=MONOTONE)
@given(images=labelled_scores(), pixels=maps_and_masks())
@settings(max_examples=30)
def test_only_the_order_of_scores_matters(scale, images, pixels):
    labels, scores = images
    scores = np.array(scores, np.float32)
    maps, masks = pixels
    assert len(np.unique(scale(scores))) == len(np.unique(scores))
    assert image_metrics(labels, scale(scores)) == image_metrics(labels, scores)
    assert pixel_metrics(scale(maps), masks) == pixel_metrics(maps, masks)


def test_roc_curve_encloses_the_auroc_and_precision_recall_steps_sum_to_the_precision():
    labels, scores = [1, 1, 0, 1, 0, 1, 0, 0], [9, 7, 6, 6, 4, 3, 2, 2]
    fpr, tpr = metrics.roc_curve(labels, scores)
    assert np.trapezoid(tpr, fpr) == pytest.approx(13.5 / 16, abs=EXACT)
    recall, precision = metrics.precision_recall_curve(labels, scores)
    steps = -np.diff(recall) @ precision[:-1]
    assert steps == pytest.approx((1 + 1 + 3 / 4 + 2 / 3) / 4, abs=EXACT)


# Pixels ------------------------------------------------------------------------------------------


def test_pixel_metrics_of_a_worked_example():
    # One image, regions {9, 5} and {7}; twelve defect-free pixels: 8, 5, 4, seven 1s, two 0s.
    maps = one_image([[9, 5, 8, 5, 7], [1, 1, 4, 1, 1], [1, 1, 1, 0, 0]])
    masks = one_image([[1, 1, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]).astype(bool)
    # Normals below: 9 → 12, 7 → 11, 5 → 10 + 1/2, of 3 · 12.
    # Precision at 9, 7, 5: 1/1, 2/3, 3/5.
    # PRO: 9 → (0, 1/4); 8 → (1/12, 1/4); 7 → (1/12, 3/4); 5 → (2/12, 1); then level.
    area = 1 / 12 * 1 / 4 + 1 / 12 * (3 / 4 + 1) / 2 + (0.3 - 2 / 12) * 1
    measured = pixel_metrics(maps, masks)
    assert measured["pixel_auroc"] == 33.5 / 36
    assert measured["pixel_ap"] == pytest.approx((1 + 2 / 3 + 3 / 5) / 3, abs=1e-15)
    assert measured["aupro_30"] == pytest.approx(area / 0.3, abs=1e-15)
    fpr, pro = pro_curve(maps, masks)
    assert (fpr[0], pro[0], fpr[-1], pro[-1]) == (0, 0, 0.3, 1)


def test_pro_is_interpolated_at_the_limit_and_not_cut_at_the_vertex_before_it():
    # Defect ties with half of four normals: (0, 0) → (1/2, 1), so 0.6 at 0.3.
    maps, masks = one_image([[2, 2, 2, 1, 1]]), np.array([[[True, False, False, False, False]]])
    _, pro = pro_curve(maps, masks)
    assert pro[-1] == pytest.approx(0.6, abs=EXACT)
    assert pixel_metrics(maps, masks)["aupro_30"] == pytest.approx(0.3, abs=EXACT)


def test_a_region_found_exactly_at_the_limit_adds_no_area():
    # Three of ten normals lie above the only defect pixel: the curve rises at FPR 0.3 itself.
    maps = one_image([[5, 9, 9, 9, 1, 1, 1, 1, 1, 1, 1]])
    masks = np.arange(11).reshape(1, 1, 11) == 0
    assert pixel_metrics(maps, masks)["aupro_30"] == 0
    fpr, pro = pro_curve(maps, masks)
    assert (fpr[-1], pro[-1]) == (0.3, 1)


def test_all_equal_maps_give_the_diagonal():
    maps, masks = np.full((2, 4, 4), 7, np.float32), np.zeros((2, 4, 4), bool)
    masks[1, 1:3, 1:3] = True
    # (0, 0) → (1, 1): the area to 0.3 is 0.3² / 2, over 0.3.
    measured = pixel_metrics(maps, masks)
    assert measured["pixel_auroc"] == 0.5
    assert measured["pixel_ap"] == 4 / 32
    assert measured["aupro_30"] == pytest.approx(0.15, abs=1e-15)


@pytest.mark.parametrize(("sign", "expected"), [(1, (1.0, 1.0)), (-1, (0.0, 0.0))])
def test_perfect_and_inverted_maps(sign, expected):
    masks = np.zeros((2, 5, 5), bool)
    masks[0, :2, :2] = masks[1, 4, 4] = masks[1, 0, 0] = True
    measured = pixel_metrics(sign * masks.astype(np.float32), masks)
    assert (measured["pixel_auroc"], measured["aupro_30"]) == expected
    assert measured["pixel_ap"] == (1.0 if sign == 1 else 6 / 50)


def regions_found(mask, found):
    """PRO at FPR 0 when exactly the pixels in `found` score above all others."""
    maps = np.zeros(mask.shape, np.float32)
    maps[found] = 1
    fpr, pro = pro_curve(maps, mask)
    return pro[fpr == 0].max()


def test_pixels_that_touch_diagonally_are_one_region():
    mask = np.zeros((1, 4, 4), bool)
    mask[0, 0, 0] = mask[0, 1, 1] = mask[0, 1, 2] = True
    assert regions_found(mask, (0, 0, 0)) == pytest.approx(1 / 3, abs=EXACT)
    mask[0, 1, 1] = False  # now a region of one pixel and another of one
    assert regions_found(mask, (0, 0, 0)) == pytest.approx(1 / 2, abs=EXACT)


def test_regions_neither_join_across_images_nor_around_borders():
    mask = np.zeros((2, 3, 4), bool)
    mask[0, :, 3] = True  # right border of the first image, 3 pixels
    mask[0, 1, 0] = True  # opposite border of the same row
    mask[1, :2, 3] = True  # the same place of the next image, 2 pixels
    assert regions_found(mask, (0, 0, 3)) == pytest.approx(1 / 3 / 3, abs=EXACT)
    assert regions_found(mask, (0, 1, 0)) == pytest.approx(1 / 3, abs=EXACT)
    assert regions_found(mask, (1, 0, 3)) == pytest.approx(1 / 3 / 2, abs=EXACT)


@given(maps_and_masks())
def test_pixel_auroc_and_precision_are_scikit_learns_over_all_pixels(pixels):
    maps, masks = pixels
    measured = pixel_metrics(maps, masks)
    truth, scores = masks.ravel(), maps.ravel()
    assert measured["pixel_auroc"] == pytest.approx(roc_auc_score(truth, scores), abs=EXACT)
    assert measured["pixel_ap"] == pytest.approx(average_precision_score(truth, scores), abs=EXACT)


@given(maps_and_masks())
def test_maximal_pixel_f1_is_of_scikit_learns_curve_over_all_pixels(pixels):
    maps, masks = pixels
    precision, recall, _ = precision_recall_curve(masks.ravel(), maps.ravel())
    both = precision + recall
    best = (2 * precision * recall / np.where(both > 0, both, 1)).max()
    assert pixel_metrics(maps, masks)["pixel_f1_max"] == pytest.approx(best, abs=EXACT)


def test_aupro_to_5_percent_and_pixel_f1_of_a_worked_example():
    # Of 40 defect-free pixels one scores 9, one 7, the others 0: the FPR reaches 0.025 at 9, 0.05
    # at 7. Of a region of 2, 10 lies above both, 8 between: PRO 1/2 up to 0.025, then 1 from there.
    maps, masks = np.zeros((1, 6, 7)), np.zeros((1, 6, 7), bool)
    maps[0, 0, :2], masks[0, 0, :2] = (10, 8), True
    maps[0, 5, 5:] = 9, 7
    measured = pixel_metrics(maps, masks)
    assert measured["aupro_05"] == pytest.approx((1 / 2 + 1) / 2, abs=EXACT)
    assert measured["aupro_30"] == pytest.approx((0.025 / 2 + 0.275) / 0.3, abs=EXACT)
    assert measured["pixel_f1_max"] == 2 * 2 / (2 * 2 + 1)  # at 8: both, and the 9


@given(maps_and_masks(low=0, high=30), st.integers(1, 20))
def test_pro_curve_runs_through_the_naive_points_up_to_any_limit(pixels, twentieths):
    limit = twentieths / 20
    fpr, pro = pro_curve(*pixels, limit)
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(pro) >= 0).all()
    assert (fpr[0], pro[0], fpr[-1]) == (0, 0, limit)
    area = float(references.aupro(*pixels, Fraction(twentieths, 20))) * limit
    assert np.trapezoid(pro, fpr) == pytest.approx(area, abs=EXACT)
    for x, y in references.pro_points(*pixels):
        if x < Fraction(limit):
            at_x = pro[np.isclose(fpr, float(x), rtol=0, atol=EXACT)]
            inside = np.interp(float(x), fpr, pro)
            assert min(abs(np.append(at_x, inside) - float(y))) < EXACT


@given(maps_and_masks(), st.randoms())
def test_pixel_metrics_ignore_the_order_of_images_and_their_orientation(pixels, random):
    maps, masks = pixels
    expected = pytest.approx(pixel_metrics(maps, masks), abs=EXACT, nan_ok=True)
    order = random.sample(range(len(maps)), len(maps))
    assert pixel_metrics(maps[order], masks[order]) == expected
    assert pixel_metrics(maps[:, ::-1], masks[:, ::-1]) == expected
    assert pixel_metrics(maps.swapaxes(1, 2), masks.swapaxes(1, 2)) == expected


def test_float32_and_float64_maps_of_the_same_values_agree_exactly():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(6, 20, 20)).astype(np.float32)
    masks = rng.random((6, 20, 20)) < 0.1
    masks[:2] = False
    assert not isnan(pixel_metrics(maps, masks)["aupimo"])
    assert pixel_metrics(maps.astype(np.float64), masks) == pixel_metrics(maps, masks)


def test_negative_zero_ties_with_zero():
    maps, masks = one_image([[0.0, -0.0]]), np.array([[[True, False]]])
    assert pixel_metrics(maps, masks)["pixel_auroc"] == 0.5
    assert pixel_metrics(-maps, masks)["pixel_auroc"] == 0.5


def test_maps_larger_than_one_part_are_counted_as_a_whole():
    rng = np.random.default_rng(1)
    masks = np.zeros((5, 800, 800), bool)
    masks[1, 100:160, 300:350] = masks[4, 700:, 500:520] = masks[4, 10, 10] = True
    assert masks.size > tally.PART
    maps = np.rint(rng.normal(size=masks.shape) * 3 + 4 * masks).astype(np.float32)
    measured = pixel_metrics(maps, masks)
    truth, scores = masks.ravel(), maps.ravel()
    assert measured["pixel_auroc"] == pytest.approx(roc_auc_score(truth, scores), abs=EXACT)
    assert measured["pixel_ap"] == pytest.approx(average_precision_score(truth, scores), abs=EXACT)
    assert measured["aupro_30"] == pytest.approx(float(references.aupro(maps, masks)), abs=EXACT)


def test_inputs_are_left_unchanged():
    rng = np.random.default_rng(2)
    maps, masks = rng.random((2, 6, 6)), rng.random((2, 6, 6)) < 0.5
    before = maps.copy(), masks.copy()
    pixel_metrics(maps, masks)
    assert np.array_equal(maps, before[0])
    assert np.array_equal(masks, before[1])


@pytest.mark.parametrize("fill", [False, True], ids=["no defect pixel", "no defect-free pixel"])
@pytest.mark.parametrize("images", [0, 3])
def test_pixel_metrics_are_undefined_where_a_class_is_missing(fill, images):
    maps, masks = np.ones((images, 4, 4)), np.full((images, 4, 4), fill)
    measured = pixel_metrics(maps, masks)
    assert list(measured) == PIXEL_NAMES
    assert all(isnan(value) for value in measured.values())
    assert [len(axis) for axis in pro_curve(maps, masks)] == [0, 0]


def test_an_anomalous_image_whose_defect_lies_outside_the_crop_counts_as_defect_free_pixels():
    maps, masks = np.zeros((2, 2, 2), np.float32), np.zeros((2, 2, 2), bool)
    masks[0, 0, 0], maps[0, 0, 0] = True, 1
    maps[1] = 2  # the image without a mask, above everything else
    assert pixel_metrics(maps, masks)["pixel_auroc"] == 3 / 7
    # FPR is 4/7 > 0.3 before the region is found.
    assert pixel_metrics(maps, masks)["aupro_30"] == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_maps_that_are_not_finite_are_refused(value):
    maps, masks = np.zeros((2, 3, 3), np.float32), np.zeros((2, 3, 3), bool)
    maps[1, 2, 2] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        pixel_metrics(maps, masks)
    with pytest.raises(ValueError, match="NaN or infinite"):
        pro_curve(maps, masks)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.zeros((2, 3, 4), bool), "not both"),
        (np.zeros((2, 3, 3), np.uint8), "uint8, not bool"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, message):
    with pytest.raises(ValueError, match=message):
        pixel_metrics(np.zeros((2, 3, 3)), masks)


def test_maps_without_an_image_axis_are_refused():
    with pytest.raises(ValueError, match="not both"):
        pixel_metrics(np.zeros((3, 3)), np.zeros((3, 3), bool))


@pytest.mark.parametrize("limit", [0, -0.1, 30])
def test_a_limit_that_is_no_rate_is_refused(limit):
    with pytest.raises(ValueError, match="false-positive rate"):
        pro_curve(np.zeros((1, 2, 2)), np.zeros((1, 2, 2), bool), limit)

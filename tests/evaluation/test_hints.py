"""Scores of the wrong sign, and scores that tell nothing apart, get a hint; others get none."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from benchmarks.evaluation.hints import find_hints, is_below_chance
from benchmarks.metrics.image import image_metrics
from benchmarks.metrics.pixel import pixel_metrics
from benchmarks.report.content import build
from benchmarks.report.pictures import Sheets
from benchmarks.results import Store, result_sets
from benchmarks.run.__main__ import main as run
from methods import registry
from methods.base import Features, Scores
from tests.helpers import third_party
from tests.helpers.data_sets import write_category

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize(("positives", "normals"), [(4, 4), (5, 6), (12, 30), (119, 41), (60, 2)])
def test_below_chance_is_where_the_mann_whitney_test_says_so(positives: int, normals: int) -> None:
    random, labels = np.random.default_rng(positives), np.repeat([1, 0], [positives, normals])
    verdicts = []
    for shift in np.linspace(-2, 0.5, 60):
        scores = random.normal(size=positives + normals) + shift * labels
        less = mannwhitneyu(
            scores[labels == 1],
            scores[labels == 0],
            use_continuity=False,
            alternative="less",
            method="asymptotic",
        )
        auroc = roc_auc_score(labels, scores)
        verdicts.append(is_below_chance(auroc, positives, normals))
        assert verdicts[-1] == (less.pvalue < 0.01)
    assert any(verdicts) == (positives + normals > 8)  # so few images prove nothing


@pytest.mark.slow
def test_random_scores_are_rarely_below_chance() -> None:
    random, labels, draws = np.random.default_rng(0), np.repeat([1, 0], [30, 20]), 4000
    aurocs = [roc_auc_score(labels, random.random(50)) for _ in range(draws)]
    share = np.mean([is_below_chance(auroc, 30, 20) for auroc in aurocs])
    assert 0 < share < 0.01 + 3 * np.sqrt(0.01 * 0.99 / draws)


@pytest.mark.parametrize("auroc", [float("nan"), 0.5, 1.0])
def test_what_is_undefined_or_as_good_as_chance_is_not_below_it(auroc: float) -> None:
    assert not is_below_chance(auroc, 0 if np.isnan(auroc) else 100, 100)


def hints(labels: Array, masks: Array, scores: Array, maps: Array) -> list[str]:
    metrics = image_metrics(labels, scores) | pixel_metrics(maps, masks)
    return find_hints(metrics, labels, masks, scores, maps)


def drawn() -> tuple[Array, Array, Array, Array]:
    """Labels, masks, scores and maps of 10 nominal images and 10 with a defect, all detected."""
    labels, masks = np.repeat([0, 1], 10), np.zeros((20, 8, 8), bool)
    masks[10:, 2:4, 2:4] = True
    maps = np.random.default_rng(0).random((20, 8, 8)) + masks
    return labels, masks, maps.max(axis=(1, 2)), maps


def test_scores_that_are_right_get_no_hint() -> None:
    assert hints(*drawn()) == []


def test_scores_of_the_wrong_sign_get_one_each_level() -> None:
    labels, masks, scores, maps = drawn()
    of_images = "image AUROC 0.0 is far below chance: is higher more anomalous?"
    of_pixels = "pixel AUROC 0.0 is far below chance: is higher more anomalous?"
    assert hints(labels, masks, -scores, -maps) == [of_images, of_pixels]
    assert hints(labels, masks, scores, -maps) == [of_pixels]
    everywhere = np.ones(20, int)  # no nominal image: the image AUROC is undefined
    assert hints(everywhere, masks, -scores, -maps) == [of_pixels]


def test_pixels_of_one_image_prove_nothing() -> None:
    labels, masks, _, maps = drawn()
    few = [9, 10]
    assert pixel_metrics(-maps[few], masks[few])["pixel_auroc"] == 0
    assert hints(labels[few], masks[few], np.array([0.0, 1.0]), -maps[few]) == []


def test_what_tells_nothing_apart_gets_one() -> None:
    labels, masks, scores, maps = drawn()
    flat = "every map has one value throughout: none shows where a defect is"
    assert hints(labels, masks, scores, np.zeros_like(maps)) == [flat]
    of_each = np.broadcast_to(scores[:, None, None], maps.shape)
    assert hints(labels, masks, scores, of_each) == [flat]
    same = np.full(20, 0.25)
    assert hints(labels, masks, same, maps) == [
        "all image scores are 0.25: they tell no image from another"
    ]


class Similarity(third_party.MeanDistance):
    """A method whose author forgot a minus sign."""

    def score(self, features: Features) -> Scores:
        maps = super().score(features).maps
        assert isinstance(maps, torch.Tensor)
        return Scores(-maps)


class Parameters(third_party.Parameters):
    def create(self) -> Similarity:
        return Similarity(self)


VARIANTS = {"similarity": Parameters()}


@pytest.fixture
def _other_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    point = EntryPoint("similarity", f"{__name__}:VARIANTS", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: [point])
    registry._survey.cache_clear()
    yield
    monkeypatch.undo()
    registry._survey.cache_clear()


@pytest.mark.usefixtures("folder", "no_figures", "_other_package")
def test_a_method_of_the_wrong_sign_is_warned_of_in_its_run_and_its_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_category(Path("data/cup"), good=8, defect=8)
    command = ["--methods", "similarity,padim", "--data", "data", "--out", "out"]
    assert run([*command, "--backbone", "filterbank", "--image-size", "32"]) == 0
    found = "similarity s0: {} AUROC {:.1f} is far below chance: is higher more anomalous?"
    (wrong, right) = sorted(Store(Path("out")).cells(), key=lambda cell: len(cell.warnings))[::-1]
    hints = [
        found.format(level, 100 * (wrong.metrics[f"{level}_auroc"] or 0))
        for level in ("image", "pixel")
    ]
    assert wrong.warnings == hints
    assert right.warnings == []
    lines = capsys.readouterr().err.splitlines()
    place = next(n for n, line in enumerate(lines) if "] cup similarity s0: Image AUROC" in line)
    assert lines[place + 1 : place + 3] == [f"warning: cup: {hint}" for hint in hints]
    (shown,) = build([result_sets(Path("out"))], Sheets())["sets"]
    assert dict(shown["facts"])["warnings"] == "; ".join(f"cup: {hint}" for hint in hints)

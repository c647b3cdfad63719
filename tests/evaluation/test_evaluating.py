"""Finishing is upsampling and smoothing as defined; shots nest; failures become cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

import methods
from benchmarks.errors import BenchmarkError, DataError
from benchmarks.evaluation.anomaly_maps import upsample_and_smooth
from benchmarks.evaluation.category import CategoryData
from benchmarks.evaluation.drawing import draw_images
from benchmarks.evaluation.evaluating import average_members, evaluate
from benchmarks.evaluation.job import Job, Prediction
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol
from methods.base import Scores


def definition(maps: torch.Tensor, size: int, sigma: float) -> np.ndarray:
    """Bilinear upsampling and SciPy's Gaussian, map by map."""
    upsampled = F.interpolate(maps.double()[:, None], size=size, mode="bilinear")[:, 0].numpy()
    return np.stack([gaussian_filter(one, sigma=sigma) for one in upsampled])


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(12, 70), st.sampled_from([0.5, 4.0]))
def test_finished_maps_are_the_definition(h: int, w: int, size: int, sigma: float) -> None:
    maps = torch.rand(2, h, w, generator=torch.Generator().manual_seed(h * w))
    actual = upsample_and_smooth(Scores(maps), size, sigma).numpy()
    np.testing.assert_allclose(actual, definition(maps, size, sigma), rtol=1e-5)


def test_several_maps_are_each_upsampled_and_then_averaged() -> None:
    fine, coarse = torch.rand(3, 8, 8), torch.rand(3, 2, 2)
    actual = upsample_and_smooth(Scores((fine, coarse)), 32, 4.0).numpy()
    expected = (definition(fine, 32, 4.0) + definition(coarse, 32, 4.0)) / 2
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_a_maps_finish_does_not_depend_on_its_neighbours() -> None:
    maps = torch.rand(9, 7, 7, generator=torch.Generator().manual_seed(0))
    whole = upsample_and_smooth(Scores(maps), 56, 4.0)
    for number, one in enumerate(maps):
        alone = upsample_and_smooth(Scores(one[None]), 56, 4.0)[0]
        # How a product is summed in double precision may hang on how many maps there are. What
        # that changes moves a value that is rounded to single precision by one step at most.
        torch.testing.assert_close(alone, whole[number], rtol=2**-23, atol=0)


def test_no_smoothing_is_upsampling_alone() -> None:
    maps = torch.rand(1, 3, 3)
    expected = F.interpolate(maps.double()[:, None], size=9, mode="bilinear")[:, 0].float()
    torch.testing.assert_close(upsample_and_smooth(Scores(maps), 9, 0), expected)


def fitted(images: int, shots: int | None, seed: int) -> list[int]:
    return draw_images(replace(cell_spec("padim"), shots=shots, seed=seed), images).fitted


@given(st.integers(0, 100), st.integers(1, 20), st.integers(1, 20))
def test_more_shots_contain_fewer(seed: int, few: int, many: int) -> None:
    few, many = sorted((few, many))
    fewer, more = ({*fitted(20, shots, seed)} for shots in (few, many))
    assert len(fewer) == few
    assert fewer <= more


def test_all_shots_are_the_images_in_their_order_and_too_many_are_refused() -> None:
    assert fitted(20, None, 0) == [*range(20)]
    drawn = np.random.default_rng(3).permutation(20)[:7]  # as cells were drawn that are stored
    assert fitted(20, 7, 3) == sorted(drawn.tolist())
    with pytest.raises(BenchmarkError, match="21 shots asked for, but there are 20"):
        fitted(20, 21, 0)


def cell_spec(method: str) -> CellSpec:
    protocol = EvaluationProtocol(
        BackboneSpec("filterbank", "none", "x", {2: "two"}), image_size=32
    )
    return CellSpec("parts", "f", "cup", method, {}, protocol, seed=0)


def test_whatever_goes_wrong_becomes_a_failed_cell_of_one_line() -> None:
    def broken() -> CategoryData:
        raise DataError("cup/train/good/000.png: can't be decoded")

    def surprising() -> CategoryData:
        raise RuntimeError("first line\nsecond line")

    cell = evaluate(Job(cell_spec("padim"), methods.resolve("padim").parameters), broken).cell
    assert (cell.status, cell.error) == ("failed", "cup/train/good/000.png: can't be decoded")
    assert cell.metrics == {}
    cell = evaluate(Job(cell_spec("padim"), methods.resolve("padim").parameters), surprising).cell
    assert cell.error == "RuntimeError: first line second line"


def test_an_interruption_is_not_a_failure() -> None:
    def interrupted() -> CategoryData:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(Job(cell_spec("padim"), methods.resolve("padim").parameters), interrupted)


def test_an_ensemble_averages_scores_that_are_normalised_over_the_test_set() -> None:
    maps = np.array([[[0, 1], [2, 4]], [[0, 0], [0, 2]]], np.float32)
    one = Prediction(np.array([1.0, 3.0]), maps, 1.0, 10.0)
    other = Prediction(np.array([10.0, 10.0]), 100 - 25 * maps, 2.0, 20.0)
    both = average_members([one, other])
    assert both.images.tolist() == [0.0, 0.5]  # a member that says nothing adds nothing
    np.testing.assert_allclose(both.maps, np.full((2, 2, 2), 0.5))  # m/4 and 1 - m/4
    assert (both.fit_seconds, both.score_seconds) == (3.0, 30.0)
    assert average_members([one]) is one

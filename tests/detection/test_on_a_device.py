"""On a pretended GPU a detector's numbers are a run's, and short memory is borne as there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import benchmarks
from benchmarks.detection import detector as detecting
from benchmarks.detection.detector import Detector
from benchmarks.errors import BenchmarkError
from benchmarks.results import Store
from benchmarks.results.scores import read_image_scores
from benchmarks.run.__main__ import main as run
from methods.testing.pretended import pretended_cuda
from tests.helpers.data_sets import write_category

METHODS = ["patchcore-25", "spade", "padim"]


@pytest.fixture
def cup(folder: Path) -> Path:
    return write_category(Path("data/cup"), train=19, good=3, defect=4)


def detector(method: str = "padim", **options: Any) -> Detector:
    given = {"image_size": 32, "device": "cuda", **options}
    return benchmarks.detector(method, backbone="filterbank", **given)


def short_of_memory(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, fits: Any
) -> list[Any]:
    """Let a function run out of memory unless `fits` says otherwise; return what it was given."""
    original, given = getattr(module, name), []

    def failing(*arguments: Any, **named: Any) -> Any:
        given.append(arguments)
        if not fits(len(given), *arguments):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return original(*arguments, **named)

    monkeypatch.setattr(module, name, failing)
    return given


def test_numbers_are_a_runs_to_the_last_digit(cup: Path, no_figures: None) -> None:
    command = ["--methods", ",".join(METHODS), "--backbone", "filterbank", "--image-size", "32"]
    with pretended_cuda() as counts:
        options = ["--data", "data", "--cache", "cache", "--device", "cuda", "--seeds", "5"]
        assert run([*command, *options, "--out", "out"]) == 0
        cells = {cell.spec.method: cell for cell in Store(Path("out")).cells()}
        assert {*cells} == {*METHODS}
        for method, cell in cells.items():
            stored = read_image_scores(Path("out") / str(cell.scores))
            fitted = detector(method, seed=5).fit(cup / "train/good")
            verdicts = fitted.score([cup / name for name in stored["path"]])
            np.testing.assert_array_equal(verdicts.scores, stored["score"])
            fitted.save("file.safetensors")
            loaded = benchmarks.load_detector("file.safetensors", device="cuda:0")
            again = loaded.score([cup / name for name in stored["path"]])
            np.testing.assert_array_equal(again.scores, verdicts.scores)
    assert counts["operations"] > 0


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_runs_out_of_memory_gets_smaller_parts(
    cup: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    expected = detector(method, device="cpu").fit(cup / "train/good").score(cup / "test/spot")
    with pretended_cuda():
        fits = short_of_memory(monkeypatch, detecting, "fit_method", lambda count, *_: count > 2)
        fitted = detector(method).fit(cup / "train/good")
        scores = short_of_memory(
            monkeypatch, detecting, "score_images", lambda count, *_: count > 3
        )
        verdicts = fitted.score(cup / "test/spot")
    assert [features.memory for _, features, _ in fits] == [
        int(share * fitted.memory) for share in (1, 1 / 4, 1 / 16)
    ]
    assert [features.memory for _, features, *_ in scores] == [
        int(share * fitted.memory) for share in (1, 1 / 4, 1 / 16, 1 / 64)
    ]
    np.testing.assert_allclose(verdicts.scores, expected.scores, rtol=1e-5)


def test_images_that_do_not_fit_pass_in_smaller_batches(
    cup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = detector(device="cpu").fit(cup / "train/good").score(cup / "test/spot")
    with pretended_cuda():
        fitted = detector()
        short_of_memory(monkeypatch, detecting, "pass_images", lambda _, net, px, *__: len(px) <= 5)
        verdicts = fitted.fit(cup / "train/good").score(cup / "test/spot")
    assert fitted.batch == 4
    np.testing.assert_allclose(verdicts.scores, expected.scores, rtol=1e-5)


def test_what_fits_nowhere_is_one_line_with_the_remedy(
    cup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pretended_cuda():
        fitted = detector().fit(cup / "train/good")
        for name, said in (
            ("score_images", "padim ran out of memory on cuda, with .* GB to spare, too: pass"),
            ("pass_images", r"filterbank ran out of memory with one image of 32 pixels \(CUDA out"),
        ):
            with monkeypatch.context() as patch:
                short_of_memory(patch, detecting, name, lambda *_: False)
                with pytest.raises(BenchmarkError, match=said) as refused:
                    fitted.score(cup / "test/spot")
            assert "\n" not in str(refused.value)
        short_of_memory(monkeypatch, detecting, "load", lambda *_: False)
        with pytest.raises(BenchmarkError, match="filterbank doesn't fit into the GPU's memory"):
            detector().fit(cup / "train/good")


def test_the_steps_of_a_verdict_are_those_of_score(cup: Path) -> None:
    fitted = detector(device="cpu").fit(cup / "train/good")
    expected = fitted.score(cup / "test/spot")
    squares = fitted.squares(cup / "test/spot")
    fitted.batch = 1
    features = fitted.features(squares)
    verdicts = fitted.verdicts(features, [square.size for square in squares])
    np.testing.assert_allclose(verdicts.scores, expected.scores, rtol=1e-5)
    assert [grid.shape for grid in verdicts.maps] == [square.size[::-1] for square in squares]

"""PatchCore against the official algorithm, written out naively."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from methods import MethodNameError, create, patchcore, resolve
from methods.base import Features, identity
from methods.components import memory_bank
from methods.components.coreset import Selection
from methods.conformance import make_features
from tests.methods.components.test_coreset import plain_loop
from tests.methods.components.test_embedding import definition


def features(count: int, seed: int) -> Features:
    generator = torch.Generator().manual_seed(seed)
    shapes = {2: (32, 8, 8), 3: (96, 4, 4)}
    return Features(
        {i: torch.rand(count, *s, generator=generator).square() for i, s in shapes.items()}
    )


def patches(given: Features, patch_size: int = 3) -> torch.Tensor:
    levels = {i: given.read(i).double() for i in (2, 3)}
    return definition(levels, patch_size, 1024, 1024).flatten(1, 2)  # (N, h·w, 1024)


@pytest.mark.parametrize("patch_size", [3, 5])
@pytest.mark.parametrize("squared", [False, True])
def test_patch_scores_are_the_official_algorithms(patch_size: int, squared: bool) -> None:
    training, test = features(6, 0), features(3, 1)
    name = f"patchcore-100[patch_size={patch_size},squared={squared}]"
    scores = create(name).fit(training, torch.Generator()).score(test)
    bank = patches(training, patch_size).flatten(0, 1)
    expected = torch.cdist(patches(test, patch_size), bank).min(dim=2).values
    expected = expected.square() if squared else expected
    assert isinstance(scores.maps, torch.Tensor)
    assert scores.images is not None
    torch.testing.assert_close(scores.maps.flatten(1).double(), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        scores.images.double(), expected.max(dim=1).values, rtol=1e-5, atol=0
    )


def test_the_memory_bank_is_the_greedy_coreset_of_the_projected_patches() -> None:
    training, test = features(10, 0), features(3, 1)
    scores = create("patchcore-10").fit(training, torch.Generator().manual_seed(7)).score(test)
    bank = patches(training).flatten(0, 1)
    generator = torch.Generator().manual_seed(7)
    weights = (torch.rand(128, 1024, generator=generator) * 2 - 1) / math.sqrt(1024)
    points = (bank.float() @ weights.T).double()
    drawn = torch.randperm(len(points), generator=generator)[:10]
    start = torch.cdist(points, points[drawn]).mean(dim=1)
    kept = plain_loop(points, int(len(points) * 0.1), start)
    expected = torch.cdist(patches(test), bank[kept]).min(dim=2).values
    assert isinstance(scores.maps, torch.Tensor)
    torch.testing.assert_close(scores.maps.flatten(1).double(), expected, rtol=1e-5, atol=0)


def test_reweighting_is_equation_7() -> None:
    training, test = features(4, 0), features(3, 1)
    scores = create("patchcore-100[reweight=5]").fit(training, torch.Generator()).score(test)
    bank = patches(training).flatten(0, 1)
    for image, own in enumerate(patches(test)):
        distances = torch.cdist(own, bank)
        nearest = distances.min(dim=1)
        patch = int(nearest.values.argmax())
        star = bank[nearest.indices[patch]]
        around = torch.cdist(star[None], bank)[0].argsort()[:5]
        total = sum(math.exp(float((own[patch] - bank[i]).norm())) for i in around)
        peak = float(nearest.values[patch])
        assert scores.images is not None
        assert float(scores.images[image]) == pytest.approx(
            (1 - math.exp(peak) / total) * peak, rel=1e-4
        )


def test_reweighting_survives_distances_that_overflow_exp() -> None:
    training, test = features(4, 0), features(2, 1)
    far = Features({i: test.read(i) * 1e4 for i in (2, 3)})
    scores = create("patchcore-100[reweight=3]").fit(training, torch.Generator()).score(far)
    assert scores.images is not None
    assert bool(torch.isfinite(scores.images).all())


ROOT = os.environ.get("MVTEC_AD_ROOT")


@pytest.mark.slow
@pytest.mark.skipif(not ROOT, reason="$MVTEC_AD_ROOT does not name the real data")
def test_agrees_with_the_official_algorithm_on_real_images() -> None:
    """On 12 + 6 real images every patch score agrees to 1e-4 (relative)."""
    from benchmarks.backbones import loading as backbones
    from benchmarks.datasets import indexing as datasets
    from benchmarks.datasets import load_image

    assert ROOT is not None
    weights = Path(ROOT).parent / "mobilenet_v2_imagenet.pth"
    if not weights.exists():
        pytest.skip(f"{weights} is absent")
    category = datasets.index(Path(ROOT), ["screw"]).categories[0]
    layers = ["features.3", "features.6", "features.13", "features.18"]
    backbone = backbones.load("mobilenet_v2", weights=weights, layers=layers)
    chosen = [*category.train[:12], *category.test[:3], *category.test[-3:]]
    images = torch.stack([torch.from_numpy(load_image(s.path, 256, 224)) for s in chosen])
    levels = backbone.forward(images.permute(0, 3, 1, 2), [2, 3])
    training, test = Features(levels).select(range(12)), Features(levels).select(range(12, 18))
    scores = create("patchcore-100[squared=true]").fit(training, torch.Generator()).score(test)
    bank = patches(training).flatten(0, 1)
    expected = torch.cdist(patches(test), bank).min(dim=2).values.square()
    assert isinstance(scores.maps, torch.Tensor)
    torch.testing.assert_close(scores.maps.flatten(1).double(), expected, rtol=1e-4, atol=0)


def test_a_weight_of_one_neighbour_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or at least 2, not 1"):
        create("patchcore-25[reweight=1]")
    with pytest.raises(ValueError, match="two patches"):
        create("patchcore-1[reweight=3]").fit(features(1, 0), torch.Generator())


@pytest.mark.parametrize("method", ["patchcore-100", "patchcore-10", "spade", "spade-5"])
@pytest.mark.parametrize(("scale", "what"), [(1e19, "large"), (1e-20, "small")])
def test_features_without_distances_in_float32_are_refused(
    method: str, scale: float, what: str
) -> None:
    training = make_features(4, 0, (1, 2, 3, 4))
    scaled = Features({i: training.read(i) * scale for i in training.levels})
    with pytest.raises(ValueError, match=f"too {what}: scale them"):
        create(method).fit(scaled, torch.Generator()).score(scaled)


@pytest.mark.parametrize("ratios", [(25, 10, 1), (1, 25, 10)])
def test_ratios_share_one_selection(
    ratios: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their scores are the same as alone, and what is selected once isn't selected again."""
    made: list[int] = []

    def count(points: torch.Tensor, *others: Any) -> Selection:
        made.append(len(points))
        return Selection(points, *others)

    monkeypatch.setattr(memory_bank, "Selection", count)
    training, test = features(10, 0), features(2, 1)
    shared = Features({i: training.read(i) for i in training.levels}, share=True)
    for ratio in ratios:
        scores = []
        for given in (shared, training):
            generator = torch.Generator().manual_seed(3)
            method = create(f"patchcore-{ratio}").fit(given, generator)
            images = method.score(test).images
            assert images is not None
            scores.append((images, torch.rand(1, generator=generator)))
        assert torch.equal(scores[0][0], scores[1][0])
        assert torch.equal(scores[0][1], scores[1][1]), "fit draws as much whether shared or not"
    assert len(made) == 1 + len(ratios)


def test_whole_and_screened_banks_give_the_same_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both compare the row that they name by the same float32 sum."""
    training, test = features(10, 0), features(3, 1)
    method = create("patchcore-100").fit(training, torch.Generator())
    whole = method.score(test)
    monkeypatch.setattr(patchcore, "SCREENED_ROWS", 1)
    monkeypatch.setattr(patchcore, "SCREENED_PAIRS", 1)
    screened = method.score(test)
    assert isinstance(whole.maps, torch.Tensor)
    assert isinstance(screened.maps, torch.Tensor)
    torch.testing.assert_close(screened.maps, whole.maps, rtol=2.0**-22, atol=0)


def test_faiss_is_a_search_to_choose() -> None:
    """Its distances are those of the exact search but for the rounding of |q|² + |b|² - 2 q·b."""
    training, test = features(10, 0), features(3, 1)
    exact, faiss = (
        create(name).fit(training, torch.Generator().manual_seed(0)).score(test)
        for name in ("patchcore-25", "patchcore-25[search=faiss]")
    )
    assert isinstance(exact.maps, torch.Tensor)
    assert isinstance(faiss.maps, torch.Tensor)
    assert not torch.equal(faiss.maps, exact.maps)
    torch.testing.assert_close(faiss.maps, exact.maps, rtol=1e-4, atol=0)
    with pytest.raises(MethodNameError, match="search must be exact or faiss, not 'fias'"):
        resolve("patchcore-25[search=fias]")


def test_the_default_search_is_no_part_of_the_identity() -> None:
    assert "search" not in identity(resolve("patchcore-25").parameters)
    chosen = identity(resolve("patchcore-25[search=faiss]").parameters)
    assert chosen["search"] == "faiss"

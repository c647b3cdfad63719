"""Scores beside anomalib's own scoring code, in double precision and on the same features."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from methods import create
from methods.base import GLOBAL, LAST, Features
from methods.dfm import Dfm
from tests.methods.given import assert_close

anomalib = pytest.importorskip("anomalib")

GRID = 12
LEVELS = (1, 2, 3, 4)


def tokens(count: int, seed: int) -> Features:
    """Return features of a transformer: all levels on one grid, a descriptor and a last block."""
    generator = torch.Generator().manual_seed(seed)
    shapes = dict.fromkeys((*LEVELS, LAST), (16, GRID, GRID)) | {GLOBAL: (16, 1, 1)}
    return Features({i: torch.randn(count, *s, generator=generator) for i, s in shapes.items()})


def bare(kind: Any, **attributes: Any) -> Any:
    """Return a model of theirs without its network, in evaluation mode."""
    model = kind.__new__(kind)
    torch.nn.Module.__init__(model)
    for name, value in attributes.items():
        setattr(model, name, value)
    return model.eval()


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their code rounds to single precision here and there: not in this test."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


def flat(features: Features, level: int) -> torch.Tensor:
    return features.read(level).to(torch.float64).flatten(2).transpose(1, 2)  # (N, P, C)


def test_dfm(double: None) -> None:
    from anomalib.models.components import PCA
    from anomalib.models.image.dfm.torch_model import DFMModel

    training, test = tokens(60, 0), tokens(5, 1)
    method = create("dfm[pooling=3,image_score=sum]").fit(training, torch.Generator())
    assert isinstance(method, Dfm)
    kept = method.state()["basis"].shape[1]
    theirs, ours = (
        torch.nn.functional.avg_pool2d(f.read(3).to(torch.float64), 3) for f in (training, test)
    )
    usual = bare(DFMModel, pca_model=PCA(0.97), score_type="fre")
    usual.memory_bank = [theirs.flatten(1).clone()]
    usual.fit()
    assert int(usual.pca_model.num_components) == kept - 1  # it leaves out the last one it needs
    model = bare(DFMModel, pca_model=PCA(kept), score_type="fre")
    model.memory_bank = [theirs.flatten(1).clone()]
    model.fit()
    images, maps = model.score(ours.flatten(1).clone(), ours.shape)
    scores = method.score(test)
    assert_close(scores.images, images)
    assert_close(scores.maps, maps[:, 0])  # type: ignore[arg-type]


def test_anomalydino() -> None:
    from anomalib.models.image.anomaly_dino.torch_model import AnomalyDINOModel

    training, test = tokens(9, 0), tokens(5, 1)
    model = bare(
        AnomalyDINOModel,
        memory_bank=torch.nn.functional.normalize(flat(training, LAST).flatten(0, 1), dim=1),
        masking=False,
        num_neighbours=1,
        patch_size=1,
        extract_features=lambda images: flat(test, LAST),
        anomaly_map_generator=lambda distances, size: distances,
    )
    predicted = model(torch.zeros(5, 3, GRID, GRID))
    scores = create("anomalydino").fit(training, torch.Generator()).score(test)
    assert_close(scores.images, predicted.pred_score.flatten())
    assert_close(scores.maps, predicted.anomaly_map[:, 0])  # type: ignore[arg-type]


@pytest.mark.parametrize("neighbours", [7, 150])
def test_rad(neighbours: int) -> None:
    from anomalib.models.image.rad.torch_model import RadModel

    training, test = tokens(40, 0), tokens(5, 1)
    model = bare(
        RadModel,
        layers=LEVELS,
        k_image=neighbours,
        use_positional_bank=True,
        pos_radius=1,
        max_ratio=0.01,
        bank_dtype=None,
        feature_extractor=torch.nn.Linear(1, 1),
        blur=torch.nn.Identity(),
        _layer_weights=[1 / 4] * 4,
        _neighborhood_plans={},
        _cls_store=[[] for _ in LEVELS],
        _patch_store=[[] for _ in LEVELS],
        _train_grid=None,
    )

    def layers(features: Features) -> list[tuple[torch.Tensor, torch.Tensor]]:
        token = features.read(GLOBAL).flatten(1).to(torch.float64)
        return [(flat(features, level), token) for level in LEVELS]

    model._store_features(layers(training), (GRID, GRID))
    model.build_memory_bank()
    predicted = model._score(layers(test), (GRID, GRID), (GRID, GRID))
    method = create(f"rad[neighbours={neighbours}]")
    scores = method.fit(training, torch.Generator()).score(test)
    assert_close(scores.images, predicted.pred_score)
    assert_close(scores.maps, predicted.anomaly_map[:, 0])  # type: ignore[arg-type]

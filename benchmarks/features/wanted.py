"""Which cached arrays the features of a category are."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.datasets import Category
from benchmarks.features.crops import Split
from benchmarks.specs import USUAL_BATCH, EvaluationProtocol, FeatureSpec


def feature_specs(
    dataset: str,
    category: Category,
    split: Split,
    protocol: EvaluationProtocol,
    levels: Sequence[int],
    *,
    batch: int = USUAL_BATCH,
) -> dict[int, FeatureSpec]:
    """Return level → the specification of its cached array for one category and split.

    That of images of which `batch` passed the backbone together.
    """
    backbone = protocol.backbone
    return {
        level: FeatureSpec(
            dataset=dataset,
            dataset_fingerprint=category.fingerprint,
            category=category.name,
            split=split,
            backbone=backbone.name,
            weights=backbone.weights,
            weights_sha256=backbone.weights_sha256,
            level=level,
            layer=backbone.layers[level],
            image_size=protocol.image_size,
            resize=protocol.resize,
            dtype=protocol.dtype,
            fit=protocol.fit,
            interpolation=protocol.interpolation,
            batch=batch,
        )
        for level in levels
    }

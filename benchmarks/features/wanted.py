"""Which cached arrays the features of some images are."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.features.crops import Part, described
from benchmarks.specs import USUAL_BATCH, EvaluationProtocol, FeatureSpec


def feature_specs(
    dataset: str,
    part: Part,
    protocol: EvaluationProtocol,
    levels: Sequence[int],
    *,
    batch: int = USUAL_BATCH,
) -> dict[int, FeatureSpec]:
    """Return level → the specification of the cached array for one category and split.

    Levels that the backbone doesn't have, as a descriptor of its own, are those that stand for it.
    That of images of which `batch` passed the backbone together.
    """
    backbone = protocol.backbone
    return {
        level: FeatureSpec(
            **described(dataset, part, protocol),
            backbone=backbone.name,
            weights=backbone.weights,
            weights_sha256=backbone.weights_sha256,
            level=level,
            layer=layer,
            dtype=protocol.dtype,
            batch=batch,
            tiles=protocol.tiles,
            augment=protocol.augment if part.split == "copies" else "none",
        )
        for level, layer in backbone.extracted(levels).items()
    }

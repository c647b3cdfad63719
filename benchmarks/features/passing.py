"""Images through a backbone, to features in the type in which they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.backbones.backbone import Backbone
from benchmarks.errors import BenchmarkError
from benchmarks.specs import DType
from methods.lazy import Tensor, torch


def pass_images(
    backbone: Backbone, images: np.ndarray[Any, Any], levels: Sequence[int], dtype: DType
) -> dict[int, Tensor]:
    """Return level → features (n, C, h, w) of images that pass the backbone together.

    Args:
        backbone: the network.
        images: uint8 RGB, (n, 3, S, S).
        levels: which levels.
        dtype: type of the features.

    Raises:
        BenchmarkError: the features are too large for that type.
    """
    outputs = backbone.forward(torch.from_numpy(images), levels)
    kept = {level: maps.to(getattr(torch, dtype)) for level, maps in outputs.items()}
    for level, maps in outputs.items():
        narrower = kept[level].dtype != maps.dtype
        if narrower and kept[level].isinf().any() and maps.isfinite().all():
            raise BenchmarkError(
                f"{backbone.spec.name} has features up to {maps.abs().max():.3g}, beyond what "
                f"{dtype} holds: pass --dtype float32"
            )
    return kept

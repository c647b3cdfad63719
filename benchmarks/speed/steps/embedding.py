"""Times the embedding of patches against unfolding."""

from __future__ import annotations

from functools import partial

from benchmarks.speed import references as plain
from benchmarks.speed.inputs import DIMS, PATCH_SIZE
from benchmarks.speed.report import Comparison
from benchmarks.speed.timing import TIE, Agreement, Bench, Reference
from methods.components.embedding import embed, level_projections
from methods.lazy import torch

EMBEDDED = 8
"""Images a batch of the embedding."""


def embedding(bench: Bench) -> list[Comparison]:
    """Time images → patch features, without and with unfolded neighbourhoods."""
    backbone, size = bench.inputs.backbone, bench.scale.image_size
    images = torch.randint(0, 256, (EMBEDDED, 3, size, size)).to(torch.uint8).to(bench.device)
    channels = {i: backbone.channels[i] for i in (2, 3)}
    maps = level_projections(channels, PATCH_SIZE, DIMS, DIMS, bench.device)
    unfold = partial(plain.unfolded_embedding, patch_size=PATCH_SIZE, level_dims=DIMS, dims=DIMS)
    forward = plain.plain_forward(bench.inputs.network, (2, 3))
    expected = unfold(forward(images))
    ours = embed(backbone.forward(images, (2, 3)), maps, DIMS)
    error = float((ours - expected).abs().max() / expected.abs().max())
    return bench.compare(
        "embedding",
        f"{len(images)} images of {size}, {bench.scale.backbone}, forward included",
        lambda: embed(backbone.forward(images, (2, 3)), maps, DIMS),
        [
            Reference("unfold form", lambda: unfold(forward(images)), note="as the official code"),
            Reference("torchvision's forward", lambda: forward(images), note="no embedding"),
            Reference("forward alone", lambda: backbone.forward(images, (2, 3)), note="the limit"),
        ],
        Agreement(error < TIE, f"differs by {error:.0e} of the largest"),
    )

"""The plain definitions that `benchmarks.speed` times against, and adapters of other packages.

Each is written as the public code does it, not as well as it could be done. Adapters import their
package when called: anomalib and adeval come with the extra `[peers]`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.array_types import Floats, Masks
from methods.base import Features
from methods.components.parallel import parallel_map
from methods.lazy import Tensor, nn, torch

PRODUCT_QUERIES, PRODUCT_ROWS = 512, 4096
"""Tile of the plain product: among the fastest on the CPU."""

POPULAR_BLOCK = 100
"""Gallery features that the popular SPADE code compares at a time."""


def installed(package: str) -> bool:
    """Return whether a package that is timed against is there."""
    return find_spec(package) is not None


def official_coreset(points: Tensor, size: int, distances: Tensor) -> Tensor:
    """Return farthest-first centres (size,) as the official PatchCore code finds them.

    Every step computes all distances to one centre, joins them to the smallest so far, and takes
    the minimum and the farthest.

    Args:
        points: (N, d).
        size: number of centres.
        distances: (N,) initial distances.
    """
    squares = points.unsqueeze(1).bmm(points.unsqueeze(2)).reshape(-1, 1)
    smallest = distances.reshape(-1, 1)
    selected = []
    for _ in range(size):
        index = int(smallest.argmax())
        selected.append(index)
        products = points @ points[index : index + 1].T
        new = (-2 * products + squares + squares[index]).clamp(min=0).sqrt()
        smallest = torch.cat([smallest, new], dim=-1).min(dim=1).values.reshape(-1, 1)
    return torch.tensor(selected)


def norm_coreset(points: Tensor, size: int) -> Tensor:
    """Return farthest-first centres (size,) as anomalib's KCenterGreedy finds them, from row 0."""
    smallest = torch.full((len(points), 1), torch.inf, device=points.device)
    selected = [torch.zeros((), dtype=torch.int64, device=points.device)]
    for _ in range(size - 1):
        difference = points - points[selected[-1]]
        smallest = torch.minimum(smallest, torch.linalg.norm(difference, dim=1, keepdim=True))
        selected.append(smallest.squeeze(1).max(dim=0).indices)
        smallest[selected[-1]] = 0.0
    return torch.stack(selected).cpu()


def anomalib_coreset(points: Tensor, size: int) -> Tensor:
    """Return anomalib's own selection (size,) on points that are projected already."""
    module = import_module("anomalib.models.components.sampling.k_center_greedy")
    # three axes: what has two is projected first
    sampler = module.KCenterGreedy(points.unsqueeze(2), (size + 0.5) / len(points))
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        return torch.tensor(sampler.select_coreset_idxs())


def plain_product(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """Return distances to, and rows of, the nearest by one product and minimum a tile, (n,) each.

    Distances are the root of |q|² + |b|² - 2 q·b in float32: nothing is compared exactly.

    Args:
        queries: (n, d).
        bank: (m, d).
    """
    squares = bank.square().sum(dim=1)
    smallest = queries.new_full((len(queries),), torch.inf)
    rows = torch.full((len(queries),), -1, device=queries.device)

    def search(start: int) -> None:
        block = slice(start, start + PRODUCT_QUERIES)
        for first in range(0, len(bank), PRODUCT_ROWS):
            tile = slice(first, first + PRODUCT_ROWS)
            products = torch.addmm(squares[tile], queries[block], bank[tile].T, alpha=-2)
            values, nearest = products.min(dim=1)
            nearer = values < smallest[block]
            rows[block] = torch.where(nearer, nearest + first, rows[block])
            smallest[block] = torch.where(nearer, values, smallest[block])

    parallel_map(search, range(0, len(queries), PRODUCT_QUERIES), queries.device)
    return (smallest + queries.square().sum(dim=1)).clamp_(min=0).sqrt_(), rows


def plain_forward(network: nn.Module, levels: Sequence[int]) -> Callable[[Tensor], Any]:
    """Return torchvision's own pass through a ResNet: images → level → maps, to the last level.

    Args:
        network: a torchvision ResNet in evaluation mode.
        levels: which of its four stages' outputs to return.
    """
    from torchvision.models.feature_extraction import create_feature_extractor
    from torchvision.transforms.functional import normalize

    stages = {f"layer{level}": str(level) for level in levels}
    extractor = create_feature_extractor(network, stages)
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

    def forward(images: Tensor) -> dict[int, Tensor]:
        with torch.inference_mode():
            maps = extractor(normalize(images.float() / 255, mean, deviation))
        return {level: maps[str(level)] for level in levels}

    return forward


def unfolded_embedding(
    levels: Mapping[int, Tensor], patch_size: int, level_dims: int, dims: int
) -> Tensor:
    """Return PatchCore's patch features (n, h, w, dims) by unfolding every neighbourhood.

    Args:
        levels: level → (n, C, h, w), finest first.
        patch_size: P.
        level_dims: length to which a level's neighbourhoods are pooled.
        dims: length of a patch feature.
    """
    adaptive = torch.nn.functional.adaptive_avg_pool1d
    count, _, height, width = next(iter(levels.values())).shape
    pooled = []
    for features in levels.values():
        _, channels, level_height, level_width = features.shape
        patches = torch.nn.functional.unfold(features, patch_size, padding=patch_size // 2)
        if (level_height, level_width) != (height, width):
            grids = patches.reshape(-1, 1, level_height, level_width)
            patches = torch.nn.functional.interpolate(
                grids, size=(height, width), mode="bilinear", align_corners=False
            )
        patches = patches.reshape(count, channels * patch_size**2, height * width)
        flat = patches.transpose(1, 2).reshape(count * height * width, 1, -1)
        pooled.append(adaptive(flat, level_dims).squeeze(1))
    stacked = torch.stack(pooled, dim=1).reshape(len(pooled[0]), 1, -1)
    return adaptive(stacked, dims).reshape(count, height, width, dims)


def popular_correspondence(queries: Tensor, gallery: Tensor) -> Tensor:
    """Return one level's map (h, w) as the popular SPADE code makes it, block by block.

    Args:
        queries: (1, C, h, w), the test image's level.
        gallery: (m, C), features of the retrieved images, all positions.
    """
    distances = []
    for block in gallery.split(POPULAR_BLOCK):
        difference = block[:, :, None, None] - queries + 1e-6
        distances.append(torch.linalg.vector_norm(difference, dim=1))
    return torch.cat(distances).min(dim=0).values


def pyramid(features: Features, image: int, levels: Sequence[int]) -> Tensor:
    """Return an image's levels, upsampled bilinearly to the first and concatenated, (h·w, C)."""
    size = features.shape(levels[0])[1:]
    parts = [
        torch.nn.functional.interpolate(features.read(level, [image]), size=size, mode="bilinear")
        for level in levels
    ]
    return torch.cat(parts, dim=1)[0].flatten(1).T


def positions(features: Features, dims: Sequence[int], where: Sequence[int]) -> Floats:
    """Return PaDiM's embedding of some positions, (positions, n, dims): levels 1–3, repeated."""
    _, height, width = features.shape(1)
    parts = []
    for level in (1, 2, 3):
        _, level_height, level_width = features.shape(level)
        place = [
            (p // width) * level_height // height * level_width + (p % width) * level_width // width
            for p in where
        ]
        parts.append(features.read(level).flatten(2)[:, :, place])
    return torch.cat(parts, dim=1)[:, list(dims)].permute(2, 0, 1).cpu().numpy()


def position_loop(training: Floats, test: Floats, epsilon: float = 0.01) -> Floats:
    """Return PaDiM's distances (positions, n) by a covariance and an inverse a position.

    Args:
        training: (positions, N, d).
        test: (positions, n, d).
        epsilon: what is added to the covariances' diagonals.
    """
    from scipy.spatial.distance import mahalanobis

    distances = np.empty(test.shape[:2])
    identity = np.eye(training.shape[2])
    for position, samples in enumerate(training):
        mean = samples.mean(axis=0)
        inverse = np.linalg.inv(np.cov(samples, rowvar=False) + epsilon * identity)
        for image, sample in enumerate(test[position]):
            distances[position, image] = mahalanobis(sample, mean, inverse)
    return distances


def threshold_loop(maps: Floats, masks: Masks, thresholds: Sequence[float]) -> tuple[Floats, ...]:
    """Return false-positive rates and per-region overlaps, each threshold by whole binary maps.

    Args:
        maps: (N, H, W).
        masks: (N, H, W).
        thresholds: scores, descending.
    """
    from scipy.ndimage import find_objects, label

    regions = []
    for image, mask in enumerate(masks):
        labelled, _ = label(mask, np.ones((3, 3)))
        for number, box in enumerate(find_objects(labelled), start=1):
            regions.append((image, box, labelled[box] == number))
    rates, overlaps = [], []
    for threshold in thresholds:
        binary = maps >= threshold
        rates.append((binary & ~masks).sum() / (~masks).sum())
        overlaps.append(np.mean([binary[i][box][region].mean() for i, box, region in regions]))
    return np.array(rates), np.array(overlaps)


def adeval_metrics(maps: Floats, masks: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Return ADEval's pixel AUROC, average precision and AUPRO, from 1,000 bins of scores."""
    # ADEval 1.1 calls what NumPy 2.4 removed
    with patch.object(np, "trapz", np.trapezoid, create=True):
        return import_module("adeval").auroc_aupr_aupro(maps, masks)


def anomalib_aupro(maps: Tensor, masks: Tensor) -> float:
    """Return anomalib's AUPRO of maps and masks (N, H, W)."""
    metric = import_module("anomalib.metrics.aupro")._AUPRO(fpr_limit=0.3).to(maps.device)
    metric.update(maps, masks.int())
    return float(metric.compute())

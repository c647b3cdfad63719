"""The fastest plain forms that `benchmarks.speed` times against, and adapters of other packages.

Adapters import their package when called: anomalib and adeval come with the extra `[peers]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from benchmarks.array_types import Floats, Masks
from methods.base import Features
from methods.components.parallel import parallel_map
from methods.lazy import Tensor, mock, torch

PRODUCT_QUERIES, PRODUCT_ROWS = 512, 4096
"""Tile of the plain product: among the fastest on the CPU."""

POSITION_IMAGES = 16
"""Images whose positions are read together."""


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


def positions(features: Features, dims: Sequence[int], where: Sequence[int]) -> Floats:
    """Return PaDiM's embedding of some positions, (positions, n, dims): levels 1–3, repeated."""
    size, images = features.shape(1)[1:], []
    for batch in features.batches(POSITION_IMAGES):
        levels = [features.read(level, batch) for level in (1, 2, 3)]
        grids = [torch.nn.functional.interpolate(level, size=size) for level in levels]
        images.append(torch.cat(grids, dim=1).flatten(2)[:, dims][..., where])
    return torch.cat(images).permute(2, 0, 1).cpu().numpy()


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
    with mock.patch.object(np, "trapz", np.trapezoid, create=True):
        return import_module("adeval").auroc_aupr_aupro(maps, masks)


def anomalib_aupro(maps: Tensor, masks: Tensor) -> float:
    """Return anomalib's AUPRO of maps and masks (N, H, W)."""
    metric = import_module("anomalib.metrics.aupro")._AUPRO(fpr_limit=0.3).to(maps.device)
    metric.update(maps, masks.int())
    return float(metric.compute())

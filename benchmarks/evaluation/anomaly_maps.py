"""Post-processing of anomaly maps: upsampled to the crop and smoothed."""

from __future__ import annotations

from functools import lru_cache

from methods.base import Scores
from methods.components.uploads import moved
from methods.lazy import Tensor, torch

IMAGES_TOGETHER = 16
"""Maps that are post-processed together."""


def upsample_and_smooth(scores: Scores, size: int, sigma: float) -> Tensor:
    """Post-process: return anomaly maps at the crop's resolution, (N, size, size) float32.

    Bilinear upsampling, then a Gaussian (`scipy.ndimage.gaussian_filter`'s, reflecting, cut at
    four sigma). Both are linear and separable, so that together they are one matrix on either side
    of a map. Several maps an image are averaged. Where a method makes none, all is NaN.

    Args:
        scores: a method's scores, its maps (N, h, w).
        size: side of the crop in pixels.
        sigma: the Gaussian's standard deviation in pixels, 0 for none.
    """
    maps = scores.grids
    if not maps:
        assert scores.images is not None
        return torch.full((1, 1, 1), torch.nan).expand(len(scores.images), size, size)
    sides = [
        [_matrix_on(grid.device, length, size, sigma) for length in grid.shape[1:]] for grid in maps
    ]
    finished = maps[0].new_empty(len(maps[0]), size, size, dtype=torch.float32)
    for start in range(0, len(finished), IMAGES_TOGETHER):
        images = slice(start, start + IMAGES_TOGETHER)
        total = torch.zeros((), dtype=torch.float64, device=finished.device)
        for grid, (down, across) in zip(maps, sides, strict=True):
            total = total + down @ grid[images].double() @ across.T  # (size, h) (n, h, w) (w, size)
        finished[images] = total / len(maps)
    return finished


@lru_cache(maxsize=16)
def _matrix_on(device: torch.device, length: int, size: int, sigma: float) -> Tensor:
    """Return the matrix of one axis on a device, to which it goes once."""
    matrix = _post_processing_matrix(length, size, sigma)
    return moved(matrix, device)


def _post_processing_matrix(length: int, size: int, sigma: float) -> Tensor:
    """Return bilinear upsampling and smoothing along one axis as a matrix (size, length)."""
    from scipy.ndimage import gaussian_filter1d

    identity = torch.eye(length, dtype=torch.float64)[None]
    upsampling = torch.nn.functional.interpolate(identity, size=size, mode="linear")[0].T
    if sigma == 0:
        return upsampling
    smoothed = gaussian_filter1d(upsampling.numpy(), sigma, axis=0, mode="reflect", truncate=4.0)
    return torch.from_numpy(smoothed)

"""Images as people have them, files, arrays or tensors, to the squares that a backbone sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from benchmarks.array_types import Floats
from benchmarks.datasets.images import EXTENSIONS, as_square, load_rgb
from benchmarks.errors import DataError
from benchmarks.processes import cores
from benchmarks.specs import EvaluationProtocol
from methods.lazy import Tensor, torch

Images: TypeAlias = "str | Path | Image.Image | np.ndarray[Any, Any] | Tensor | Iterable[Images]"
"""A file, a folder of image files, or pixels; or any number of them. Arrays and tensors are RGB,
(H, W, 3) or (N, H, W, 3), or with the channels first; a single channel is grey. They hold uint8, or
fractions from 0 to 1."""

SHAPES = "(H, W, 3) or (N, H, W, 3), or with the channels first"


class Square(NamedTuple):
    """An image as a backbone sees it, (S, S, 3) uint8, and its own width and height."""

    pixels: np.ndarray[Any, Any]
    size: tuple[int, int]


def squares_of(images: Images, protocol: EvaluationProtocol) -> Sequence[Square]:
    """Return the squares of all images in order, decoded by all cores.

    Raises:
        DataError: there are none, a file can't be read, or an array isn't of images.
    """

    def square(image: Path | Image.Image) -> Square:
        whole = load_rgb(image) if isinstance(image, Path) else image
        p = protocol
        pixels = as_square(whole, p.resize, p.image_size, p.fit, p.interpolation)
        return Square(pixels, whole.size)

    with ThreadPoolExecutor(cores()) as pool:
        squares = list(pool.map(square, _each(images)))
    if not squares:
        raise DataError("no images are given: pass files, a folder of files, or arrays")
    return squares


def _each(images: Images) -> Iterator[Path | Image.Image]:
    """Yield the images one by one: files that are still to be read, or pictures."""
    if isinstance(images, str | Path):
        path = Path(images).expanduser()
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        yield from (p for p in inside if p == path or p.suffix.lower() in EXTENSIONS)
    elif isinstance(images, Image.Image):
        yield images.convert("RGB")
    elif isinstance(images, np.ndarray | torch.Tensor):
        pixels = images.detach().cpu().numpy() if isinstance(images, torch.Tensor) else images
        yield from map(Image.fromarray, _rgb(pixels))
    elif isinstance(images, Iterable):
        for image in images:
            yield from _each(image)
    else:
        kind = type(images).__name__
        raise DataError(f"an image is a {kind}: pass a file, an array {SHAPES}, or a list of these")


def _rgb(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an image or several as (N, H, W, 3) uint8.

    Raises:
        DataError: the shape or the type isn't an image's.
    """
    shape = pixels.shape
    several = pixels if len(shape) == 4 else pixels[None]
    if len(shape) in (3, 4) and several.shape[3] not in (1, 3) and several.shape[1] in (1, 3):
        several = np.moveaxis(several, 1, 3)
    if len(shape) == 2:
        several = several[..., None]
    if several.ndim != 4 or several.shape[3] not in (1, 3) or 0 in shape:
        raise DataError(f"an array of shape {shape} is given: images are {SHAPES}")
    return np.ascontiguousarray(np.broadcast_to(_bytes(several), (*several.shape[:3], 3)))


def _bytes(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if pixels.dtype == np.uint8:
        return pixels
    fractions: Floats = pixels.astype(np.float64) if pixels.dtype.kind == "f" else np.full(1, 2.0)
    if not (fractions.min() >= 0 and fractions.max() <= 1):  # NaN is neither
        raise DataError(
            f"pixels are {pixels.dtype} from {pixels.min():g} to {pixels.max():g}: pass uint8 from "
            "0 to 255, or fractions from 0 to 1"
        )
    return np.rint(255 * fractions).astype(np.uint8)

"""Images as people have them, files, arrays or tensors, to the squares that a backbone sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageOps

from benchmarks.array_types import Floats
from benchmarks.datasets.images import DECODE_ERRORS, as_rgb, as_square, load_rgb
from benchmarks.datasets.layouts.base import images_in
from benchmarks.errors import DataError
from benchmarks.features.copying import Turn, copied
from benchmarks.places import written_path
from benchmarks.processes import cores
from benchmarks.specs import EvaluationProtocol
from methods.lazy import Tensor, torch

Images: TypeAlias = "str | Path | Image.Image | np.ndarray[Any, Any] | Tensor | Iterable[Images]"
"""A file, a folder of image files, or pixels; or any number of them. Arrays and tensors are as
`SHAPES` says, and hold uint8, or fractions from 0 to 1."""

SHAPES = (
    "(H, W, 3) or (N, H, W, 3), RGB, or with the channels first; a fourth channel is left out, and "
    "grey is (H, W) or (N, H, W, 1)"
)

CHANNELS = (1, 3, 4)


class Square(NamedTuple):
    """An image as a backbone sees it, (S, S, 3) uint8, and its own width and height."""

    pixels: np.ndarray[Any, Any]
    size: tuple[int, int]

    def copied(self, turn: Turn) -> Square:
        """Return a copy of a training image, as `benchmarks.features.copying.copied` makes it."""
        pixels = copied(self.pixels.transpose(2, 0, 1), turn)
        return Square(pixels.transpose(1, 2, 0), self.size)


def squares_of(images: Images, protocol: EvaluationProtocol) -> list[Square]:
    """Return the squares of all images in order, decoded by all cores.

    Raises:
        DataError: there are none, a file can't be read, or an array isn't of images.
    """
    p = protocol

    def square(image: Path | Image.Image) -> Square:
        whole = load_rgb(image) if isinstance(image, Path) else _picture(image)
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
        path = written_path(str(images))
        files = images_in(path) if path.is_dir() else [path]
        if not files:
            raise DataError(f"{path}: no image files lie in this folder itself; name one that has")
        yield from files
    elif isinstance(images, Image.Image):
        yield images
    elif isinstance(images, torch.Tensor):
        host = images.detach().cpu()
        yield from _each((host.float() if host.is_floating_point() else host).numpy())
    elif isinstance(images, np.ndarray) and images.dtype.kind not in "OU":  # as names of files
        yield from map(Image.fromarray, _rgb(images))
    elif isinstance(images, Iterable) and not isinstance(images, bytes):
        for image in images:
            yield from _each(image)
    else:
        kind = type(images).__name__
        raise DataError(f"an image is a {kind}: pass a file, an array {SHAPES}; or a list of these")


def _picture(image: Image.Image) -> Image.Image:
    """Return Pillow's image as RGB, as its file would be read."""
    try:
        return as_rgb(ImageOps.exif_transpose(image), "an image")
    except DECODE_ERRORS as error:
        raise DataError(f"an image can't be read ({error}): open it again, or its copy") from error


def _rgb(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an image or several as (N, H, W, 3) uint8.

    Raises:
        DataError: the shape or the type isn't an image's.
    """
    several = pixels[..., None] if pixels.ndim == 2 else pixels
    several = several[None] if several.ndim == 3 else several
    if several.ndim == 4 and several.shape[3] not in CHANNELS and several.shape[1] in CHANNELS:
        several = np.moveaxis(several, 1, 3)
    if several.ndim != 4 or several.shape[3] not in CHANNELS or 0 in pixels.shape:
        raise DataError(f"an array of shape {pixels.shape} is given: images are {SHAPES}")
    colours = _bytes(several)[..., :3]
    return np.ascontiguousarray(np.broadcast_to(colours, (*several.shape[:3], 3)))


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

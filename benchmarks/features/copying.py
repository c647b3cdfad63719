"""Copies of training images: mirrored or turned, as few-shot methods make more of few images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from benchmarks.specs import Augment

Turn: TypeAlias = int | Literal["mirrored"]

COPIES: Mapping[Augment, Sequence[Turn]] = {
    "none": (),
    "flip": ("mirrored",),
    "rotate8": (45, 90, 135, 180, 225, 270, 315),
}
"""By `--augment` each copy of an image: how many degrees it is turned, counter-clockwise."""

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def copied(image: Pixels, turn: Turn) -> Pixels:
    """Return a copy of a square image, (3, S, S).

    Right angles move pixels; others are bilinear, with the image mirrored at its border for what
    comes into its corners.
    """
    if turn == "mirrored":
        return np.ascontiguousarray(image[:, :, ::-1])
    if turn % 90 == 0:
        return np.ascontiguousarray(np.rot90(image, turn // 90, axes=(1, 2)))
    side = image.shape[1]
    border = ceil(side * (sqrt(2) - 1) / 2) + 1
    wider = np.pad(image.transpose(1, 2, 0), ((border,) * 2, (border,) * 2, (0, 0)), "symmetric")
    turned = Image.fromarray(wider).rotate(turn, Image.Resampling.BILINEAR)
    inside = np.asarray(turned)[border : border + side, border : border + side]
    return np.ascontiguousarray(inside.transpose(2, 0, 1))

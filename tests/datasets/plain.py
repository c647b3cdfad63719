"""Data sets of plain grey images, and files that hold noise."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 12


def save(path: Path, size: tuple[int, int] = (SIDE, SIDE), value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)
    return path


def save_mask(path: Path, marked: int = 255) -> Path:
    """Write a mask with a square of 4 × 4 pixels."""
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[4:8, 4:8] = marked
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def encoded(extension: str, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    formats = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "tif": "TIFF", "webp": "WEBP"}
    Image.fromarray(pixels).save(buffer, formats[extension])
    return buffer.getvalue()

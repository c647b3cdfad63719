"""What a figure's file shows, as a blank one of the same size wouldn't."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

SVG = "{http://www.w3.org/2000/svg}"


def pixels_of(path: Path, colour: str) -> int:
    """Return how many pixels of a PNG have a colour, given as matplotlib takes it."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=int)
    wanted = np.rint(np.multiply(to_rgb(colour), 255)).astype(int)
    return int((abs(pixels - wanted).max(axis=2) <= 1).sum())


def ink(path: Path) -> float:
    """Return which share of a PNG is not white."""
    with Image.open(path) as image:
        return float((np.asarray(image.convert("RGB")) < 255).any(axis=2).mean())


def shapes_of(path: Path) -> set[str]:
    """Return the kinds of elements that an SVG draws, what it only defines left out."""
    root = ET.parse(path).getroot()
    assert root.tag == f"{SVG}svg"
    defined = {id(element) for defs in root.iter(f"{SVG}defs") for element in defs.iter()}
    drawn = (element for element in root.iter() if id(element) not in defined)
    return {element.tag.removeprefix(SVG) for element in drawn} & {"path", "use", "image"}


def assert_drawn(path: Path) -> None:
    """Assert that a PNG or an SVG of a figure has more than a caption."""
    if path.suffix == ".png":
        assert ink(path) > 0.02, f"{path}: blank"
    else:
        assert shapes_of(path) >= {"path", "use"}, f"{path}: blank"

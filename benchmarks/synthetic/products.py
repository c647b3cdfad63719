"""The embedded data set's table of products, and each of their images drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import GOOD
from benchmarks.synthetic import drawing, specimens
from benchmarks.synthetic.drawing import SIZE, Defect, Dice, Field, Scene, damage, noise

VERSION = "synthetic-v2"
"""The data set's folder and the seed of all its pixels; it rises whenever a pixel changes."""

Pixels = NDArray[np.uint8]

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Product:
    """A category: what it looks like, how much nominal specimens vary, what goes wrong.

    Attributes:
        paint: draws one nominal specimen.
        light: how far the lighting varies between and within images, as a fraction.
        grain: sensor noise, in grey levels.
        defects: kinds of defect by folder name.
        grey: whether the images have one channel.
    """

    paint: Callable[[Dice], Scene]
    light: float
    grain: float
    defects: Mapping[str, Defect]
    grey: bool = False

    @property
    def per_defect(self) -> int:
        """Number of test images of each kind of defect."""
        return 5 if len(self.defects) > 3 else 6


_RUST, _BURN = (0.3, 0.8, 1.0), (1.0, 0.9, 0.7)

# fmt: off
PRODUCTS = {  # the amplitudes that decide how hard each category is
    "blister_pack": Product(specimens.blister_pack, 0.05, 3, {
        "empty": Defect(drawing.missing),
        "faded": Defect(drawing.recoloured, 0, 34, (0.2, 0.6, 1.0)),
        "shifted": Defect(drawing.displaced, 6),
        "torn_foil": Defect(drawing.crack, 24, -30),
    }),
    "brushed_steel": Product(specimens.brushed_steel, 0.08, 3, {
        "dent": Defect(drawing.stain, 7, -8),
        "scratch": Defect(drawing.scratch, 22, 18),
        "wrong_grain": Defect(drawing.turned, 7, 0.6),
    }, grey=True),
    "button": Product(specimens.button, 0.10, 3, {
        "chipped": Defect(drawing.chip, 7),
        "closed_hole": Defect(drawing.missing),
        "crack": Defect(drawing.crack, 26, -34),
        "stain": Defect(drawing.stain, 7, 20),
    }),
    "circuit_board": Product(specimens.circuit_board, 0.04, 3, {
        "component_lost": Defect(drawing.missing),
        "component_shifted": Defect(drawing.displaced, 4),
        "scratch": Defect(drawing.scratch, 26, 36),
        "solder_splash": Defect(drawing.speck, 6, 0.9, (196, 198, 194)),
    }),
    "connector": Product(specimens.connector, 0.04, 3, {
        "bent_pin": Defect(drawing.bent, 5),
        "lost_pin": Defect(drawing.missing),
        "scratch": Defect(drawing.scratch, 20, 26),
        "tarnished_pin": Defect(drawing.recoloured, 0, -20, (0.6, 0.8, 1.0)),
    }),
    "cork": Product(specimens.cork, 0.04, 3, {
        "crack": Defect(drawing.crack, 44, -62),
        "foreign_body": Defect(drawing.speck, 12, 0.6, (112, 112, 116)),
        "oil": Defect(drawing.stain, 12, -42, (0.8, 0.9, 1.0)),
    }),
    "fuse": Product(specimens.fuse, 0.10, 3, {
        "burnt": Defect(drawing.stain, 7, -26, _BURN),
        "loose_part": Defect(drawing.displaced, 6),
        "lost_part": Defect(drawing.missing),
        "scratch": Defect(drawing.scratch, 24, 24),
    }),
    "gear": Product(specimens.gear, 0.08, 3, {
        "crack": Defect(drawing.crack, 24, -48),
        "loose_tooth": Defect(drawing.displaced, 5),
        "lost_tooth": Defect(drawing.missing),
        "rust": Defect(drawing.stain, 5, -40, _RUST),
    }),
    "key": Product(specimens.key, 0.08, 4, {
        "bent_tooth": Defect(drawing.bent, 5),
        "lost_tooth": Defect(drawing.missing),
        "scratch": Defect(drawing.scratch, 22, -36),
    }, grey=True),
    "linen": Product(specimens.linen, 0.08, 4, {
        "loose_thread": Defect(drawing.scratch, 26, 20),
        "stain": Defect(drawing.stain, 8, -10, _BURN),
        "wrong_weave": Defect(drawing.turned, 8, 0.6),
        "worn": Defect(drawing.worn, 9, 0.5),
    }),
    "mesh": Product(specimens.mesh, 0.10, 3, {
        "blocked_hole": Defect(drawing.missing, 0, 0.8),
        "displaced_hole": Defect(drawing.displaced, 3),
        "scratch": Defect(drawing.scratch, 24, -28),
    }, grey=True),
    "parcel_label": Product(specimens.parcel_label, 0.05, 3, {
        "faded_line": Defect(drawing.missing, 0, 0.6),
        "smear": Defect(drawing.worn, 10, 0.9),
        "stain": Defect(drawing.stain, 9, -44, _RUST),
    }),
    "tablet": Product(specimens.tablet, 0.05, 3, {
        "broken_edge": Defect(drawing.chip, 6),
        "crack": Defect(drawing.crack, 30, -60),
        "discoloured": Defect(drawing.stain, 9, -34, _RUST),
        "no_imprint": Defect(drawing.missing),
    }),
    "terrazzo": Product(specimens.terrazzo, 0.04, 3, {
        "crack": Defect(drawing.crack, 50, -100),
        "foreign_chip": Defect(drawing.speck, 16, 0.9, (84, 130, 92)),
        "stain": Defect(drawing.stain, 14, -64, _RUST),
    }),
    "washer": Product(specimens.washer, 0.08, 3, {
        "burr": Defect(drawing.speck, 7, 0.8, (226, 226, 226)),
        "nick": Defect(drawing.chip, 5),
        "scratch": Defect(drawing.scratch, 24, -32),
    }, grey=True),
}
# fmt: on


def render(category: str, split: str, kind: str, number: int) -> tuple[Pixels, Pixels, Mask]:
    """Return an image, the same specimen without its defect, and the mask of the defect.

    Images are uint8 of shape (146, 146, 3), or (146, 146) for grey categories; the mask is bool
    of shape (146, 146), and the two images are equal outside it.
    """
    product = PRODUCTS[category]
    dice = Dice(VERSION, category, split, kind, number)
    scene = product.paint(dice)
    scene.develop(_gain(dice, product.light), noise(dice, (1, 1)) * product.grain)
    image, mask = scene.image, np.zeros((SIZE, SIZE), dtype=np.bool_)
    if kind != GOOD:
        image, mask = damage(scene, product.defects[kind], dice)
    return _pixels(image, product.grey), _pixels(scene.image, product.grey), mask


def _gain(dice: Dice, light: float) -> Field:
    """Return the lighting: a level for the whole image and soft patches within it."""
    return 1 + light * (dice.uniform(-0.6, 0.6) + 0.6 * noise(dice, (70, 70)))


def _pixels(image: Field, grey: bool) -> Pixels:
    rounded = np.clip(np.floor(image + 0.5), 0, 255).astype(np.uint8)
    return rounded[:, :, 0] if grey else rounded

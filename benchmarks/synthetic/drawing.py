"""Drawing for the embedded data set: dice, noise, shapes, layered scenes and defects.

Only additions, multiplications, roots and comparisons of float64 decide a pixel: NumPy rounds
these the same on every machine, which it doesn't promise for sin, exp or normal variates.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

SIZE = 146
"""Side of an image in pixels; the centre crop at the protocol's ratio of 8/7 is 128."""

Field = NDArray[np.float64]

Colour = tuple[float, float, float]

Window = tuple[slice, slice]

_WHOLE: Window = np.s_[:, :]

_MARGIN = 14  # defects start inside the centre crop

_FAINT = 0.3  # a defect's soft edge below this coverage is left out, so that masks fit tightly

_Y, _X = (axis.astype(np.float64) - (SIZE - 1) / 2 for axis in np.mgrid[:SIZE, :SIZE])


class Dice:
    """Random numbers named by words: the same words give the same numbers everywhere."""

    def __init__(self, *words: object) -> None:
        seed = hashlib.sha256("/".join(map(str, words)).encode()).digest()
        self._generator = np.random.Generator(np.random.PCG64(int.from_bytes(seed[:16], "big")))

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self._generator.random()

    def integer(self, count: int) -> int:
        """Return one of 0 … count - 1."""
        return int(self._generator.random() * count)

    def field(self, height: int, width: int) -> Field:
        """Return numbers in [-1, 1), shape (height, width)."""
        return self._generator.random((height, width)) * 2 - 1


def wave(turns: Field | float) -> Field:
    """Return a cosine-like wave of period 1 in [-1, 1]: a triangle, smoothed by a cubic."""
    triangle = 4 * np.abs(turns - np.floor(turns) - 0.5) - 1
    return np.asarray(triangle * (1.5 - 0.5 * triangle * triangle), dtype=np.float64)


def direction(turns: float) -> tuple[float, float]:
    """Return a unit vector; 0 turns is right, 1/4 down."""
    x, y = float(wave(turns)), float(wave(turns - 0.25))
    length = math.sqrt(x * x + y * y)
    return x / length, y / length


def noise(dice: Dice, cell: tuple[int, int]) -> Field:
    """Return value noise in [-1, 1): a random lattice of `cell` (y, x) pixels, interpolated."""
    weights = []
    for step in cell:
        position = np.arange(SIZE, dtype=np.float64) / step
        low = np.floor(position)
        part = position - low
        weights.append((low.astype(np.intp), part * part * (3 - 2 * part)))
    (rows, wy), (columns, wx) = weights
    lattice = dice.field(SIZE // cell[0] + 2, SIZE // cell[1] + 2)
    lines = lattice[rows] * (1 - wy)[:, None] + lattice[rows + 1] * wy[:, None]
    return lines[:, columns] * (1 - wx) + lines[:, columns + 1] * wx


@dataclass(frozen=True)
class Frame:
    """Coordinates of an object: moved by (x, y) pixels from the centre and turned.

    Every shape is a coverage in [0, 1], shape (SIZE, SIZE), soft over one pixel at its edge.
    """

    x: float = 0.0
    y: float = 0.0
    turns: float = 0.0

    @classmethod
    def placed(cls, dice: Dice, shift: float, turns: float) -> Frame:
        """Return one off the centre by up to `shift` pixels, turned by up to `turns` either way."""
        x, y = dice.uniform(-shift, shift), dice.uniform(-shift, shift)
        return cls(x, y, dice.uniform(-turns, turns))

    def axes(self, window: Window = _WHOLE) -> tuple[Field, Field]:
        """Return the coordinates (u to the right, v down) of a window's pixels in this frame."""
        cosine, sine = direction(self.turns)
        x, y = _X[window] - self.x, _Y[window] - self.y
        return x * cosine + y * sine, y * cosine - x * sine

    def at(self, u: float, v: float, turns: float = 0.0) -> Frame:
        """Return a frame at (u, v) of this one, turned further."""
        cosine, sine = direction(self.turns)
        x, y = u * cosine - v * sine, u * sine + v * cosine
        return Frame(self.x + x, self.y + y, self.turns + turns)

    def _near(self, reach: float, coverage: Callable[[Field, Field], Field]) -> Field:
        """Return `coverage` of (u, v), cut to [0, 1]; `reach` pixels from the origin on it is 0."""
        middle, drawn = (SIZE - 1) / 2, np.zeros((SIZE, SIZE))
        centres = (middle + self.y, middle + self.x)
        spans = ((math.floor(c - reach), math.ceil(c + reach) + 1) for c in centres)
        rows, columns = (slice(max(0, first), max(0, end)) for first, end in spans)
        u, v = self.axes((rows, columns))
        drawn[rows, columns] = np.clip(coverage(u, v), 0, 1)
        return drawn

    def disc(self, radius: float) -> Field:
        """A disc around the origin."""
        return self._near(radius + 1, lambda u, v: radius + 0.5 - np.sqrt(u * u + v * v))

    def ring(self, inner: float, outer: float) -> Field:
        """A disc with a hole."""
        return self.disc(outer) * (1 - self.disc(inner))

    def box(self, width: float, height: float, corner: float = 0.0) -> Field:
        """A box around the origin with rounded corners."""

        def coverage(u: Field, v: Field) -> Field:
            du, dv = np.abs(u) - width / 2 + corner, np.abs(v) - height / 2 + corner
            outside = np.sqrt(np.square(np.maximum(du, 0)) + np.square(np.maximum(dv, 0)))
            return 0.5 - (outside + np.minimum(np.maximum(du, dv), 0) - corner)

        return self._near(math.hypot(width, height) / 2 + 1, coverage)

    def line(self, end: tuple[float, float], radius: float) -> Field:
        """A line from the origin to `end` (u, v) with round ends."""
        a, b = end

        def coverage(u: Field, v: Field) -> Field:
            along = np.clip((u * a + v * b) / (a * a + b * b), 0, 1)
            du, dv = u - along * a, v - along * b
            return radius + 0.5 - np.sqrt(du * du + dv * dv)

        return self._near(math.hypot(a, b) + radius + 1, coverage)


def union(*shapes: Field) -> Field:
    """Return the coverage of all shapes together."""
    return np.maximum.reduce(shapes)


def blend(below: Field, coverage: Field, above: Field) -> Field:
    """Return `above` laid over `below` through `coverage`; images are (SIZE, SIZE, 3)."""
    blended = below.copy()
    rows, columns = (np.flatnonzero(coverage.any(axis=axis)) for axis in (1, 0))
    if rows.size:  # most shapes are small: compute where there is any of one
        window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        below, above, share = below[window], above[window], coverage[window][:, :, None]
        blended[window] = below + share * (above - below)
    return blended


def shaded(colour: Colour, strength: Field, light: Colour = (1.0, 1.0, 1.0)) -> Field:
    """Return a colour, lighter by `strength` (SIZE, SIZE) in another colour, (SIZE, SIZE, 3)."""
    return np.array(colour) + strength[:, :, None] * np.array(light)


def _plane(colour: Colour | Field) -> Field:
    """Return a colour, or an image as it is, as (SIZE, SIZE, 3); not to be written to."""
    return np.broadcast_to(np.asarray(colour, dtype=np.float64), (SIZE, SIZE, 3))


@dataclass
class Scene:
    """A product in three layers, so that a defect can show what lies beneath.

    `ground` is the empty background, `under` the body without its parts, `image` all of it.
    """

    ground: Field
    under: Field
    image: Field
    body: Field
    parts: list[Field] = field(default_factory=list)
    grain: Field = field(default_factory=lambda: np.zeros((SIZE, SIZE)))

    @classmethod
    def of(cls, colour: Colour | Field) -> Scene:
        """Return a background; until a body is laid on it, it's the body itself (a texture)."""
        ground = _plane(colour)
        return cls(ground, ground, ground, np.ones((SIZE, SIZE)))

    @classmethod
    def mottled(cls, dice: Dice, colour: Colour, cell: int, strength: float) -> Scene:
        """Return a background that is lighter and darker in patches of `cell` pixels."""
        return cls.of(shaded(colour, noise(dice, (cell, cell)) * strength))

    def lay_body(self, coverage: Field, colour: Colour | Field) -> None:
        """Lay the body on the background."""
        self.body = coverage
        self.lay(coverage, colour)

    def lay(self, coverage: Field, colour: Colour | Field) -> None:
        """Lay something that never goes missing; it hides the parts below it."""
        above = _plane(colour)
        without_parts = self.image is self.under
        self.under = blend(self.under, coverage, above)
        self.image = self.under if without_parts else blend(self.image, coverage, above)
        self.parts = [part * (1 - coverage) for part in self.parts]

    def lay_part(self, coverage: Field, colour: Colour | Field) -> None:
        """Lay a part that a defect may take away, move or recolour."""
        self.image = blend(self.image, coverage, _plane(colour))
        self.parts.append(coverage)

    def develop(self, gain: Field, grain: Field) -> None:
        """Apply lighting (a factor) and sensor noise (added), both (SIZE, SIZE), to all layers."""
        self.grain = grain
        for layer in ("ground", "under", "image"):
            developed = getattr(self, layer) * gain[:, :, None] + grain[:, :, None]
            setattr(self, layer, developed)


Damage = tuple[Field, Field]

Operator = Callable[[Scene, Dice, float, float, Colour], Damage]


def _place(dice: Dice, where: Field, low: float = 0.95, high: float = 1.0) -> Frame:
    """Return a randomly turned frame on a pixel whose coverage lies in [low, high]."""
    inner = where[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    rows, columns = np.nonzero((inner >= low) & (inner <= high))
    chosen = dice.integer(len(rows))
    offset = _MARGIN - (SIZE - 1) / 2
    return Frame(columns[chosen] + offset, rows[chosen] + offset, dice.uniform(0, 1))


def _part(scene: Scene, dice: Dice) -> Field:
    return scene.parts[dice.integer(len(scene.parts))]


def _touched(coverage: Field) -> Field:
    """Return 1 wherever there is any of a shape, so that removing it leaves no outline."""
    return np.where(coverage > 0.02, 1.0, 0.0)


def _thrown(scene: Scene, dice: Dice, shape: Callable[[Frame], Field]) -> Field:
    """Return a shape at a random place: the best of three, so that none falls off the body."""
    throws = [shape(_place(dice, scene.body)) * scene.body for _ in range(3)]
    return max(throws, key=lambda coverage: int((coverage > 0.5).sum()))


def scratch(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """A straight thin line of length `size`."""
    radius = dice.uniform(0.6, 1.1)
    line = _thrown(scene, dice, lambda frame: frame.at(-size / 2, 0).line((size, 0), radius))
    return line, scene.image + contrast * np.array(colour)


def crack(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """A thin line of five segments that wanders."""
    *bends, _ = (dice.uniform(-0.12, 0.12) for _ in range(5))

    def wander(frame: Frame) -> Field:
        starts = accumulate(bends, lambda start, bend: start.at(size / 5, 0, bend), initial=frame)
        return union(*(start.line((size / 5, 0), 0.7) for start in starts))

    line = _thrown(scene, dice, wander)
    return line, scene.image + contrast * np.array(colour)


def stain(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """An irregular patch of radius about `size`, tinted; what lies below still shows."""
    ranges = ((-0.5, 0.5), (-0.5, 0.5), (0.4, 0.8))
    blots = [[size * dice.uniform(*bounds) for bounds in ranges] for _ in range(4)]

    def spread(frame: Frame) -> Field:
        return union(*(frame.at(u, v).disc(radius) for u, v, radius in blots))

    patch = _thrown(scene, dice, spread)
    return patch, scene.image + contrast * np.array(colour)


def speck(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """A foreign body: an oblong of length `size` in `colour`, of opacity `contrast`."""
    body = _place(dice, scene.body).box(size, size * dice.uniform(0.4, 0.8), size / 5)
    covered = np.array(colour) + scene.grain[:, :, None]
    return body, scene.image + contrast * (covered - scene.image)


def chip(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """A bite of radius `size` out of the body's edge."""
    bite = _place(dice, scene.body, 0.2, 0.8).disc(size) * _touched(scene.body)
    return bite, scene.image + contrast * (scene.ground - scene.image)


def missing(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """A part gone, or faded to 1 - `contrast` of itself."""
    part = _touched(_part(scene, dice))
    return part, scene.image + contrast * (scene.under - scene.image)


def recoloured(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """A part in another colour."""
    part = _part(scene, dice)
    return part, scene.image + contrast * np.array(colour)


def displaced(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """A part moved by about `size` pixels."""
    part = _part(scene, dice)
    x, y = direction(dice.uniform(0, 1))
    shift = round(y * size), round(x * size)
    moved = np.roll(part, shift, (0, 1))
    altered = blend(scene.image, _touched(part), scene.under)
    altered = blend(altered, moved, np.roll(scene.image, shift, (0, 1)))
    return _touched(union(part, moved)), altered


def bent(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """A part sheared along its longer side, its far end `size` pixels off."""
    part = _part(scene, dice)
    rows, columns = np.nonzero(part > _FAINT)
    tall = np.ptp(rows) > np.ptp(columns)
    along, first = (_Y, rows.min()) if tall else (_X, columns.min())
    length = max(int(np.ptp(rows)), int(np.ptp(columns)), 1)
    position = np.clip((along + (SIZE - 1) / 2 - first) / length, 0, 1)
    shift = np.rint(position * (size if dice.integer(2) else -size)).astype(np.intp)
    y, x = np.mgrid[:SIZE, :SIZE]
    source = (y, (x - shift) % SIZE) if tall else ((y - shift) % SIZE, x)
    altered = blend(scene.image, _touched(part), scene.under)
    altered = blend(altered, part[source], scene.image[source])
    return _touched(union(part, part[source])), altered


def turned(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """A round patch of radius `size` turned by a quarter."""
    radius, offset = round(size), (SIZE - 1) / 2
    frame = _place(dice, scene.body)
    centres = (round(centre + offset) for centre in (frame.y, frame.x))
    row, column = (min(max(centre, radius), SIZE - 1 - radius) for centre in centres)
    window = np.s_[row - radius : row + radius + 1, column - radius : column + radius + 1]
    altered = scene.image.copy()
    altered[window] = np.rot90(scene.image[window])
    patch = Frame(column - offset, row - offset).disc(radius - 0.5) * scene.body
    return patch, scene.image + contrast * (altered - scene.image)


def worn(scene: Scene, dice: Dice, size: float, contrast: float, colour: Colour) -> Damage:
    """A patch of radius about `size` whose relief has gone: blurred to `contrast`."""
    patch, _ = stain(scene, dice, size, 0, colour)
    blurred = scene.image
    for axis in (0, 1):
        blurred = sum((np.roll(blurred, k, axis) for k in range(-3, 4)), 0 * blurred) / 7
    return patch, scene.image + contrast * (blurred - scene.image)


@dataclass(frozen=True)
class Defect:
    """A kind of defect: how it's drawn, how large (pixels, from 0.7 to 1.3 of it) and how strong.

    `contrast` is in grey levels, negative for darker, where something is tinted or scratched, and
    a fraction where something is removed, covered or blurred.
    """

    draw: Operator
    size: float = 0.0
    contrast: float = 1.0
    colour: Colour = (1.0, 1.0, 1.0)


def damage(scene: Scene, defect: Defect, dice: Dice) -> tuple[Field, NDArray[np.bool_]]:
    """Return the scene's image with a defect and the mask that the defect was drawn through."""
    size = defect.size * dice.uniform(0.7, 1.3)
    coverage, altered = defect.draw(scene, dice, size, defect.contrast, defect.colour)
    mask = coverage >= _FAINT
    return blend(scene.image, np.where(mask, coverage, 0), altered), mask

"""A backbone without weights: fixed oriented filters whose energies describe texture and edges.

Level l (1–4, stride 2^(l+1)) holds, pooled to its grid:

    first order    energies of a quadrature pair of Gabor filters, per octave and orientation;
                   the octaves l-2, l-1 and l (level 1: 0 and 1), so wavelengths from about half
                   the stride to twice the stride
    second order   the same filters over the energies themselves, one octave up: how oriented
                   texture varies in space, which first-order averages lose (the modulus of a
                   modulus: Bruna & Mallat, "Invariant Scattering Convolution Networks", 2013)
    colour         means of luminance, red-green and yellow-blue
    contrast       root mean square of luminance about its local mean
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from benchmarks.specs import BackboneSpec, digest
from methods.lazy import Tensor, torch

NAME = "filterbank"

VERSION = 1
"""Raised whenever the code below gives other features with the same constants."""

ORIENTATIONS = 4

SIZE = 7
"""Side of a filter, in pixels of its octave."""

WAVELENGTH = 3.5
"""In pixels of its octave."""

ENVELOPE = 1.75
"""Standard deviation of a filter's Gaussian envelope, in pixels of its octave."""

FLOOR = {"first": 1e-4, "second": 2e-5}
"""Energies well below these are quantisation noise (1/255 apart) that a square root would raise."""

SCALE = {"first": 20.0, "second": 60.0, "colour": 5.0, "contrast": 40.0}
"""One over a channel's standard deviation on photographs, so that distances weigh all kinds alike.

The amplitude of photographs falls as one over frequency, so octave bands have equal energy and
one constant serves all octaves, orientations and levels. Fixed, never fitted: a feature must not
depend on the data set.
"""

LUMINANCE_AND_OPPONENTS = ((1 / 3, 1 / 3, 1 / 3), (1.0, -1.0, 0.0), (0.5, 0.5, -1.0))

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def octaves(level: int) -> range:
    """Return the octaves (0 = full resolution) whose energies `level` holds."""
    return range(max(level - 2, 0), level + 1)


def spec() -> BackboneSpec:
    """Return the specification; its checksum is over the version and all constants."""
    constants = (ORIENTATIONS, SIZE, WAVELENGTH, ENVELOPE, FLOOR, SCALE)
    checksum = digest([NAME, VERSION, constants, LUMINANCE_AND_OPPONENTS, BINOMIAL])
    layers = {level: f"scales-{octaves(level)[0]}-{octaves(level)[-1]}" for level in range(1, 5)}
    return BackboneSpec(NAME, "none", checksum, layers)


def gabor_pairs() -> np.ndarray[Any, Any]:
    """Return the filters, (2 · ORIENTATIONS, SIZE, SIZE): the even ones, then the odd ones.

    Filter k answers most to gratings whose intensity varies along the direction pi·k/ORIENTATIONS
    (0 = along x). The even ones are freed of their mean, so a constant image has no energy.
    """
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    envelope = np.exp(-(x**2 + y**2) / (2 * ENVELOPE**2))
    envelope /= envelope.sum()
    angles = np.arange(ORIENTATIONS)[:, None, None] * math.pi / ORIENTATIONS
    phase = 2 * math.pi / WAVELENGTH * (x * np.cos(angles) + y * np.sin(angles))
    even = envelope * np.cos(phase)
    even -= envelope * even.sum((1, 2), keepdims=True)
    return np.concatenate([even, envelope * np.sin(phase)])


class FilterBank:
    """The filter bank on one device, called with images and the levels to compute."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        def constant(values: Any) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        self._filters = constant(gabor_pairs())[:, None]
        self._blur = constant(np.outer(BINOMIAL, BINOMIAL))[None, None]
        self._colours = constant(LUMINANCE_AND_OPPONENTS)[:, :, None, None]

    def __call__(self, images: Tensor, levels: Collection[int]) -> dict[int, Tensor]:
        """Describe images.

        Args:
            images: uint8, (B, 3, H, W), any size.
            levels: which of 1–4 to return.

        Returns:
            Level → float32, (B, C, ceil(H / stride), ceil(W / stride)), stride 2^(level + 1); C
            is 28 on level 1 and 48 on the others. Channels in the order first order (octave,
            then orientation), second order (octave, then outer, then inner orientation),
            colour, contrast.
        """
        colours = [torch.nn.functional.conv2d(images.float() / 255, self._colours)]
        for _ in range(max(levels) + 1):
            colours.append(self._halve(colours[-1]))
        energies: dict[int, Tensor] = {}
        for octave in sorted({octave for level in levels for octave in octaves(level)}):
            energies[octave] = self._energy(colours[octave][:, :1])
        second = {o: self._energy(energies[o]) for o in energies if o < max(levels)}
        return {level: self._level(level, colours, energies, second) for level in levels}

    def _level(
        self,
        level: int,
        colours: list[Tensor],
        first: dict[int, Tensor],
        second: dict[int, Tensor],
    ) -> Tensor:
        inner = octaves(level)[:-1]  # the coarsest octave's second order has twice the stride
        channels = [_compress("first", self._halve(first[o], level - o)) for o in octaves(level)]
        channels += [_compress("second", self._halve(second[o], level - 1 - o)) for o in inner]
        channels.append(SCALE["colour"] * colours[level + 1])
        luminance = colours[level - 1][:, :1]
        deviation = self._halve((luminance - self._smooth(luminance)) ** 2, 2)
        channels.append(SCALE["contrast"] * deviation.sqrt())
        return torch.cat(channels, 1)

    def _energy(self, maps: Tensor) -> Tensor:
        """Return each map's energy per orientation, at half its resolution, (B, C · 4, h, w)."""
        batch, _, height, width = maps.shape
        pairs = self._convolve(maps.reshape(-1, 1, height, width), self._filters, 2)
        even, odd = pairs.chunk(2, dim=1)
        return torch.hypot(even, odd).reshape(batch, -1, *pairs.shape[-2:])

    def _halve(self, maps: Tensor, times: int = 1) -> Tensor:
        """Smooth and drop every other pixel: the side becomes ceil(side / 2)."""
        for _ in range(times):
            maps = self._smooth(maps, 2)
        return maps

    def _smooth(self, maps: Tensor, stride: int = 1) -> Tensor:
        channels = maps.shape[1]
        return self._convolve(maps, self._blur.expand(channels, -1, -1, -1), stride, channels)

    @staticmethod
    def _convolve(maps: Tensor, kernels: Tensor, stride: int, groups: int = 1) -> Tensor:
        """Convolve with the border repeated: zeros would look like an edge."""
        margin = kernels.shape[-1] // 2
        padded = torch.nn.functional.pad(maps, (margin,) * 4, mode="replicate")
        return torch.nn.functional.conv2d(padded, kernels, stride=stride, groups=groups)


def _compress(kind: str, energy: Tensor) -> Tensor:
    """Take the root, so that faint texture counts beside strong edges; zero stays zero."""
    floor = FLOOR[kind]
    return SCALE[kind] * (torch.sqrt(energy + floor) - math.sqrt(floor))

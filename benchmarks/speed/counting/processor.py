"""What a comparison asks of the processor beside a GPU: decoding, and measuring with previews."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.datasets import load_image
from benchmarks.metrics.pixel import measure_pixels
from benchmarks.results.previews import map_sheet
from benchmarks.specs import resize_for
from benchmarks.speed.inputs import Inputs

PIXELS = 1024
"""Side of MVTec AD's image files: most categories' are 1,024 pixels, some 700 to 900."""

MEASURED_TOGETHER = 4
"""Cells that are measured at the same time, each by one thread."""


@dataclass(frozen=True)
class Processor:
    """Seconds of one core.

    Attributes:
        decoding: an image file, to a crop.
        measuring: an image's map, with its share of the cell's previews.
    """

    decoding: float
    measuring: float

    def seconds(self, images: int, maps: int, cores: int) -> tuple[float, float]:
        """Return the seconds of decoding images by all cores, and of measuring maps by four."""
        together = min(MEASURED_TOGETHER, cores)
        return images * self.decoding / cores, maps * self.measuring / together


def time_processor(inputs: Inputs, folder: Path, pixels: int = PIXELS) -> Processor:
    """Time both in CPU seconds, which a busy machine hardly changes; the first round warms up."""
    image_size = inputs.scale.image_size
    written = Inputs(inputs.scale, "cpu", folder).category(pixels, 4)
    paths = [sample.path for sample in (*written.train, *written.test)]
    maps, masks = inputs.maps, inputs.masks

    def decode() -> None:
        for path in paths:
            load_image(path, resize_for(image_size), image_size)

    def measure() -> None:
        _, curve = measure_pixels(maps, masks)
        map_sheet(np.asarray(maps), curve)

    return Processor(_cpu_seconds(decode) / len(paths), _cpu_seconds(measure) / len(maps))


def _cpu_seconds(run: Callable[[], None]) -> float:
    run()
    begun = time.process_time()
    run()
    return time.process_time() - begun

"""An estimate of the whole comparison on MVTec AD, from counts, a card's figures and two timings.

Methods follow each other on the card. Decoding, measuring and previews are done meanwhile by the
processor; only the first category's images have to be decoded before anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.datasets.known import OFFICIAL_COUNTS
from benchmarks.speed.counting.card import Card
from benchmarks.speed.counting.counting import Counted
from benchmarks.speed.counting.growth import Size
from benchmarks.speed.counting.processor import Processor
from benchmarks.speed.counting.work import Load

METHODS = ("patchcore-25", "patchcore-10", "patchcore-1", "spade", "padim")

CATEGORIES = [Size(train, good + defect) for train, good, defect in OFFICIAL_COUNTS.values()]
"""MVTec AD's, in the order in which they are run."""


@dataclass(frozen=True)
class Part:
    """A step over all categories, on a card.

    Attributes:
        name: the step's.
        load: what it asks for.
        host, device, copying: seconds of asking and waiting, of computing, of copying.
        seconds: the longest of them.
    """

    name: str
    load: Load
    host: float
    device: float
    copying: float

    @property
    def seconds(self) -> float:
        """The longest of the three, which overlap."""
        return max(self.host, self.device, self.copying)


@dataclass(frozen=True)
class Estimate:
    """Seconds of the comparison.

    Attributes:
        card: which card.
        cores: beside it.
        processor: what it takes of one core.
        parts: the steps on the card, one after the other.
        decoding: of all images by all cores.
        measuring: of all cells, previews included.
        first: decoding of the first category.
        features: bytes that go to the disk meanwhile.
    """

    card: Card
    cores: int
    processor: Processor
    parts: Sequence[Part]
    decoding: float
    measuring: float
    first: float
    features: float

    @property
    def seconds(self) -> float:
        """Seconds on the card."""
        return sum(part.seconds for part in self.parts)

    @property
    def total(self) -> float:
        """The longest of what overlaps, after the first category's decoding."""
        return max(self.seconds, self.decoding, self.measuring) + self.first

    @property
    def largest(self) -> list[tuple[str, float]]:
        """The three that take longest, on the card or the processor."""
        named = [(part.name, part.seconds) for part in self.parts]
        named += [("decoding", self.decoding), ("measuring and previews", self.measuring)]
        return sorted(named, key=lambda one: -one[1])[:3]


def estimate(
    counted: Sequence[Counted],
    processor: Processor,
    card: Card,
    cores: int,
    categories: Sequence[Size] = CATEGORIES,
) -> Estimate:
    """Return the estimate for some categories."""
    parts = []
    for one in counted:
        for name, at in one.step.estimated.items():
            load = one.growth.at([at(size) for size in categories])
            seconds = load.host(card), load.device(card), load.copying(card)
            parts.append(Part(name, load, *seconds))
    images = sum(size.train + size.test for size in categories)
    maps = len(METHODS) * sum(size.test for size in categories)
    decoding, measuring = processor.seconds(images, maps, cores)
    first, _ = processor.seconds(categories[0].train + categories[0].test, 0, cores)
    features = next(
        (part.load.totals["bytes from device"] for part in parts if part.name == "extraction"), 0.0
    )
    return Estimate(card, cores, processor, parts, decoding, measuring, first, features)

"""How far our value may be from a published one, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt
from typing import Literal

DEVIATIONS = 2.0
"""Standard deviations that another seed may be away."""

WIDE = 5.0
"""Percentage points from which on a tolerance hides what would matter to anyone."""

Word = Literal["agrees", "close", "differs", "can't tell"]


@dataclass(frozen=True)
class Tolerance:
    """How far apart two values of one method may be, in percentage points.

    Attributes:
        seeds: by the spread over seeds; None where there is one seed, whose spread is not known.
        images: by the test images, half of the 95 % interval; None where nothing stored tells.
        rounding: by the rounding of what was published, half a unit of its last digit.
    """

    seeds: float | None
    images: float | None
    rounding: float

    @property
    def without_images(self) -> float:
        """What another seed and rounding explain: all that differs on the same images."""
        return (self.seeds or 0) + self.rounding

    @property
    def whole(self) -> float:
        """What another seed, other test images and rounding explain, as far as they are known."""
        return hypot(self.seeds or 0, self.images or 0) + self.rounding

    def judge(self, difference: float) -> Word:
        """Say what a difference, ours less the published value, means.

        - "agrees": another seed and rounding explain it, on these same test images.
        - "close": they don't, but other test images would have moved the value as far.
        - "differs": more than that, as far as it is known.
        - "can't tell": more than rounding, and neither the seeds nor the images say how much is
          usual.
        """
        apart = abs(difference)
        if apart <= self.without_images:
            return "agrees"
        if self.seeds is None and self.images is None:
            return "can't tell"
        return "close" if self.images is not None and apart <= self.whole else "differs"

    def says_little(self, difference: float) -> bool:
        """Whether what a difference keeps within is so wide that a fault could hide there."""
        kept = {"agrees": self.without_images, "close": self.whole}
        return kept.get(self.judge(difference), 0) > WIDE


def of_seeds(deviation: float | None, count: int) -> float | None:
    """Return how far one more seed's value may be from the mean over `count` seeds.

    Two standard deviations of that difference, s·√(1 + 1/n): what was published is one run. Since
    few seeds give s, a right reproduction stays outside in 18 % of cases with three, 12 % with
    five, 8 % with ten and 5 % with many (Student's t).

    Args:
        deviation: sample standard deviation s over the seeds; None where it is not known.
        count: how many seeds n.
    """
    return None if deviation is None else DEVIATIONS * deviation * sqrt(1 + 1 / count)

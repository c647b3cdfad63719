"""What the crop and resizing take from images and their defects, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_SHARE = 0.01
"""Share of an image, of defect pixels or of regions below which a caption says nothing."""

CROP_REMEDY = "--fit stretch scales the whole image to the square, --fit pad keeps its proportions"

RESIZING_REMEDY = "a larger --image-size keeps more; --regions original keeps regions in one piece"


@dataclass(frozen=True)
class DefectsLost:
    """How much of a category's defects is lost between its images and what is measured.

    Attributes:
        unseen_defects: defect images of which the square shows nothing of the defect.
        unseen_share: share of all defect pixels, at the images' own sizes, that it doesn't show.
        vanished_defects: defect images in the square of which resizing leaves no defect pixel.
        defect_regions: connected regions, at the images' own sizes, of which it shows a pixel.
        vanished_regions: those of them of which resizing leaves no pixel.
        torn_regions: those of them that resizing makes several of.
        measured_regions: the regions that AUPRO is a mean of.
    """

    unseen_defects: int
    unseen_share: float
    vanished_defects: int = 0
    defect_regions: int = 0
    vanished_regions: int = 0
    torn_regions: int = 0
    measured_regions: int = 0

    @property
    def cut(self) -> float:
        """The share that the crop cuts off, 1 where it cuts off all of a defect."""
        return 1.0 if self.unseen_defects else self.unseen_share

    @property
    def changed(self) -> float:
        """The share of regions that vanish or break, 1 where a defect vanishes."""
        lost = self.vanished_regions + self.torn_regions
        return 1.0 if self.vanished_defects else lost / max(1, self.defect_regions)

    def by_crop(self, defects: int) -> str:
        """Return in some words what the crop cuts off of so many defect images."""
        share = 100 * self.unseen_share
        return f"{self.unseen_defects} of {defects} defects whole, {share:.0f} % of defect pixels"

    def by_resizing(self, defects: int) -> str:
        """Return in some words what resizing makes of so many defect images."""
        return (
            f"{self.vanished_defects} of {defects} defects vanish, {self.defect_regions} regions "
            f"become {self.measured_regions} ({self.vanished_regions} vanish, {self.torn_regions} "
            "break)"
        )


def area_lost(share: float) -> str:
    """Return in some words that the crop cuts off at most this share of an image."""
    return f"{100 * share:.0f} % of an image at most"

"""What the centre crop cuts off of defects, in words."""

from __future__ import annotations

LEAST_SHARE = 0.01
"""Share of defect pixels below which a caption says nothing."""

REMEDY = "--fit stretch scales the whole image to the square, --fit pad keeps its proportions"


def crop_loss(category: str, unseen: int, defects: int, share: float) -> str:
    """Return a category's loss in some words.

    Args:
        category: its name.
        unseen: defect images of which the crop shows nothing of the defect.
        defects: all of its defect images.
        share: share of the defect pixels that it cuts off.
    """
    return f"{category}: {unseen} of {defects} defects whole, {100 * share:.0f} % of defect pixels"

"""What the square that methods see shows of a category's defects, and what it loses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.array_types import Counts
from benchmarks.datasets.framing import seen_box
from benchmarks.datasets.indexing import Category
from benchmarks.datasets.losses import CROP_REMEDY, RESIZING_REMEDY, DefectsLost, area_lost
from benchmarks.datasets.masks import frame_mask, frame_regions, label_regions
from benchmarks.names import printable
from benchmarks.specs import EvaluationProtocol, Fit


class Seen(NamedTuple):
    """What the square shows of one image's defect.

    Attributes:
        shown: its pixels, at the image's own size, whose centres are in the square.
        pixels: all of its pixels there.
        left: its pixels in the square, after resizing.
        regions: connected regions, at the image's own size, of which the square shows a pixel.
        vanished: those of them of which no pixel is left.
        torn: those of them that resizing has made several regions of.
        measured: the regions that AUPRO is a mean of.
    """

    shown: int
    pixels: int
    left: int
    regions: int
    vanished: int
    torn: int
    measured: int


def shown_part(values: NDArray[Any], resize: int, size: int, fit: Fit) -> NDArray[Any]:
    """Return the pixels of an image's own size, (H, W), whose centres are in the square."""
    left, top, right, bottom = seen_box(values.shape[1], values.shape[0], resize, size, fit)
    down, across = (
        slice(max(0, ceil(start - 0.5)), max(0, ceil(end - 0.5)))
        for start, end in ((top, bottom), (left, right))
    )
    return values[down, across]


def see(defect: NDArray[np.bool_], protocol: EvaluationProtocol) -> tuple[NDArray[Any], Seen]:
    """Return the regions of a defect, (H, W), as they are measured, (S, S), and what is seen."""
    p = protocol
    regions = label_regions(defect)
    framed = frame_mask(defect, p.resize, p.image_size, p.mask_resize, p.fit)
    carried = frame_regions(regions, framed, p.resize, p.image_size, p.fit)
    measured = carried if p.regions == "original" else label_regions(framed)
    part = shown_part(regions, p.resize, p.image_size, p.fit)
    left = np.unique(carried[framed])
    shown = np.union1d(part[part > 0], left)
    torn = (after := _pieces(carried, measured, regions.max())) > 1
    if torn.any():  # by the crop alone, perhaps
        torn &= after > _pieces(part, label_regions(part > 0), regions.max())
    return measured, Seen(
        shown=int(np.count_nonzero(part)),
        pixels=int(np.count_nonzero(defect)),
        left=int(np.count_nonzero(framed)),
        regions=shown.size,
        vanished=shown.size - left.size,
        torn=int(torn.sum()),
        measured=np.unique(measured[framed]).size,
    )


def _pieces(regions: NDArray[Any], components: NDArray[Any], last: int) -> Counts:
    """Return of how many components each region up to number `last` is made, (last + 1,)."""
    marked, numbers = regions > 0, int(components.max(initial=0)) + 1
    pairs = np.unique(regions[marked].astype(np.int64) * numbers + components[marked])
    return np.bincount(pairs // numbers, minlength=last + 1)


def sum_up(seen: Iterable[Seen]) -> DefectsLost | None:
    """Return what is lost of all these defects; None where no pixel is one."""
    marked = [image for image in seen if image.pixels]
    if not marked:
        return None
    total = Seen(*map(sum, zip(*marked, strict=True)))
    return DefectsLost(
        unseen_defects=sum(not image.shown for image in marked),
        unseen_share=(total.pixels - total.shown) / total.pixels,
        vanished_defects=sum(image.shown > 0 and not image.left for image in marked),
        defect_regions=total.regions,
        vanished_regions=total.vanished,
        torn_regions=total.torn,
        measured_regions=total.measured,
    )


def defects_lost(category: Category, protocol: EvaluationProtocol) -> DefectsLost | None:
    """Return what of a category's defects is lost, None without masks; looked for once.

    Raises:
        DataError: a mask can't be read.
    """
    p, masked = protocol, [sample for sample in category.test if sample.masks]
    square = p.resize, p.image_size, p.fit, p.mask_resize, p.regions
    if square not in category.lost:
        # In turn: steps of a tenth of a millisecond take threads more than twice the time.
        category.lost[square] = sum_up(see(sample.defect_pixels, p)[1] for sample in masked)
    return category.lost[square]


def losses(categories: Iterable[Category], protocol: EvaluationProtocol) -> Iterator[str]:
    """Yield what crop and resizing take from each category, a line each, then the remedies.

    Raises:
        DataError: a mask can't be read.
    """
    remedies = dict[str, None]()
    for category in categories:
        lost, defects = defects_lost(category, protocol), category.counts[2]
        name = printable(category.name)
        area = 0 if lost else unseen_area(category, protocol)
        if area or (lost and lost.cut):
            remedies[CROP_REMEDY] = None
            of_what = lost.by_crop(defects) if lost else area_lost(area)
            yield f"the crop cuts off, in {name}: {of_what}"
        if lost and lost.changed:
            remedies[RESIZING_REMEDY] = None
            yield f"resizing changes masks, in {name}: {lost.by_resizing(defects)}"
    yield from (f"({remedy})" for remedy in remedies)


def unseen_area(category: Category, protocol: EvaluationProtocol) -> float:
    """Return the largest share of an image of the category that the square doesn't show."""
    p, shares = protocol, [0.0]
    for width, height in category.shapes:
        left, top, right, bottom = seen_box(width, height, p.resize, p.image_size, p.fit)
        shares.append(1 - (right - left) * (bottom - top) / (width * height))
    return max(shares)

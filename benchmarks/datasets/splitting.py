"""Draws test images of a category that comes without a split of its own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from benchmarks.datasets.layouts.base import Listing, Sample, by_name
from benchmarks.specs import digest

SHARE = 0.25
"""Share of the nominal images that are for testing, where a category has no split of its own."""


def draw_test_images(listing: Listing, seed: int) -> Listing:
    """Return a listing of which a share of the nominal images is for testing, with all defects.

    Images that belong together are drawn together, so it may be a little more than the share. The
    draw is a ranking by a hash of the seed and the names, so that the order of files means nothing
    and a new image leaves the others where they are but for those next in rank.

    Args:
        listing: any; returned as it is where it has a split of its own.
        seed: another one draws others.
    """
    if listing.together is None or not listing.train:
        return listing
    groups = defaultdict[str, list[Sample]](list)
    for sample in listing.train:
        groups[listing.together(sample)].append(sample)
    *ranked, last = sorted(groups, key=lambda group: digest([seed, group]))
    wanted, drawn, train = round(SHARE * len(listing.train)), list[Sample](), groups[last]
    for group in ranked:
        (drawn if len(drawn) < max(1, wanted) else train).extend(groups[group])
    tested = {sample.path for sample in drawn}
    named = listing.files.items()
    said = (
        f"no split of its own: {len(drawn)} of {len(listing.train)} nominal images, drawn by "
        f"--split-seed {seed}, are for testing"
    )
    lacking = (
        f"{train[0].path.parent}: holds all nominal images, which stay together, so that none is "
        "left to test; add others, or move them up"
    )
    return replace(
        listing,
        train=by_name(train),
        test=by_name([*listing.test, *drawn]),
        files={f"test/{name}" if path in tested else name: path for name, path in named},
        problems=listing.problems if drawn else [*listing.problems, lacking],
        notes=[said, *listing.notes],
    )

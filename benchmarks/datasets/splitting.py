"""Draws test images of a category that comes without a split of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.datasets.images import ImageFile
from benchmarks.datasets.layouts.base import Listing, Sample, by_name
from benchmarks.specs import digest

SHARE = 0.25
"""Share of the nominal images that are for testing, where a category has no split of its own."""


def draw_test_images(listing: Listing, seed: int, files: Mapping[Path, ImageFile]) -> Listing:
    """Return a listing of which a share of the nominal images is for testing, with all defects.

    Images that belong together are drawn together, and so are copies of an image, lest it be both
    learned from and judged; it may be a little more than the share. The draw is a ranking by
    a hash of the seed and the names, so that the order of files means nothing and a new image
    leaves the others where they are but for those next in rank.

    Args:
        listing: any; returned as it is where it has a split of its own.
        seed: another one draws others.
        files: each nominal image's path → what reading it told.
    """
    if listing.together is None or not listing.train:
        return listing
    groups = defaultdict[str, list[Sample]](list)
    for sample in listing.train:
        groups[listing.together(sample)].append(sample)
    _join_copies(groups, files)
    *ranked, last = sorted(groups, key=lambda group: digest([seed, group]))
    wanted, drawn, train = round(SHARE * len(listing.train)), list[Sample](), groups[last]
    for group in ranked:
        (drawn if len(drawn) < max(1, wanted) else train).extend(groups[group])
    tested = {sample.path for sample in drawn}
    alone = len(listing.train) == 1
    named = listing.files.items()
    said = (
        f"no split of its own: {len(drawn)} of {len(listing.train)} nominal images, drawn by "
        f"--split-seed {seed}, are for testing"
    )
    lacking = (
        f"{train[0].path.parent}: holds "
        f"{'the only nominal image' if alone else 'all nominal images, which stay together'}, so "
        f"that none is left to test; add others{'' if alone else ', or move them up'}"
    )
    return replace(
        listing,
        train=by_name(train),
        test=by_name([*listing.test, *drawn]),
        files={f"test/{name}" if path in tested else name: path for name, path in named},
        problems=listing.problems if drawn else [*listing.problems, lacking],
        notes=[said, *listing.notes],
    )


def _join_copies(groups: dict[str, list[Sample]], files: Mapping[Path, ImageFile]) -> None:
    """Join the groups that hold copies of an image, under the first of their names."""
    holders = dict[str, str]()
    for name in sorted(groups):
        contents = {files[sample.path].sha256 for sample in groups[name]} - {""}
        first, *others = sorted({name, *(holders[c] for c in contents if c in holders)})
        for other in others:
            groups[first] += groups.pop(other)
        holders |= {files[sample.path].sha256: first for sample in groups[first]}

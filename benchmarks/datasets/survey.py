"""Warnings about a category of which every file can be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.datasets.images import ImageFile
from benchmarks.datasets.layouts.base import Sample
from benchmarks.datasets.masks import FEW_VALUES, MaskFacts, mask_facts
from benchmarks.errors import DataError

Files = Mapping[Path, ImageFile]

HALF = 0.5
"""Share of an image, and of its border, beyond which a mask looks inverted."""

FRAMED = 0.9
"""Share of an image's border beyond which a mask that covers little else looks framed."""

FEW_SHAPES = 3


def survey(
    train: Sequence[Sample],
    test: Sequence[Sample],
    files: Files,
    masks: Mapping[str, MaskFacts],
    nominal_masks: Sequence[Path] = (),
) -> tuple[str, ...]:
    """Return warnings, a line each, with the consequence and the remedy.

    Args:
        train: training images.
        test: test images.
        files: path → what reading that file told.
        masks: name of a defect → what its masks, merged, are like.
        nominal_masks: masks of nominal images.
    """
    return (
        *_duplicates(train, test, files),
        *_masks(masks),
        *_said(
            "{count} masks of nominal images (as {first}) mark a defect; they aren't read",
            ["/".join(path.parts[-3:]) for path in nominal_masks if _marks(path)],
        ),
        *_said(
            "{count} defects (as {first}) are turned by an EXIF orientation, or else their masks "
            "are: see that they still lie upon each other",
            [s.name for s in test if any(files[m].turned != files[s.path].turned for m in s.masks)],
        ),
        *_said(
            "{count} files (as {first}) hold several pictures; the first counts",
            [sample.name for sample in (*train, *test) if files[sample.path].frames > 1],
        ),
        *_shapes([*train, *test], files),
        *_classes(test),
    )


def _said(remark: str, names: Sequence[str]) -> Iterator[str]:
    """Yield a remark on these names, nothing where there are none."""
    if names:
        yield remark.format(count=len(names), first=names[0])


def _duplicates(train: Sequence[Sample], test: Sequence[Sample], files: Files) -> Iterator[str]:
    """Yield warnings of images that occur more than once, byte for byte."""
    learnt = _by_content(train, files)
    seen = {s.name: learnt[h][0] for s in test if (h := files[s.path].sha256) in learnt}
    if seen:
        name, other = next(iter(seen.items()))
        yield (
            f"{len(seen)} of {len(test)} test images are the same as training images "
            f"({name} is {other.name}): scores are better than they should be; "
            "take them out of one of the two"
        )
    both = [
        same
        for same in _by_content(test, files).values()
        if len({sample.label for sample in same}) == 2
    ]
    if both:
        first = {sample.label: sample.name for sample in reversed(both[0])}
        yield (
            f"{len(both)} test images are both nominal and a defect ({first[0]} is {first[1]}); "
            "one of the two is wrong"
        )
    for split, samples in (("training", train), ("test", test)):
        groups = [same for same in _by_content(samples, files).values() if len(same) > 1]
        if more := sum(len(same) - 1 for same in groups):
            first_two = " is ".join(sample.name for sample in groups[0][:2])
            yield f"{more} of {len(samples)} {split} images repeat another one ({first_two})"


def _by_content(samples: Sequence[Sample], files: Files) -> dict[str, list[Sample]]:
    groups = defaultdict(list)
    for sample in samples:
        groups[files[sample.path].sha256].append(sample)
    return groups


def _masks(masks: Mapping[str, MaskFacts]) -> Iterator[str]:
    """Yield what is unusual in masks, and how it is read."""
    looks: Sequence[tuple[Callable[[MaskFacts], bool], str]] = (
        (lambda mask: mask.share > HALF and mask.border > HALF,
         "cover more than half of the image and its border, as inverted masks do; "
         "a defect is white on black"),
        (lambda mask: mask.share <= HALF and mask.border > FRAMED,
         "mark the whole border of the image, as a drawn frame does; it counts as defect"),
        (lambda mask: "transparency" in mask.oddities,
         "have their shape in the transparency, which is what is read"),
        (lambda mask: "grey" in mask.oddities,
         "hold many greys, as JPEG or antialiasing leaves them: defect is from mid-grey up"),
        (lambda mask: "mixed" in mask.oddities,
         f"hold greys besides white (at most {FEW_VALUES} values): "
         "every pixel that isn't black is defect"),
    )  # fmt: skip
    of_all = f"{{count}} of {len(masks)} masks (as of {{first}}) "
    for matches, remark in looks:
        yield from _said(of_all + remark, [name for name, mask in masks.items() if matches(mask)])
    black = [name for name, mask in masks.items() if mask.share == 0]
    follows = (
        "there are no pixel-level metrics; --no-masks says so"
        if len(black) == len(masks)
        else "pixel-level metrics believe that these defects have no defect pixel"
    )
    yield from _said(f"{of_all}are all black: {follows}", black)


def _marks(mask: Path) -> bool:
    """Whether a mask that can be read marks a defect."""
    with suppress(DataError):
        return mask_facts([mask]).share > 0
    return False


def _shapes(samples: Sequence[Sample], files: Files) -> Iterator[str]:
    """Yield a warning where size alone separates nominal images from defects."""
    shapes = [{files[s.path].shape for s in samples if s.label == label} for label in (0, 1)]
    if not all(0 < len(group) <= FEW_SHAPES for group in shapes) or shapes[0] & shapes[1]:
        return
    nominal, defect = (next(iter(group)) or (0, 0) for group in shapes)
    yield (
        f"no defect has the size of a nominal image ({defect[0]}×{defect[1]} against "
        f"{nominal[0]}×{nominal[1]}): a method may score the size; take them all alike"
    )


def _classes(test: Sequence[Sample]) -> Iterator[str]:
    labels = {sample.label for sample in test}
    if 0 not in labels:
        yield "no nominal test image: image-level metrics can't be measured"
    if 1 not in labels:
        yield "no defect in test: no metric can be measured"

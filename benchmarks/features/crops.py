"""Decoded crops: a category's images as backbones see them, decoded once by all cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.datasets import Category, Sample, load_image
from benchmarks.features.cache import FeatureCache
from benchmarks.features.copying import COPIES, copied
from benchmarks.processes import cores
from benchmarks.specs import Augment, CropSpec, EvaluationProtocol

Split = str
"""Which images: "train", "test", "copies", which are those of training images that a protocol's
`augment` makes, or a shift of the test images, by its name."""

BATCH_IMAGES = 16

AHEAD = 4
"""Batches that are decoded before they are asked for."""

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Part:
    """Some of a split's images: all of them, or from the beginning of a batch to the end of one.

    Copies come kind by kind, each of all training images.
    """

    category: Category
    split: Split
    rows: range
    augment: Augment = "none"

    @property
    def samples(self) -> Sequence[Sample]:
        """All images of the split."""
        if self.split == "copies":
            return tuple(self.category.train) * len(COPIES[self.augment])
        return self.category.train if self.split == "train" else self.category.test

    @property
    def count(self) -> int:
        """How many these are."""
        return len(self.samples)


def whole(category: Category, split: Split, augment: Augment = "none") -> Part:
    """Return all images of a split."""
    part = Part(category, split, range(0), augment)
    return replace(part, rows=range(part.count))


def described(dataset: str, part: Part, protocol: EvaluationProtocol) -> dict[str, Any]:
    """Return the fields that the specifications of crops and of features share."""
    category, p, split = part.category, protocol, part.split
    of_training = split in ("train", "copies")
    return {
        **{"dataset": dataset, "dataset_fingerprint": category.fingerprint},
        **{"category": category.name, "split": "train" if of_training else "test"},
        **{"image_size": p.image_size, "shift": "" if of_training or split == "test" else split},
        **{"resize": p.resize, "fit": p.fit, "interpolation": p.interpolation},
    }


def parts_of(
    category: Category, augment: Augment = "none", shifts: Sequence[str] = ()
) -> list[Part]:
    """Return all images of each split, of the copies that `augment` makes, and of each shift."""
    splits = "train", "test", *(["copies"] if COPIES[augment] else ()), *shifts
    return [whole(category, split, augment) for split in splits]


def count_images(parts: Sequence[Part]) -> int:
    """Return how many images pass a backbone, those of all splits."""
    return sum(part.count for part in parts)


class Crops:
    """Provides images as (N, 3, S, S) uint8 from the cache, or decodes them and fills it.

    Without a cache on disk the crops of two categories stay in memory: of the one in work, and of
    the next one, which may be decoded meanwhile.

    Args:
        cache: where they are kept.
        dataset: the data set's name.
        protocol: how images are resized and cropped.
        decoders: threads that decode; None for one a processor.
    """

    def __init__(
        self,
        cache: FeatureCache,
        dataset: str,
        protocol: EvaluationProtocol,
        decoders: int | None = None,
    ) -> None:
        self._cache, self._dataset, self._protocol = cache, dataset, protocol
        self._decoders = decoders or cores()
        self._recent: dict[CropSpec, Pixels] = {}

    def batches(self, part: Part) -> Iterator[Pixels]:
        """Yield images in batches (n, 3, S, S) of `BATCH_IMAGES`.

        Raises:
            DataError: an image can't be decoded, or has changed since it was hashed.
            StorageError: the cache can't be written.
        """
        if part.split == "copies":
            yield from self._copies(part)
            return
        stored = self._stored(part)
        if stored is None:
            yield from self._decode(part)
        else:
            for start in range(0, len(part.rows), BATCH_IMAGES):
                yield np.array(stored[start : start + BATCH_IMAGES])

    def images(self, category: Category, split: Split) -> Pixels:
        """Return a split's images, (N, 3, S, S), as a memory map where they are on disk."""
        part = whole(category, split)
        stored = self._stored(part)
        return np.concatenate(list(self._decode(part))) if stored is None else stored

    def _copies(self, part: Part) -> Iterator[Pixels]:
        """Make copies of decoded training images; making them again costs less than a cache."""
        images, angles = self.images(part.category, "train"), COPIES[part.augment]
        for start in range(part.rows.start, part.rows.stop, BATCH_IMAGES):
            rows = range(start, min(start + BATCH_IMAGES, part.rows.stop))
            pairs = (divmod(row, len(images)) for row in rows)
            yield np.stack([copied(images[image], angles[number]) for number, image in pairs])

    def _spec(self, part: Part) -> CropSpec:
        return CropSpec(**described(self._dataset, part, self._protocol))

    def _stored(self, part: Part) -> Pixels | None:
        spec = self._spec(part)
        if spec in self._recent:
            return self._recent[spec][part.rows.start : part.rows.stop]
        return self._cache.load(spec, part.count, part.rows, check=True)

    def _decode(self, part: Part) -> Iterator[Pixels]:
        """Decode images ahead of those who take them, and keep them."""
        spec, samples = self._spec(part), [part.samples[row] for row in part.rows]
        size = len(part.rows) * 3 * spec.image_size**2
        on_disk = self._cache.on_disk and not self._cache.make_room(size)
        writer = self._cache.writer(spec, part.count, part.rows) if on_disk else None
        kept: list[Pixels] = []
        with writer or nullcontext(), ThreadPoolExecutor(self._decoders) as pool:
            try:
                for batch in _ahead(pool, samples, spec):
                    (writer.write if writer else kept.append)(batch)
                    yield batch
            finally:
                pool.shutdown(cancel_futures=True)
        if kept:
            name = part.category.name
            others = [s.category for s in self._recent if s.category != name]
            recent, wanted = self._recent.items(), (name, *others[-1:])
            self._recent = {s: crops for s, crops in recent if s.category in wanted}
            self._recent[spec] = np.concatenate(kept)


def _ahead(pool: ThreadPoolExecutor, samples: Sequence[Sample], spec: CropSpec) -> Iterator[Pixels]:
    """Yield batches in order, a few of them decoded ahead."""
    waiting: list[Future[Any]] = []
    how = (spec.resize, spec.image_size, spec.fit, spec.interpolation)
    for sample in samples:
        sha256 = sample.file.sha256
        load = partial(load_image, sha256=sha256, shift=spec.shift, name=sample.name)
        waiting.append(pool.submit(load, sample.path, *how))
        if len(waiting) == (AHEAD + 1) * BATCH_IMAGES:
            yield stacked([image.result() for image in waiting[:BATCH_IMAGES]])
            del waiting[:BATCH_IMAGES]
    for start in range(0, len(waiting), BATCH_IMAGES):
        yield stacked([image.result() for image in waiting[start : start + BATCH_IMAGES]])


def stacked(images: Sequence[Pixels]) -> Pixels:
    """Return images, (S, S, 3) each, as a backbone takes them, (n, 3, S, S)."""
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))

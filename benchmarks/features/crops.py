"""Decoded crops: a category's images as backbones see them, decoded once by all cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np

from benchmarks.datasets import Category, Sample, load_image
from benchmarks.features.cache import FeatureCache
from benchmarks.processes import cores
from benchmarks.specs import CropSpec, EvaluationProtocol

Split = Literal["train", "test"]

BATCH_IMAGES = 16

AHEAD = 4
"""Batches that are decoded before they are asked for."""

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


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

    def batches(
        self, category: Category, split: Split, rows: range | None = None
    ) -> Iterator[Pixels]:
        """Yield a split's images in batches (n, 3, S, S) of `BATCH_IMAGES`.

        Args:
            category: the category.
            split: the split.
            rows: the images, from the beginning of a batch; None for all.

        Raises:
            DataError: an image can't be decoded, or has changed since it was hashed.
            StorageError: the cache can't be written.
        """
        rows = range(len(samples_of(category, split))) if rows is None else rows
        stored = self._stored(category, split, rows)
        if stored is None:
            yield from self._decode(category, split, rows)
        else:
            for start in range(0, len(rows), BATCH_IMAGES):
                yield np.array(stored[start : start + BATCH_IMAGES])

    def images(self, category: Category, split: Split) -> Pixels:
        """Return a split's images, (N, 3, S, S), as a memory map where they are on disk."""
        rows = range(len(samples_of(category, split)))
        stored = self._stored(category, split, rows)
        if stored is not None:
            return stored
        return np.concatenate(list(self._decode(category, split, rows)))

    def _spec(self, category: Category, split: Split) -> CropSpec:
        p = self._protocol
        return CropSpec(
            *(self._dataset, category.fingerprint, category.name, split, p.image_size, p.resize),
            fit=p.fit,
            interpolation=p.interpolation,
        )

    def _stored(self, category: Category, split: Split, rows: range) -> Pixels | None:
        spec = self._spec(category, split)
        if spec in self._recent:
            return self._recent[spec][rows.start : rows.stop]
        return self._cache.load(spec, len(samples_of(category, split)), rows, check=True)

    def _decode(self, category: Category, split: Split, rows: range) -> Iterator[Pixels]:
        """Decode images ahead of those who take them, and keep them."""
        spec, samples = self._spec(category, split), samples_of(category, split)
        size = len(rows) * 3 * spec.image_size**2
        on_disk = self._cache.on_disk and not self._cache.make_room(size)
        kept: list[Pixels] = []
        with (
            self._cache.writer(spec, len(samples), rows) if on_disk else nullcontext() as writer,
            ThreadPoolExecutor(self._decoders) as pool,
        ):
            try:
                for batch in _ahead(pool, [samples[row] for row in rows], spec):
                    if writer is None:
                        kept.append(batch)
                    else:
                        writer.write(batch)
                    yield batch
            finally:
                pool.shutdown(cancel_futures=True)
        if kept:
            others = [s.category for s in self._recent if s.category != category.name]
            recent, wanted = self._recent.items(), (category.name, *others[-1:])
            self._recent = {s: crops for s, crops in recent if s.category in wanted}
            self._recent[spec] = np.concatenate(kept)


def samples_of(category: Category, split: Split) -> Sequence[Sample]:
    """Return a split's images."""
    return category.train if split == "train" else category.test


def _ahead(pool: ThreadPoolExecutor, samples: Sequence[Sample], spec: CropSpec) -> Iterator[Pixels]:
    """Yield batches in order, a few of them decoded ahead."""
    waiting: list[Future[Any]] = []
    how = (spec.resize, spec.image_size, spec.fit, spec.interpolation)
    for sample in samples:
        sha256 = sample.file.sha256
        waiting.append(pool.submit(load_image, sample.path, *how, sha256=sha256))
        if len(waiting) == (AHEAD + 1) * BATCH_IMAGES:
            yield stacked([image.result() for image in waiting[:BATCH_IMAGES]])
            del waiting[:BATCH_IMAGES]
    for start in range(0, len(waiting), BATCH_IMAGES):
        yield stacked([image.result() for image in waiting[start : start + BATCH_IMAGES]])


def stacked(images: Sequence[Pixels]) -> Pixels:
    """Return images, (S, S, 3) each, as a backbone takes them, (n, 3, S, S)."""
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))

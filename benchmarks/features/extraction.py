"""Extraction: every image passes a backbone once, and its features are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np

from benchmarks.backbones.backbone import Backbone
from benchmarks.datasets import Category
from benchmarks.device_memory import room_for, too_large, with_less
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.features.cache import FeatureCache
from benchmarks.features.crops import Crops, Part, Split, described, parts_of
from benchmarks.features.passing import pass_images
from benchmarks.features.uploading import Arrays, on_device
from benchmarks.features.writing import WriteBehind
from benchmarks.specs import USUAL_BATCH, EvaluationProtocol, FeatureSpec
from methods.lazy import Tensor, torch

T = TypeVar("T")

Advance = Callable[[int], Any]


class InterruptedExtractionError(Exception):
    """An extraction was told to stop; nothing of it was kept."""


class Extractor:
    """Brings the features of categories, from the cache or through one pass of the backbone.

    Features arise on the backbone's device. Up to `resident` bytes of them stay there and are
    written to disk in the background; beyond that, methods read them from disk.

    Args:
        cache: where arrays are kept.
        dataset: the data set's name.
        protocol: image size, backbone, weights.
        levels: the union of the levels that the chosen methods read.
        backbone: makes the backbone; called only where something is missing.
        crops: brings the decoded images; shared by the members of an ensemble.
        shifts: those of the test images.
        resident: bytes of one category's features that may stay on the device.
        device: where the methods work, to which cached features go; a processor maps them.
    """

    def __init__(
        self,
        cache: FeatureCache,
        dataset: str,
        protocol: EvaluationProtocol,
        levels: Sequence[int],
        backbone: Callable[[], Backbone],
        *,
        crops: Crops | None = None,
        shifts: Sequence[str] = (),
        resident: int = 0,
        device: str = "cpu",
    ) -> None:
        self._cache, self._dataset, self.protocol = cache, dataset, protocol
        self._levels, self._make_backbone, self._shifts = tuple(levels), backbone, tuple(shifts)
        self.crops = crops or Crops(cache, dataset, protocol)
        self._resident, self._device = resident, torch.device(device)
        self._backbone: Backbone | None = None
        self._behind: list[WriteBehind] = []
        self._stream: torch.cuda.Stream | None = None
        self._batch, self._fitting, self._again = USUAL_BATCH, USUAL_BATCH, False
        self.stopped = threading.Event()
        self.passes = 0
        """Images that went through the backbone."""

    @property
    def batch(self) -> int:
        """How many images passed together of what was brought last."""
        return self._batch

    @property
    def backbone(self) -> str:
        """The backbone's name; of an ensemble, the member's."""
        return self.protocol.backbone.name

    def prepare(self) -> Backbone:
        """Make the backbone, if that has not been done; return it.

        Raises:
            BenchmarkError: it can't be made, so that no category could be extracted.
        """
        if self._backbone is None:
            with room_for(self.backbone):
                self._backbone = self._make_backbone()
        return self._backbone

    def missing(self, category: Category) -> int:
        """Return how many images of a category still have to pass the backbone."""
        self._choose_batch(category)
        return self._missing(category)

    def arrays(self, category: Category, advance: Advance) -> dict[Split, Arrays]:
        """Return split → level → array (N, C, H, W), extracting what the cache lacks.

        What fits on the device goes there from this thread.

        Args:
            category: the category.
            advance: called with the number of images that have just been extracted.

        Raises:
            DataError: an image can't be decoded, or has changed since it was hashed.
            StorageError: the cache can't be written.
            InterruptedExtractionError: `stopped` was set.
            BenchmarkError: not even a single image fits into memory.
        """

        def bring() -> dict[Split, Arrays]:
            return {part.split: self._part(part, advance)() for part in self.parts(category)}

        arrays = self._within_memory(bring, category, advance)
        with self._beside(self._device):
            return on_device(arrays, self._device, self._resident)

    def part(self, part: Part, advance: Advance) -> Callable[[], Arrays]:
        """Extract what the cache lacks of some images, and leave it to be written.

        An image always passes in the same batch, so that no bit depends on who extracts it.

        Args:
            part: the images.
            advance: as for `arrays`.

        Returns:
            What waits until all of it lies on disk, and returns level → array (n, C, H, W).

        Raises:
            BenchmarkError, InterruptedExtractionError: as `arrays`.
        """
        return self._within_memory(lambda: self._part(part, advance), part.category, advance)

    def _within_memory(self, bring: Callable[[], T], category: Category, advance: Advance) -> T:
        """Bring features; where memory runs out, make all of them again, in ever smaller batches.

        But the first time in the same: a method that ran beside may have had the memory.
        """
        self._choose_batch(category)
        before = self.passes

        def less(error: BaseException, times: int) -> None:
            self.finish()  # what is being written would be mixed with what is made next
            advance(before - self.passes)
            self.passes, self._again = before, True
            if times > 0 and self._batch == 1:
                side, device = self.protocol.image_size, self.prepare().device
                raise too_large(error, self.backbone, side, device) from error
            if times > 0:
                self._fitting = self._batch = min(self._fitting, self._batch // 2)

        try:
            return with_less(bring, less)
        finally:
            self._again = False

    def _choose_batch(self, category: Category) -> None:
        """Choose how many images pass together: as those did that are cached, if all are."""
        for halved in range(USUAL_BATCH.bit_length()):
            self._batch = USUAL_BATCH >> halved
            if not self._missing(category):
                return
        self._batch = self._fitting

    def _missing(self, category: Category) -> int:
        return sum(part.count for part in self.parts(category) if self._absent(part))

    def parts(self, category: Category) -> list[Part]:
        """Return all images of a category that it brings, split by split."""
        return parts_of(category, self.protocol.augment, self._shifts)

    def _part(self, part: Part, advance: Advance) -> Callable[[], Arrays]:
        absent = self._absent(part, check=True)
        stays, behind = self._extract(part, absent, advance) if absent else ({}, None)

        def read() -> Arrays:
            if behind and not stays:
                if behind in self._behind:  # else `finish` waits, too
                    self._behind.remove(behind)
                behind.wait()
            specs = self.specs(part).items()
            return {n: stays[n] if n in stays else self._stored(part, spec) for n, spec in specs}

        return read

    def finish(self) -> None:
        """Wait until all that was extracted lies on disk.

        Raises:
            StorageError: some of it could not be written.
        """
        behind, self._behind = self._behind, []
        with ExitStack() as stack:
            for writing in behind:
                stack.callback(writing.wait)  # each, though another has failed

    def _stored(self, part: Part, spec: FeatureSpec) -> np.ndarray[Any, Any]:
        array = self._cache.load(spec, part.count, part.rows)
        if array is None:
            raise StorageError(
                f"{self._cache.folder}: {spec.category} was removed while in use, by "
                "another process or because the limit is too small (--cache-gb)"
            )
        return array

    def specs(self, part: Part) -> dict[int, FeatureSpec]:
        """Return level → the specification of the cached array that images belong to.

        Levels that the backbone doesn't have, as a descriptor of its own, are those that stand for
        it.
        """
        p, backbone = self.protocol, self.protocol.backbone
        return {
            level: FeatureSpec(
                **described(self._dataset, part, p),
                backbone=backbone.name,
                weights=backbone.weights,
                weights_sha256=backbone.weights_sha256,
                level=level,
                layer=layer,
                dtype=p.dtype,
                batch=self._batch,
                tiles=p.tiles,
                augment=p.augment if part.split == "copies" else "none",
            )
            for level, layer in backbone.extracted(self._levels).items()
        }

    def _absent(self, part: Part, *, check: bool = False) -> list[int]:
        """Return the levels that the cache lacks; checksums are summed in threads, one a level."""
        specs, load = self.specs(part), partial(self._cache.load, check=check)
        if self._again:
            return list(specs)
        with ThreadPoolExecutor(len(specs)) as pool:
            loads = [pool.submit(load, spec, part.count, part.rows) for spec in specs.values()]
        return [level for level, load in zip(specs, loads, strict=True) if load.result() is None]

    def _extract(
        self, part: Part, levels: Sequence[int], advance: Advance
    ) -> tuple[dict[int, Tensor], WriteBehind]:
        """Pass images through the backbone; return what stays there, and what writes."""
        specs, backbone = self.specs(part), self.prepare()
        stays, first = dict[int, Tensor](), 0
        with (
            self._beside(backbone.device),
            WriteBehind(backbone.device, self._cache.waiting) as behind,
        ):
            for images in self._images(part):
                if self.stopped.is_set():
                    raise InterruptedExtractionError
                outputs = pass_images(backbone, images, levels, self.protocol.dtype)
                if first == 0:
                    stays, on_disk = self._room(part, outputs)
                    for level in levels if on_disk else ():
                        writer = self._cache.writer(specs[level], part.count, part.rows)
                        behind.begin(level, writer)
                for level, array in stays.items():
                    array[first : first + len(images)] = outputs[level]
                behind.put(outputs)
                if not stays:  # what stays here needs no disk
                    behind.check()
                first += len(images)
                self.passes += len(images)
                advance(len(images))
        self._behind.append(behind)
        return stays, behind

    @contextmanager
    def _beside(self, device: torch.device) -> Iterator[None]:
        """Queue work on a stream of its own, so that no method's time includes it."""
        if device.type == "cpu":
            yield
            return
        self._stream = self._stream or torch.cuda.Stream(device)
        self._stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self._stream):
            yield
        self._stream.synchronize()  # methods read its tensors on a stream of theirs

    def _room(self, part: Part, outputs: Mapping[int, Tensor]) -> tuple[dict[int, Tensor], bool]:
        """Make room for features; those of part of a split are for others, and don't stay.

        Returns:
            Level → empty tensor on the device, where all images fit; whether the disk takes them.

        Raises:
            StorageError: the disk can't take them, and they don't fit on the device.
            BenchmarkError: they don't fit there, and no disk is to be used.
        """
        name, parts = part.category.name, self.parts(part.category)
        stays, full = dict[int, Tensor](), ""
        image = sum(batch[0].nbytes for batch in outputs.values())
        needed = image * sum(each.count for each in parts)
        if self._cache.on_disk:
            in_use = [spec for each in parts for spec in self.specs(each).values()]
            full = self._cache.make_room(image * len(part.rows), in_use)
        if needed <= self._resident and part in parts:
            with suppress(torch.OutOfMemoryError):
                stays = {
                    level: batch.new_empty(part.count, *batch.shape[1:])
                    for level, batch in outputs.items()
                }
        if stays and full:
            self._cache.warn(f"{name}'s features aren't kept: {full}")
        elif full:
            raise StorageError(full)
        elif not stays and not self._cache.on_disk:
            raise BenchmarkError(
                f"{name}'s features take {needed / 1e9:.1f} GB, more than may stay in memory "
                f"({self._resident / 1e9:.1f} GB): leave out --no-disk-cache, or give more "
                "--memory-gb"
            )
        return stays, self._cache.on_disk and not full

    def _images(self, part: Part) -> Iterator[np.ndarray[Any, Any]]:
        """Yield images, as many at a time as pass the backbone together."""
        for images in self.crops.batches(part):
            for first in range(0, len(images), self._batch):
                yield images[first : first + self._batch]

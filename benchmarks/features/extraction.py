"""Extraction: every image passes a backbone once, and its features are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeVar

import numpy as np

from benchmarks.backbones.backbone import Backbone
from benchmarks.datasets import Category, Sample
from benchmarks.device_memory import room_for, too_large, with_less
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.features.cache import FeatureCache
from benchmarks.features.crops import Crops, Split, samples_of
from benchmarks.features.passing import pass_images
from benchmarks.features.uploading import Arrays, on_device
from benchmarks.features.wanted import feature_specs
from benchmarks.features.writing import WriteBehind
from benchmarks.specs import USUAL_BATCH, EvaluationProtocol, FeatureSpec
from methods.lazy import Tensor, torch

T = TypeVar("T")


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
        resident: int = 0,
        device: str = "cpu",
    ) -> None:
        self._cache, self._dataset, self._protocol = cache, dataset, protocol
        self._levels, self._make_backbone = tuple(levels), backbone
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
        return self._protocol.backbone.name

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

    def arrays(
        self, category: Category, advance: Callable[[int], Any], *, check: bool = True
    ) -> dict[Split, Arrays]:
        """Return split → level → array (N, C, H, W), extracting what the cache lacks.

        What fits on the device goes there from this thread.

        Args:
            category: the category.
            advance: called with the number of images that have just been extracted.
            check: whether to compare what is cached with its checksums.

        Raises:
            DataError: an image can't be decoded, or has changed since it was hashed.
            StorageError: the cache can't be written.
            InterruptedExtractionError: `stopped` was set.
            BenchmarkError: not even a single image fits into memory.
        """

        def bring() -> dict[Split, Arrays]:
            return {
                split: self._part(category, split, range(len(samples)), advance, check=check)()
                for split, samples in _splits(category)
            }

        arrays = self._within_memory(bring, category, advance)
        with self._beside(self._device):
            return on_device(arrays, self._device, self._resident)

    def part(
        self,
        category: Category,
        split: Split,
        rows: range,
        advance: Callable[[int], Any],
        *,
        check: bool = True,
    ) -> Callable[[], Arrays]:
        """Extract what the cache lacks of some of a split's images, and leave it to be written.

        Args:
            category: the category.
            split: the split.
            rows: the images, from the beginning of a batch to the end of one, so that an image
                always passes in the same batch and no bit depends on who extracts it.
            advance: as for `arrays`.
            check: as for `arrays`.

        Returns:
            What waits until all of it lies on disk, and returns level → array (n, C, H, W).

        Raises:
            BenchmarkError, InterruptedExtractionError: as `arrays`.
        """
        return self._within_memory(
            lambda: self._part(category, split, rows, advance, check=check), category, advance
        )

    def _within_memory(
        self, bring: Callable[[], T], category: Category, advance: Callable[[int], Any]
    ) -> T:
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
                side, device = self._protocol.image_size, self.prepare().device
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
        return sum(
            len(samples)
            for split, samples in _splits(category)
            if self._absent(category, split, range(len(samples)))
        )

    def _part(
        self,
        category: Category,
        split: Split,
        rows: range,
        advance: Callable[[int], Any],
        *,
        check: bool = True,
    ) -> Callable[[], Arrays]:
        absent = self._absent(category, split, rows, check=check)
        stays, behind = dict[int, Tensor](), None
        if absent:
            stays, behind = self._extract(category, split, rows, absent, advance)
        specs = self._specs(category, split)
        stored = {level: spec for level, spec in specs.items() if level not in stays}

        def read() -> Arrays:
            if behind and not stays:
                if behind in self._behind:  # else `finish` waits, too
                    self._behind.remove(behind)
                behind.wait()
            arrays = {n: self._stored(category, split, spec, rows) for n, spec in stored.items()}
            return {**arrays, **stays}

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

    def _stored(
        self, category: Category, split: Split, spec: FeatureSpec, rows: range
    ) -> np.ndarray[Any, Any]:
        array = self._cache.load(spec, len(samples_of(category, split)), rows)
        if array is None:
            raise StorageError(
                f"{self._cache.folder}: {category.name} was removed while in use, by "
                "another process or because the limit is too small (--cache-gb)"
            )
        return array

    def _specs(self, category: Category, split: Split) -> dict[int, FeatureSpec]:
        wanted = self._dataset, category, split, self._protocol, self._levels
        return feature_specs(*wanted, batch=self._batch)

    def _absent(
        self, category: Category, split: Split, rows: range, *, check: bool = False
    ) -> list[int]:
        """Return the levels that the cache lacks; checksums are summed in threads, one a level."""
        specs, count = self._specs(category, split), len(samples_of(category, split))
        if self._again:
            return list(specs)
        with ThreadPoolExecutor(len(specs)) as pool:
            loads = {
                level: pool.submit(self._cache.load, spec, count, rows, check=check)
                for level, spec in specs.items()
            }
        return [level for level, load in loads.items() if load.result() is None]

    def _extract(
        self,
        category: Category,
        split: Split,
        rows: range,
        levels: Sequence[int],
        advance: Callable[[int], Any],
    ) -> tuple[dict[int, Tensor], WriteBehind]:
        """Pass images of a split through the backbone; return what stays there, and what writes."""
        specs, count = self._specs(category, split), len(samples_of(category, split))
        backbone, stays, first = self.prepare(), dict[int, Tensor](), 0
        with (
            self._beside(backbone.device),
            WriteBehind(backbone.device, self._cache.waiting) as behind,
        ):
            for images in self._images(category, split, rows):
                if self.stopped.is_set():
                    raise InterruptedExtractionError
                outputs = pass_images(backbone, images, levels, self._protocol.dtype)
                if first == 0:
                    stays, on_disk = self._room(category, split, rows, outputs)
                    if on_disk:
                        writers = {n: self._cache.writer(specs[n], count, rows) for n in levels}
                        behind.begin(writers)
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

    def _room(
        self, category: Category, split: Split, rows: range, outputs: Mapping[int, Tensor]
    ) -> tuple[dict[int, Tensor], bool]:
        """Make room for a split's features.

        Returns:
            Level → empty tensor on the device, where all images fit; whether the disk takes them.

        Raises:
            StorageError: the disk can't take them, and they don't fit on the device.
            BenchmarkError: they don't fit there, and no disk is to be used.
        """
        image, full = sum(batch[0].nbytes for batch in outputs.values()), ""
        if self._cache.on_disk:
            parts = [self._specs(category, part) for part, _ in _splits(category)]
            in_use = [spec for specs in parts for spec in specs.values()]
            full = self._cache.make_room(image * len(rows), in_use)
        needed = image * (len(category.train) + len(category.test))
        stays = self._stays(category, split, rows, outputs) if needed <= self._resident else {}
        if self._cache.on_disk and not full:
            return stays, True
        if stays:
            if full:
                self._cache.warn(f"{category.name}'s features aren't kept: {full}")
            return stays, False
        if full:
            raise StorageError(full)
        raise BenchmarkError(
            f"{category.name}'s features take {needed / 1e9:.1f} GB, more than may stay in memory "
            f"({self._resident / 1e9:.1f} GB): leave out --no-disk-cache, or give more --memory-gb"
        )

    def _stays(
        self, category: Category, split: Split, rows: range, outputs: Mapping[int, Tensor]
    ) -> dict[int, Tensor]:
        """Return room on the device; none of a part, which is for those who read the whole."""
        count = len(samples_of(category, split))
        with suppress(torch.OutOfMemoryError):
            if len(rows) == count or not self._cache.on_disk:
                return {
                    level: batch.new_empty(count, *batch.shape[1:])
                    for level, batch in outputs.items()
                }
        return {}

    def _images(
        self, category: Category, split: Split, rows: range
    ) -> Iterator[np.ndarray[Any, Any]]:
        """Yield a split's images, as many at a time as pass the backbone together."""
        for images in self.crops.batches(category, split, rows):
            for first in range(0, len(images), self._batch):
                yield images[first : first + self._batch]


def _splits(category: Category) -> tuple[tuple[Split, Sequence[Sample]], ...]:
    return (("train", category.train), ("test", category.test))

"""Extraction: every image passes a backbone once, whoever asks and when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.datasets import Category, Sample, load_image
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.features.arrays import ArrayWriter
from benchmarks.features.cache import FeatureCache
from benchmarks.specs import EvaluationProtocol, FeatureSpec

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.backbones import Backbone


BATCH_IMAGES = 16

DECODERS = 4

Split = Literal["train", "test"]

Arrays = dict[int, np.ndarray[Any, Any]]


class InterruptedExtractionError(Exception):
    """An extraction was told to stop; nothing of it was kept."""


def feature_specs(
    dataset: str,
    category: Category,
    split: Split,
    protocol: EvaluationProtocol,
    levels: Sequence[int],
) -> dict[int, FeatureSpec]:
    """Return level → the specification of its cached array for one category and split."""
    backbone = protocol.backbone
    return {
        level: FeatureSpec(
            dataset=dataset,
            dataset_fingerprint=category.fingerprint,
            category=category.name,
            split=split,
            backbone=backbone.name,
            weights=backbone.weights,
            weights_sha256=backbone.weights_sha256,
            level=level,
            layer=backbone.layers[level],
            image_size=protocol.image_size,
            resize=protocol.resize,
            dtype=protocol.dtype,
            fit=protocol.fit,
        )
        for level in levels
    }


class Extractor:
    """Brings the features of categories, from the cache or through one pass of the backbone.

    Args:
        cache: where arrays are kept.
        dataset: the data set's name.
        protocol: image size, backbone, weights.
        levels: the union of the levels that the chosen methods read.
        backbone: makes the backbone; called only where something is missing.
    """

    def __init__(
        self,
        cache: FeatureCache,
        dataset: str,
        protocol: EvaluationProtocol,
        levels: Sequence[int],
        backbone: Callable[[], Backbone],
    ) -> None:
        self._cache, self._dataset, self._protocol = cache, dataset, protocol
        self._levels, self._make_backbone = tuple(levels), backbone
        self._backbone: Backbone | None = None
        self.stopped = threading.Event()
        self.passes = 0
        """Images that went through the backbone."""

    @property
    def backbone(self) -> str:
        """The backbone's name; of an ensemble, the member's."""
        return self._protocol.backbone.name

    def prepare(self) -> Backbone:
        """Make the backbone, if that has not been done; return it.

        Raises:
            BenchmarkError: it can't be made, so that no category could be extracted.
        """
        from methods.lazy import torch

        if self._backbone is None:
            try:
                self._backbone = self._make_backbone()
            except torch.OutOfMemoryError as error:
                raise BenchmarkError(
                    f"{self._protocol.backbone.name} doesn't fit into the GPU's memory: pass "
                    "--device cpu, or another GPU as --device cuda:1"
                ) from error
        return self._backbone

    def missing(self, category: Category) -> int:
        """Return how many images of a category still have to pass the backbone."""
        return sum(
            len(samples)
            for split, samples in _splits(category)
            if self._absent(category, split, samples)
        )

    def arrays(self, category: Category, advance: Callable[[int], Any]) -> dict[Split, Arrays]:
        """Return split → level → array (N, C, H, W), extracting what the cache lacks.

        Args:
            category: the category.
            advance: called with the number of images that have just been extracted.

        Raises:
            DataError: an image can't be decoded.
            StorageError: the cache can't be written.
            InterruptedExtractionError: `stopped` was set.
        """
        found: dict[Split, Arrays] = {}
        for split, samples in _splits(category):
            if absent := self._absent(category, split, samples, check=True):
                self._extract(category, split, samples, absent, advance)
            found[split] = {}
            for level, spec in self._specs(category, split).items():
                array = self._cache.load(spec, len(samples))
                if array is None:
                    raise StorageError(
                        f"{self._cache.folder}: {category.name} was removed while in use, by "
                        "another process or because the limit is too small (--cache-gb)"
                    )
                found[split][level] = array
        return found

    def _specs(self, category: Category, split: Split) -> dict[int, FeatureSpec]:
        return feature_specs(self._dataset, category, split, self._protocol, self._levels)

    def _absent(
        self, category: Category, split: Split, samples: Sequence[Sample], *, check: bool = False
    ) -> list[int]:
        specs, count = self._specs(category, split), len(samples)
        return [i for i, s in specs.items() if self._cache.load(s, count, check=check) is None]

    def _extract(
        self,
        category: Category,
        split: Split,
        samples: Sequence[Sample],
        levels: Sequence[int],
        advance: Callable[[int], Any],
    ) -> None:
        """Pass one split's images through the backbone and write the levels asked for."""

        backbone = self.prepare()
        specs = self._specs(category, split)
        in_use = [s for part, _ in _splits(category) for s in self._specs(category, part).values()]
        with ExitStack() as stack:
            writers = {
                i: stack.enter_context(self._cache.writer(specs[i], len(samples))) for i in levels
            }
            writing = stack.enter_context(ThreadPoolExecutor(1))
            written: Future[None] = writing.submit(lambda: None)
            for number, images in enumerate(self._decoded(samples)):
                if self.stopped.is_set():
                    raise InterruptedExtractionError
                outputs = self._forward(backbone, images, levels)
                if number == 0:
                    image_bytes = sum(o[0].numel() for o in outputs.values())
                    itemsize = np.dtype(self._protocol.dtype).itemsize
                    self._cache.make_room(image_bytes * itemsize * len(samples), in_use)
                batch = {
                    level: self._narrowed(output.cpu().numpy()) for level, output in outputs.items()
                }
                written.result()
                written = writing.submit(_write, writers, batch)
                self.passes += len(images)
                advance(len(images))
            written.result()

    def _narrowed(self, features: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return features as they are cached.

        Raises:
            BenchmarkError: they are too large for the cached type.
        """
        if features.dtype == self._protocol.dtype:
            return features
        with np.errstate(over="ignore"):
            stored = features.astype(self._protocol.dtype)
        if np.isfinite(features).all() and not np.isfinite(stored).all():
            raise BenchmarkError(
                f"{self._protocol.backbone.name} has features up to {np.abs(features).max():.3g}, "
                f"beyond what {self._protocol.dtype} holds: pass --dtype float32"
            )
        return stored

    def _forward(
        self, backbone: Backbone, images: np.ndarray[Any, Any], levels: Sequence[int]
    ) -> dict[int, Tensor]:
        """Pass a batch; a smaller one, for want of memory, would change the sixth digit."""
        from methods.lazy import torch

        try:
            return backbone.forward(torch.from_numpy(images), levels)
        except torch.OutOfMemoryError as error:
            raise BenchmarkError(
                f"{self._protocol.backbone.name} ran out of memory with {len(images)} images of "
                f"{self._protocol.image_size} pixels: pass --device cpu or a smaller --image-size"
            ) from error

    def _decoded(self, samples: Sequence[Sample]) -> Iterator[np.ndarray[Any, Any]]:
        """Yield batches (n, 3, S, S) uint8, decoded ahead by a few threads."""
        p = self._protocol
        ahead: list[Future[np.ndarray[Any, Any]]] = []
        with ThreadPoolExecutor(DECODERS) as pool:
            try:
                for sample in samples:
                    ahead.append(
                        pool.submit(load_image, sample.path, p.resize, p.image_size, p.fit)
                    )
                    if len(ahead) == 2 * BATCH_IMAGES:
                        yield _stack(ahead[:BATCH_IMAGES])
                        del ahead[:BATCH_IMAGES]
                for start in range(0, len(ahead), BATCH_IMAGES):
                    yield _stack(ahead[start : start + BATCH_IMAGES])
            finally:
                pool.shutdown(cancel_futures=True)


def _write(writers: Mapping[int, ArrayWriter], batch: Arrays) -> None:
    for level, features in batch.items():
        writers[level].write(features)


def _stack(images: Sequence[Future[np.ndarray[Any, Any]]]) -> np.ndarray[Any, Any]:
    stacked = np.stack([image.result() for image in images])  # (n, S, S, 3)
    return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))


def _splits(category: Category) -> tuple[tuple[Split, Sequence[Sample]], ...]:
    return (("train", category.train), ("test", category.test))

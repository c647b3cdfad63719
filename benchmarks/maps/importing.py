"""From a folder of anomaly maps to cells like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import Category, Dataset, Sample
from benchmarks.datasets.placing import Placing
from benchmarks.errors import DataError, listed
from benchmarks.evaluation.category import GroundTruth
from benchmarks.evaluation.drawing import held_out_count
from benchmarks.evaluation.evaluating import measure
from benchmarks.evaluation.job import Evaluated, KeptMaps, Prediction
from benchmarks.features import Crops
from benchmarks.maps.folder import find_maps, stem
from benchmarks.maps.image_scores import ScoreTable
from benchmarks.maps.reading import Map, read_map
from benchmarks.metrics.calibrated import HeldOut
from benchmarks.results.agreement import Measure
from benchmarks.specs import IMPORTED, BackboneSpec, CellSpec, EvaluationProtocol, digest

MAXIMUM = "each map's maximum"


@dataclass(frozen=True)
class ImportedMaps:
    """Maps of one method.

    Attributes:
        folder: where they lie, as `folder.find_maps` reads it.
        method: the method's name in tables.
        seed: with which the method was trained.
        table: the image scores; None where they are each map's maximum.
        calibrate: how many training images, or which share, weren't fitted to; None for none.
        held_out: their image scores.
    """

    folder: Path
    method: str
    seed: int = 0
    table: ScoreTable | None = None
    calibrate: float | None = None
    held_out: ScoreTable | None = None

    def image_scores(self, category: Category, maxima: Sequence[float]) -> tuple[list[float], str]:
        """Return the score of each test image, and where they are from.

        Raises:
            DataError: the file lacks one, or has one too many.
        """
        if self.table is None:
            return list(maxima), MAXIMUM
        scores = self.table.of_test(category)
        return scores, f"a file's, sha256 {digest(scores)}"

    def held_out_scores(self, category: Category) -> HeldOut | None:
        """Return the scores of a category's held-out images; None where none are held out.

        They are taken for their maps' maxima where the test images' scores are.

        Raises:
            DataError: they are of other images, or not as many as were to be held out.
        """
        if self.calibrate is None or self.held_out is None:
            return None
        given = self.held_out.of_held_out(category)
        wanted = held_out_count(self.calibrate, len(category.train))
        if len(given) != wanted or not 0 < wanted < len(category.train):
            raise DataError(
                f"{self.held_out.path}: {len(given)} of {len(category.train)} training images of "
                f"{category.name} have scores, and --calibrate {self.calibrate} says {wanted}"
            )
        scores = np.array([*given.values()])
        return HeldOut([*given], scores, scores if self.table is None else None)


def column(name: str) -> str:
    """Return what a method is called in tables whose maps are imported under a name."""
    return f"{name} ({IMPORTED})"


UNKNOWN = BackboneSpec(IMPORTED, "", "", {})
"""What stands for the backbone of imported maps."""


def protocol_of(measure: Measure) -> EvaluationProtocol:
    """Return the protocol of imported maps: taken as they are, of no backbone known here."""
    return EvaluationProtocol(UNKNOWN, smoothing_sigma=0.0, **measure._asdict())


@dataclass(frozen=True)
class CheckedMaps:
    """A category's maps, all of which can be imported.

    Attributes:
        category: the category.
        paths: of the maps, in the order of its test images.
        others: which other files lie there.
        scores: the images' scores.
        dtype: float32 where that holds every number of the maps as it is, else float64.
        spec: the specification of their cell.
        held_out: scores of images that weren't fitted to; None where none are known.
    """

    category: Category
    paths: Sequence[Path]
    others: Sequence[str]
    scores: Sequence[float]
    dtype: np.dtype[np.floating[Any]]
    spec: CellSpec
    held_out: HeldOut | None


def check_category(
    imported: ImportedMaps, dataset: Dataset, category: Category, protocol: EvaluationProtocol
) -> CheckedMaps:
    """Read a category's maps once, and keep none.

    Args:
        imported: the maps.
        dataset: the data set.
        category: one of its categories.
        protocol: from `protocol_of`.

    Raises:
        DataError: maps or scores are missing, aren't finite, or aren't of these images.
    """
    paths, others = find_maps(imported.folder, category)
    sha256, maxima, dtype = hashlib.sha256(), [], np.dtype(np.float32)
    for sample, values in _read(category, paths):
        sha256.update(_identity(sample, values))
        maxima.append(float(values.max()))
        dtype = np.promote_types(dtype, values.dtype)
    scores, origin = imported.image_scores(category, maxima)
    params = {"maps_sha256": sha256.hexdigest(), "scores": origin}
    if held_out := imported.held_out_scores(category):
        params["held_out_sha256"] = digest([*held_out.names, *held_out.images.tolist()])
    spec = CellSpec(
        dataset=dataset.name,
        dataset_fingerprint=category.fingerprint,
        category=category.name,
        method=imported.method,
        params=params,
        protocol=protocol,
        seed=imported.seed,
        calibrate=imported.calibrate,
    )
    return CheckedMaps(category, paths, others, scores, dtype, spec, held_out)


def import_category(checked: CheckedMaps, *, crops: Crops, kept_maps: KeptMaps) -> Evaluated:
    """Return the cell of a category's maps, measured as every other cell is.

    Args:
        checked: the maps, which are read again.
        crops: brings the test images, of which previews are stored.
        kept_maps: which maps are stored beside the cell.

    Raises:
        DataError: maps have changed since they were checked.
    """
    spec, category = checked.spec, checked.category
    side, sha256 = spec.protocol.image_size, hashlib.sha256()
    squares = np.empty((len(checked.paths), side, side), checked.dtype)
    for square, (sample, values) in zip(squares, _read(category, checked.paths), strict=True):
        sha256.update(_identity(sample, values))
        placing = Placing.of(*sample.size, spec.protocol)
        square[:] = placing.into_square(values)
    if sha256.hexdigest() != spec.params["maps_sha256"]:
        raise DataError(f"maps of {category.name} changed while they were read; import them again")
    truth = GroundTruth(category, spec.protocol, crops)
    scored = Prediction(np.array(checked.scores), squares, held_out=checked.held_out)
    return measure(spec, kept_maps, truth, scored)


def _read(category: Category, paths: Sequence[Path]) -> Iterator[tuple[Sample, Map]]:
    """Yield each test image with its map.

    Raises:
        DataError: after the last one, where any can't be read or has other proportions.
    """
    problems = []
    for sample, path in zip(category.test, paths, strict=True):
        try:
            values = read_map(path)
            _check_shape(path, values, *sample.size)
        except DataError as error:
            problems.append(str(error))
        else:
            yield sample, values
    if problems:
        raise DataError(problems[0] if len(problems) == 1 else listed(category.name, problems))


def _identity(sample: Sample, values: Map) -> bytes:
    """Return what a map is, whatever file holds it: its image, its shape, its numbers."""
    height, width = values.shape
    numbers = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return f"{stem(sample.name)}\0{height}×{width}\0".encode() + numbers


def _check_shape(path: Path, values: Map, width: int, height: int) -> None:
    """Check that a map has its image's proportions, each side to within a pixel.

    Raises:
        DataError: it hasn't.
    """
    sides = list(zip(values.shape, (height, width), strict=True))
    least = max((length - 1) / of_image for length, of_image in sides)
    most = min((length + 1) / of_image for length, of_image in sides)
    if least >= most:
        down, across = values.shape
        raise DataError(
            f"{path}: the map is {across}×{down} pixels and its image {width}×{height}: a map "
            f"shows its whole image; resize one of a stretched image to {width}×{height}, put one "
            "of a part into its place"
        )

"""From stored cells to a folder of anomaly maps in the layout of MVTec's evaluation."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import Category
from benchmarks.datasets.placing import Placing
from benchmarks.errors import BenchmarkError
from benchmarks.files import atomic_file
from benchmarks.maps.folder import map_names, stem
from benchmarks.maps.image_scores import image_name
from benchmarks.maps.reading import Map, write_tiff
from benchmarks.results import ResultSet
from benchmarks.results.agreement import without_source
from benchmarks.results.maps import open_maps
from benchmarks.results.scores import read_image_scores
from benchmarks.specs import CellSpec

ALL_MAPS = (
    "python -m benchmarks.run with --save-maps, and the run's own options, stores all of them"
)


LONGEST_NAME = 255
"""Bytes of a file's name, on the file systems in use."""


@dataclass
class Exported:
    """What a method's maps became.

    Attributes:
        dtype: type of the numbers.
        cut: of how many the square leaves out a part of the image.
        enlarged: how many images are smaller than what methods see of them.
        otherwise: of how many the image score isn't the map's maximum.
        merged: how many have different values that the type of the numbers makes equal.
        scores: image → image score, for the file beside the maps.
    """

    dtype: str
    cut: int = 0
    enlarged: int = 0
    otherwise: int = 0
    merged: int = 0
    scores: dict[str, float] = field(default_factory=dict)


def find_method(sets: Sequence[ResultSet], name: str) -> list[tuple[ResultSet, str]]:
    """Return the result sets of a run that hold a method, and what their tables call the method.

    Several are of several data sets.

    Args:
        sets: the run's.
        name: as a table calls it, or without the backbone behind the @.

    Raises:
        BenchmarkError: none of that name is there, or several on one data set.
    """
    whole = [results for results in sets if not (results.spec.shift or results.spec.reserve)]
    if not whole:
        raise BenchmarkError(
            f"{sets[0].run}: with --contamination or --shift not all test images are judged as "
            "they lie on disk, which maps of other programs are of; run the methods without"
        )
    every = [(results, method) for results in whole for method in results.methods]
    alike = [pair for pair in every if pair[1] == name]
    alike = alike or [pair for pair in every if without_source(pair[1]) == name]
    if not alike or len({results.dataset for results, _ in alike}) < len(alike):
        names = ", ".join(dict.fromkeys(method for _, method in alike or every))
        several = (
            f" {len(alike)} times, under other backbones, crops or conditions," if alike else ""
        )
        remedy = "; run the one that is meant into a folder of its own" if alike else ""
        raise BenchmarkError(f"--methods {name}: {sets[0].run} has{several} {names}{remedy}")
    return alike


def folder_of(method: str) -> str:
    """Return what the folder of a method's maps is called."""
    return re.sub(r"[^\w.=+,\[\]-]+", "_", method).strip("_")


def require_short_names(method: str, category: Category) -> None:
    """Make sure that no name is too long for the files of a category's maps.

    Raises:
        BenchmarkError: one is.
    """
    for name in (folder_of(method), *(f"{name}.tiff" for name in map_names(category))):
        if len(os.fsencode(name.rpartition("/")[2])) > LONGEST_NAME:
            raise BenchmarkError(
                f"{category.name}: {name} is a name of more than {LONGEST_NAME} bytes, too long "
                "for a map's file or folder: rename the image, or give the method fewer overrides"
            )


def export_category(
    results: ResultSet, method: str, category: Category, out: Path, exported: Exported
) -> None:
    """Write the map of each test image at the image's own size, below `out/<category>`.

    Args:
        results: the cells that hold the method.
        method: its name.
        category: the images, as they lie on disk.
        out: the folder of the method's maps.
        exported: of the method, to which this category's is added.

    Raises:
        BenchmarkError: not all maps are stored, the images aren't those that were evaluated, or a
            value doesn't fit the type.
    """
    spec, squares = _stored(results, method, category)
    frame = read_image_scores(results.scores[category.name, method])
    for name, score in zip(frame["path"], frame["score"].tolist(), strict=True):
        exported.scores[image_name(category.name, str(name))] = score
    for name, sample in map_names(category).items():
        placing = Placing.of(*sample.size, spec.protocol)
        path = out / category.name / f"{name}.tiff"
        whole_map = placing.into_image(squares[name])
        values = _typed(whole_map, exported.dtype, path)
        with atomic_file(path) as file:
            write_tiff(file, values)
        exported.cut += placing.cut
        score = exported.scores[image_name(category.name, sample.name)]
        exported.otherwise += values.max() != score
        exported.enlarged += not placing.exact
        exported.merged += np.unique(values).size < np.unique(whole_map).size


def _stored(results: ResultSet, method: str, category: Category) -> tuple[CellSpec, dict[str, Map]]:
    """Return a cell's specification, and its maps as they were measured by their stems."""
    place, what = (category.name, method), f"{method} on {category.name}"
    path = results.maps.get(place)
    if path is None or place not in results.scores:
        raise BenchmarkError(f"{results.run}: no maps of {what} are stored; {ALL_MAPS}")
    spec = results.first[place].spec
    if spec.dataset_fingerprint != category.fingerprint:
        raise BenchmarkError(
            f"{what} was evaluated on other images or masks; name theirs with --data, and "
            "--no-masks where they were left out"
        )
    with open_maps(path) as stored:
        names = [stem(str(name)) for name in stored["names"]]
        if missing := map_names(category).keys() - {*names}:
            raise BenchmarkError(
                f"{results.run}: of {what} {len(names)} maps are stored, not {len(missing)} more; "
                f"{ALL_MAPS}"
            )
        squares: np.ndarray[Any, Any] = stored["measured" if "measured" in stored else "maps"]
    if np.isnan(squares).all():
        raise BenchmarkError(f"{method} judges whole images: it makes no maps to export")
    if spec.protocol.fit == "stretch" and np.isnan(squares).any():
        raise BenchmarkError(
            f"{results.run}: the maps of {what} are stored as they are shown, not as they were "
            "measured; run it again with --save-maps --force"
        )
    return spec, dict(zip(names, squares, strict=True))


def _typed(values: Map, dtype: str, path: Path) -> np.ndarray[Any, Any]:
    with np.errstate(over="ignore"):
        typed = values.astype(dtype)
    if not np.isfinite(typed).all():
        raise BenchmarkError(
            f"{path}: {values.max():g} is more than half precision holds; leave --dtype out"
        )
    return typed

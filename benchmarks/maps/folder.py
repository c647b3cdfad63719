"""A folder of anomaly maps in the layout of MVTec's evaluation: one a test image."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from benchmarks.datasets import Category, Sample
from benchmarks.errors import DataError, listed
from benchmarks.maps.reading import READERS


def stem(name: str) -> str:
    """Return what a map and its image have in common: the path without the ending."""
    return PurePosixPath(name).with_suffix("").as_posix()


def map_names(category: Category) -> dict[str, Sample]:
    """Return the stem of each test image's map → the image.

    Raises:
        DataError: two images would have the same map.
    """
    samples: dict[str, Sample] = {}
    for sample in category.test:
        if (other := samples.setdefault(stem(sample.name), sample)) is not sample:
            raise DataError(
                f"{category.name}: {other.name} and {sample.name} differ in their ending alone, so "
                "that a map could be of either; rename one"
            )
    return samples


def find_maps(folder: Path, category: Category) -> tuple[list[Path], list[str]]:
    """Return the map of each test image, in their order, and which other files lie there.

    Args:
        folder: holds `<category>/test/<defect>/<image>.tiff`, or another ending of `READERS`.
        category: its images.

    Raises:
        DataError: an image has no map, or two.
    """
    root = folder / category.name
    files = sorted(path for path in root.rglob("*") if path.is_file())
    names = map_names(category)
    paths_of, others = defaultdict(list), []
    for path in files:
        name = path.relative_to(root).as_posix()
        if stem(name) in names and path.suffix.lower() in READERS:
            paths_of[stem(name)].append(path)
        elif not path.name.startswith("."):
            others.append(name)
    problems = _problems(root, names, paths_of)
    if problems:
        raise DataError(listed(f"{root}: {len(names)} test images need a map each", problems))
    return [paths_of[name][0] for name in names], others


def _problems(root: Path, names: dict[str, Sample], paths_of: dict[str, list[Path]]) -> list[str]:
    problems = []
    for name, sample in names.items():
        paths = paths_of.get(name, [])
        if not paths:
            problems.append(f"{sample.name} has none: add {root.name}/{name}.tiff")
        elif len(paths) > 1:
            several = ", ".join(path.name for path in paths)
            problems.append(f"{sample.name} has several: keep one of {several}")
        elif paths[0].samefile(sample.path):
            problems.append(f"{paths[0]} is the image itself; name the folder of the maps")
    return problems

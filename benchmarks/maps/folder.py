"""A folder of anomaly maps in the layout of MVTec's evaluation: one a test image."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath

from benchmarks.datasets import Category, Sample
from benchmarks.errors import DataError, listed
from benchmarks.maps.reading import READERS

SEEN = 5000
"""Files among which the one nearest to a missing map is looked for."""


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
    root, names = folder / category.name, map_names(category)
    plain_names = {plain(name): name for name in names}
    paths_of, others = defaultdict(list), []
    for path in sorted(_files(root)):
        name = path.relative_to(root).as_posix()
        image = plain_names.get(plain(stem(name)))
        if image and path.suffix.lower() in READERS:
            paths_of[image].append(path)
        else:
            others.append(name)
    if problems := _problems(root, names, paths_of):
        near, missing = "", [name for name in names if name not in paths_of]
        if missing:
            left = [f"{category.name}/{name}" for name in others] or _files_below(folder)
            near = f"; {folder} has {nearest(f'{category.name}/{missing[0]}', left)}"
            near += f" ({', '.join(READERS)} are read)"
        raise DataError(listed(f"{root}: {len(names)} test images need a map each{near}", problems))
    return [paths_of[name][0] for name in names], others


def plain(name: str) -> str:
    """Return a name with slashes, in the form of Unicode in which equal texts are equal."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def nearest(wanted: str, names: Iterable[str]) -> str:
    """Return which of some names is most like a wanted one; without any, "nothing".

    What counts most is how many folders and the file's stem they share at their ends.
    """

    def likeness(name: str) -> tuple[int, int, float]:
        ends = [stem(text).casefold().split("/")[::-1] for text in (wanted, name)]
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(*ends, strict=False))
        return len([*shared]), -len(ends[1]), difflib.SequenceMatcher(None, wanted, name).ratio()

    return max(names, key=likeness, default="nothing")


def _problems(root: Path, names: dict[str, Sample], paths_of: dict[str, list[Path]]) -> list[str]:
    problems = []
    for name, sample in names.items():
        paths = paths_of.get(name, [])
        if not paths:
            problems.append(f"{sample.name} has none: add {root.name}/{name}.tiff")
        elif len(paths) > 1:
            several = ", ".join(path.name for path in paths)
            problems.append(f"{sample.name} has several: keep one of {several}")
        elif not paths[0].exists():
            problems.append(f"{paths[0]} is a link to {paths[0].readlink()}, which isn't there")
        elif paths[0].samefile(sample.path):
            problems.append(f"{paths[0]} is the image itself; name the folder of the maps")
    return problems


def _files_below(folder: Path) -> list[str]:
    """Return the names of a folder's files, of very many some."""
    return sorted(path.relative_to(folder).as_posix() for path in islice(_files(folder), SEEN))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder but for hidden ones, links to folders followed."""
    for place, folders, names in os.walk(folder, followlinks=True):
        real = Path(place).resolve()
        inside = {name: (real / name).resolve() for name in folders}
        folders[:] = [name for name in folders if inside[name] not in (real, *real.parents)]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def folders_of_methods(folder: Path, categories: Iterable[str]) -> list[Path]:
    """Return the folders below this that hold folders of maps, where it holds none itself."""
    names = [*categories]

    def holds(place: Path) -> bool:
        return any((place / name).is_dir() for name in names)

    below = sorted(path for depth in ("*", "*/*") for path in folder.glob(depth))
    return [] if holds(folder) else [path for path in below if holds(path)]

"""Features of images at a backbone's levels, as methods read them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from copy import copy
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.artefacts import Artefacts, One
from methods.components.uploads import uploaded
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    Array = Tensor | np.ndarray[Any, Any]

GLOBAL, LAST = 0, 5
"""Two levels beside the pyramid's 1 to 4: an image's descriptor, which is a transformer's class
token, and a transformer's last block behind its final norm. Of other networks the deepest level
stands for the last block, and its mean over space for the descriptor."""

SHARED = 1 / 4
"""Share of the memory that artefacts of all methods may take together."""

MEMORY = 8 << 30
"""Bytes that a method may fill with caches and blocks, where nobody says how many."""


class MissingLevelError(KeyError):
    """Features of a level were asked for that there are none of."""

    def __str__(self) -> str:
        return str(self.args[0])


class Features:
    """Backbone features of N images at some pyramid levels, read in parts.

    The arrays may be memory maps larger than memory, or tensors that already lie on the device;
    a method only ever sees what `read` returns. The images may lie in several arrays, as those of
    several splits do: `by_array`, `select` and `+` say which are seen, in which order.

    Args:
        levels: level → array of shape (N, C, H, W), any float type; or several, the same number at
            each level, whose images follow each other. Where `GLOBAL` or `LAST` isn't among them,
            it is read from the deepest.
        rows: the images to see, as indices into the arrays; None for all of them.
        device: where `read` puts its tensors.
        memory: bytes on the device that a method may fill with caches and blocks; changes no
            result.
        share: whether methods that see these features share artefacts; no number depends on it.

    Raises:
        ValueError: there are no levels, they aren't maps, or of different numbers of images; or the
            arrays of a level have different shapes.
    """

    def __init__(
        self,
        levels: Mapping[int, Array | Sequence[Array]],
        rows: Sequence[int] | None = None,
        device: torch.device | str = "cpu",
        memory: int = MEMORY,
        *,
        share: bool = False,
    ) -> None:
        if not levels:
            raise ValueError("features need at least one level")
        self._levels = {
            level: tuple(arrays) if isinstance(arrays, tuple | list) else (arrays,)
            for level, arrays in levels.items()
        }
        for level, arrays in self._levels.items():
            for array in arrays:
                if len(array.shape) != 4:
                    raise ValueError(
                        f"level {level} is of shape {tuple(array.shape)}, and maps are "
                        "(N, C, H, W): give vectors (N, C) as (N, C, 1, 1)"
                    )
            if len(shapes := {tuple(array.shape[1:]) for array in arrays}) > 1:
                raise ValueError(f"arrays of level {level} hold maps of {sorted(shapes)}")
        counts = {tuple(map(len, arrays)) for arrays in self._levels.values()}
        if len(counts) > 1:
            stored = sorted(map(sum, counts))
            raise ValueError(f"levels hold different numbers of images: {stored}")
        self._ends = list(accumulate(counts.pop()))
        self._rows = list(range(self._ends[-1])) if rows is None else list(rows)
        self.device, self.memory = torch.device(device), memory
        self._artefacts = Artefacts() if share else None

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels at hand, ascending."""
        return tuple(sorted(self._levels))

    def shape(self, level: int) -> tuple[int, int, int]:
        """Channels, height and width of a level."""
        _, channels, height, width = self._arrays(level)[0].shape
        if level == GLOBAL:
            return int(channels), 1, 1
        return int(channels), int(height), int(width)

    def stored(self, level: int) -> Array:
        """Return a level of these images as it lies in its array, which may be a memory map.

        Of images in several arrays it is a copy on the host.
        """
        parts = [array[_evenly(rows)] for array, rows in self._places(level, self._rows)]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([p.cpu() if isinstance(p, torch.Tensor) else p for p in parts])

    def _arrays(self, level: int) -> tuple[Array, ...]:
        source = self._source(level)
        if source not in self._levels:
            here = ", ".join(map(str, self.levels))
            raise MissingLevelError(f"level {level} is missing: these features have level {here}")
        return self._levels[source]

    def _source(self, level: int) -> int:
        """Return the level that a level is read from: itself, or the deepest."""
        deepest = max(self._levels)
        absent = level in (GLOBAL, LAST) and level not in self._levels
        return deepest if absent and deepest != GLOBAL else level

    def _places(self, level: int, rows: list[int]) -> list[tuple[Array, list[int]]]:
        """Return where images lie, in their order: arrays, each with its own rows; at least one."""
        arrays = self._arrays(level)
        if len(arrays) == 1 or not rows:
            return [(arrays[0], rows)]
        runs = groupby(rows, lambda row: bisect_right(self._ends, row))
        starts = 0, *self._ends
        return [(arrays[n], [row - starts[n] for row in run]) for n, run in runs]

    def read(
        self,
        level: int,
        images: Sequence[int] | slice | None = None,
        channels: Sequence[int] | slice | None = None,
        lines: slice | None = None,
    ) -> Tensor:
        """Return a level as float32, (n, C, H, W): all of it, or the parts named.

        Args:
            level: the pyramid level, `GLOBAL` or `LAST`.
            images: which images.
            channels: which channels.
            lines: which rows of the grid.

        Raises:
            MissingLevelError: there are no features of that level.
        """
        if level == GLOBAL != self._source(level):
            source = self.read(self._source(level), images, channels)
            return source.mean(dim=(2, 3), keepdim=True)
        rows = self._rows if images is None else _pick(self._rows, images)
        places = self._places(level, rows)
        parts = [self._read(array, numbers, channels, lines) for array, numbers in places]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _read(
        self,
        array: Array,
        rows: list[int],
        channels: Sequence[int] | slice | None,
        lines: slice | None,
    ) -> Tensor:
        part = array[self._index(_evenly(rows), array)]
        part = part if lines is None else part[:, :, lines]
        if channels is not None:
            kept = channels if isinstance(channels, slice) else list(channels)
            part = part[:, self._index(kept, part)]
        if self.device.type == "cuda" and not isinstance(part, torch.Tensor):
            return uploaded(part, self.device).to(torch.float32)
        # memory maps are read-only, which torch can't express: a part that views one is copied
        part = part if isinstance(part, torch.Tensor) or part.flags.writeable else part.copy()
        return torch.as_tensor(part).to(self.device, torch.float32)

    def _index(self, places: list[int] | slice, array: Array) -> list[int] | slice | Tensor:
        """Return places as they index an array: of a GPU's, whose index lies there, pinned."""
        if isinstance(places, slice) or not isinstance(array, torch.Tensor) or not array.is_cuda:
            return places
        return uploaded(np.array(places, np.int64), array.device)

    def shared(self, key: Hashable, make: Callable[[], One]) -> One:
        """Return an artefact, made once for all methods that ask for it with the same key.

        It may be made again at any time, as where memory is short. It must not be changed, but may
        grow, and must not refer to the features.

        Args:
            key: all that it depends on beside these images' features: a name of its own, levels,
                parameters and, where randomness is involved, the generator's state.
            make: makes it, a tensor or anything that has `nbytes`.
        """
        if self._artefacts is None:
            return make()
        return self._artefacts.get((*self._rows, key), make, int(SHARED * self.memory))

    def select(self, images: Sequence[int]) -> Features:
        """Return the same features restricted to `images`, in that order; nothing is copied."""
        return self._copy(_pick(self._rows, images), self.memory)

    def by_array(self) -> list[Features]:
        """Return all images of each array, to `select` from and to add; nothing is copied."""
        ends = pairwise((0, *self._ends))
        return [self._copy(list(range(start, end)), self.memory) for start, end in ends]

    def __add__(self, others: Features) -> Features:
        """Return these images followed by others of the same arrays; nothing is copied.

        Raises:
            ValueError: the others are of other arrays.
        """
        if others._levels is not self._levels:
            raise ValueError("only images of the same arrays can follow each other")
        return self._copy(self._rows + others._rows, self.memory)

    def within(self, memory: int) -> Features:
        """Return the same features with another budget of memory; nothing is copied."""
        if self._artefacts is not None:
            self._artefacts.trim(int(SHARED * memory))
        return self._copy(self._rows, memory)

    def _copy(self, rows: list[int], memory: int) -> Features:
        features = copy(self)
        features._rows, features.memory = rows, memory
        return features

    def batches(self, size: int) -> Iterator[slice]:
        """Yield consecutive slices of at most `size` images that cover all of them."""
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))


def _evenly(rows: list[int]) -> list[int] | slice:
    """Return a slice where the rows are evenly spaced: it is read without gathering them."""
    step = rows[1] - rows[0] if len(rows) > 1 else 1
    if rows and step > 0 and rows == list(range(rows[0], rows[-1] + 1, step)):
        return slice(rows[0], rows[-1] + 1, step)
    return rows


def _pick(rows: list[int], images: Sequence[int] | slice) -> list[int]:
    return rows[images] if isinstance(images, slice) else [rows[i] for i in images]

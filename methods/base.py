"""What a method is: the features it is given, the scores it returns, the parameters it declares."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

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

COMPARABLE = 1e-16, 1e16
"""Magnitudes whose squared distances neither vanish nor overflow in float32."""

SHARED = 1 / 4
"""Share of the memory that artefacts of all methods may take together."""

MEMORY = 8 << 30
"""Bytes that a method may fill with caches and blocks, where nobody says how many."""

State = Mapping[str, Any]
"""What a fitted method scores by: name → a tensor or an array, or what JSON holds."""


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


@dataclass(frozen=True)
class Scores:
    """What a method says of N images; higher is more anomalous, on the method's own scale.

    Attributes:
        maps: anomaly maps on the method's own grid, (N, h, w), float32, neither upsampled nor
            smoothed: the harness does both, the same for every method. Several maps on different
            grids are upsampled each and averaged. None of a method that judges whole images.
        images: image scores, (N,); None where the image score is the maximum of the finished map.
            Of padded images maxima are taken within the image: of the finished map, and of the
            method's own where its image scores are that map's maxima.
    """

    maps: Tensor | tuple[Tensor, ...] | None
    images: Tensor | None = None

    @property
    def grids(self) -> tuple[Tensor, ...]:
        """The maps of an image: none, one or several."""
        if self.maps is None:
            return ()
        return self.maps if isinstance(self.maps, tuple) else (self.maps,)


class Method(Protocol):
    """An anomaly detector over backbone features."""

    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Learn what nominal images look like; all randomness comes from `generator`."""

    def score(self, features: Features) -> Scores:
        """Score images.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: the features hold NaN or infinite values.
        """


@runtime_checkable
class Storable(Method, Protocol):
    """A method whose fitted state can be had, and given to an unfitted one: both are optional."""

    def state(self) -> State:
        """Return all that scores depend on, beside the parameters.

        Its bytes (`state_bytes`) are the fitted method's: memory-mapped features that it refers to
        are included, and what is made of the state to save time isn't.

        Raises:
            NotFittedError: `fit` was not called.
        """

    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state; scores are equal to the last digit.

        Args:
            state: from `state`, or equal.
            device: where it will score.
            memory: bytes there for caches and blocks; changes no result.
        """


class Parameters(Protocol):
    """A method's parameters: a frozen dataclass that says what it reads and makes the method."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels that the method reads: 1 (stride 4) to 4 (stride 32), `GLOBAL`, `LAST`."""

    def create(self) -> Method:
        """Return an unfitted method with these parameters."""


@dataclass(frozen=True)
class Variant:
    """A method under its public name, overrides included: `patchcore-25[patch_size=5]`."""

    name: str
    parameters: Parameters


Default = TypeVar("Default")


def later(default: Default, unset: Default | None = None) -> Default:
    """Declare a field of a dataclass that came after numbers had been stored without it.

    `search: str = later("screened")`: at its default the field is left out of the identity, so
    that what was stored before keeps its key. The default stands for what was done before there
    was the field, and never changes.

    Args:
        default: the value that the identity leaves out.
        unset: what the field holds where nobody gave it, if its class then derives the value from
            other fields; None for the default.
    """
    return field(default=default if unset is None else unset, metadata={"later": default})


def identity(value: Any) -> Any:
    """Return what is hashed of parameters or of a specification: its fields as JSON-ready values.

    Dataclasses, nested ones too, become dictionaries without the `later` fields at their default.
    """
    if is_dataclass(value):
        named = [(part, getattr(value, part.name)) for part in fields(value)]
        return {
            part.name: identity(content)
            for part, content in named
            if not ("later" in part.metadata and content == part.metadata["later"])
        }
    if isinstance(value, Mapping):
        return {key: identity(content) for key, content in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(map(identity, value))
    return value


class NotFittedError(ValueError):
    """A method was asked for scores before it was fitted."""


def require_fitted(learnt: Default | None, call: str) -> Default:
    """Return what a method has learnt; raise NotFittedError, naming the call, where it is None."""
    if learnt is None:
        raise NotFittedError(f"{call} was called before fit")
    return learnt


def require_inputs(features: Features, generator: torch.Generator) -> None:
    """Raise TypeError or ValueError, with the remedy, where these are not what `fit` takes."""
    if not isinstance(features, Features):
        kind = type(features).__name__
        raise TypeError(f"features are of type {kind}: pass methods.Features({{level: array}})")
    if not len(features):
        raise ValueError("there are no images to fit to: features hold 0")
    if not isinstance(generator, torch.Generator):
        seeded = f".manual_seed({generator})" if isinstance(generator, int) else ""
        kind = type(generator).__name__
        raise TypeError(f"the generator is of type {kind}: pass torch.Generator(){seeded}")


def state_bytes(state: State) -> int:
    """Return the bytes of a fitted method, by its state: those of its tensors and arrays."""
    return sum(getattr(value, "nbytes", 0) for value in state.values())


def require_finite(tensor: Tensor, what: str) -> Tensor:
    """Return `tensor`; raise ValueError where it holds NaN or infinity, which no rank survives."""
    extremes = torch.stack(tensor.aminmax()) if tensor.numel() else tensor  # NaN is one of them
    if not bool(torch.isfinite(extremes).all()):
        raise ValueError(f"{what} hold NaN or infinite values")
    return tensor


def require_comparable(tensor: Tensor, what: str) -> Tensor:
    """Return `tensor`; raise ValueError where distances can't be computed of it in float32.

    That is where it holds NaN or infinity, where it is too large, and where all of it is so small
    that squares vanish, unless all is 0.
    """
    least, most = COMPARABLE
    low, high = torch.stack(tensor.aminmax()).tolist() if tensor.numel() else (0.0, 0.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{what} hold NaN or infinite values")
    largest = max(-low, high)
    if largest > most:
        raise ValueError(
            f"{what} of up to {largest:.1g} are too large: scale them to below {most:g}"
        )
    if 0 < largest < least:
        raise ValueError(
            f"{what} of {largest:.1g} at most are too small: scale them to {least:g} on"
        )
    return tensor

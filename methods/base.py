"""What a method is: the features it is given, the scores it returns, the parameters it declares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

from methods.features import GLOBAL, LAST, MEMORY, Features, MissingLevelError
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = (
    "COMPARABLE", "GLOBAL", "LAST", "MEMORY", "Features", "Method", "MissingLevelError",
    "NotFittedError", "Parameters", "Scores", "State", "Storable", "Variant", "identity", "later",
    "require_comparable", "require_finite", "require_fitted", "require_inputs", "state_bytes",
)  # fmt: skip

COMPARABLE = 1e-16, 1e16
"""Magnitudes whose squared distances neither vanish nor overflow in float32."""

State = Mapping[str, Any]
"""What a fitted method scores by: name → a tensor or an array, or what JSON holds."""


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

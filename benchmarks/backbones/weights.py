"""Checkpoint files: their checksum, their tensors, and a network that takes all of them."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import WeightsError
from methods.lazy import Tensor, nn, torch

State = Mapping[str, Tensor]


CLASSIFIER = ("fc.", "classifier.", "head.")
"""Parameters that no pyramid level reads, so a checkpoint may lack them or have other classes."""

_SHOWN = 4
"""A message lists at most so many names of a kind."""

PREFIXES = ("_orig_mod.", "module.", "model.", "backbone.")
"""How names begin in checkpoints of torch.compile, DataParallel, Lightning and others."""

OLD_DENSENET_KEY = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")
"""torchvision's own DenseNet files still say `norm.1.weight` for what is now `norm1.weight`."""


@dataclass(frozen=True)
class _Misfit:
    """What keeps a state dict from being a network's.

    Attributes:
        missing: the network's parameters that it lacks.
        unexpected: what it holds that is none of the network's.
        misshapen: what is of another shape, in words.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    def __str__(self) -> str:
        """Say what was expected and what the file has instead, in one line."""
        kinds = (
            ("missing ", self.missing),
            ("unexpected ", self.unexpected),
            ("", self.misshapen),
        )
        return "; ".join(kind + _some(names) for kind, names in kinds if names)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def checksum(file: Path) -> str:
    """Return the sha256 of a file's content, in hex.

    Raises:
        WeightsError: the file is missing or can't be read.
    """
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        raise WeightsError(f"there is no weights file {file}") from None
    except OSError as error:
        raise WeightsError(f"can't read the weights file {file}: {error.strerror}") from error


def read_state(file: Path) -> State:
    """Return the state dict of a checkpoint, name → tensor on the CPU.

    It may be the file itself or lie under one name, such as "state_dict" or "model". A prefix of
    `PREFIXES` that all its names share is taken off.

    Raises:
        WeightsError: the file is no checkpoint, holds code, no state dict, or several.
    """
    content = _load_safetensors(file) if file.suffix == ".safetensors" else _load_torch(file)
    places = content if isinstance(content, Mapping) else {}
    states = {str(name): tensors for name, inner in places.items() if (tensors := _tensors(inner))}
    state = _tensors(content)
    if not state and len(states) == 1:
        (state,) = states.values()
    if not state:
        kind = "several state dicts" if states else "no state dict"
        names = ", ".join(states or map(str, places))
        raise WeightsError(
            f"{file} holds {kind}{names and f' ({names})'}: save one alone with "
            "torch.save(net.state_dict(), FILE)"
        )
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in state)), ""):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return {OLD_DENSENET_KEY.sub(r"\1\2", name): value for name, value in state.items()}


def _tensors(content: Any) -> dict[str, Tensor]:
    """Return name → tensor of a mapping; empty for anything else."""
    pairs = content.items() if isinstance(content, Mapping) else ()
    return {str(name): value for name, value in pairs if isinstance(value, torch.Tensor)}


def _load_torch(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error):
            message = f"{file} holds pickled code, which is not run: save its state_dict() alone"
            raise WeightsError(message) from error
        raise WeightsError(f"{file} is not a checkpoint that torch can read") from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(f"{file} is not a checkpoint that torch can read") from error


def _load_safetensors(file: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file, device="cpu")
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{file} is not a safetensors file") from error


def install(
    network: nn.Module,
    state: State,
    file: Path,
    layers: Collection[str],
    runs: Callable[[], bool],
) -> None:
    """Set the parameters of `network` from a state dict.

    It may lack only what no layer depends on: a classifier, stages behind the last layer. Such
    parameters become NaN, which would show in all that they touch.

    Args:
        network: takes the values.
        state: as `read_state` returns it.
        file: where it is from, for the message.
        layers: the modules that will be read; a classifier may differ only if none is in it.
        runs: whether what the layers give is free of NaN.

    Raises:
        WeightsError: the state dict doesn't fit, or holds NaN or infinity.
    """
    misfit = _misfit(network, state, layers)
    _set(network, state)
    lacks = bool(misfit.missing or misfit.misshapen)
    if misfit.unexpected or (lacks and not runs()):
        kind = type(network).__name__
        raise WeightsError(f"{file} doesn't fit {kind}, whose own state dict is wanted: {misfit}")
    for name, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise WeightsError(f"{file} holds NaN or infinity in {name}: it can't be used")


def missing_tail(network: nn.Module, state: State) -> tuple[str, ...]:
    """Return the parameters missing from a checkpoint that ends before this network does.

    Empty where the checkpoint isn't the beginning of this network: it holds parameters that are
    unknown to it or, but for a classifier's, of another shape.

    Args:
        network: only the names and shapes of its parameters are looked at.
        state: as `read_state` returns it.
    """
    misfit = _misfit(network, state, ())
    fits = all(name.startswith(CLASSIFIER) for name in misfit.misshapen)
    return misfit.missing if fits and not misfit.unexpected else ()


def _set(network: nn.Module, state: State) -> None:
    """Set what a state dict has, and make NaN of the rest."""
    values = {}
    for name, initial in network.state_dict().items():
        stored = state.get(name)
        if stored is not None and stored.shape == initial.shape:
            values[name] = stored
        elif _is_read(name) and initial.is_floating_point():
            values[name] = torch.full_like(initial, float("nan"))
    network.load_state_dict(values, strict=False)


def _misfit(network: nn.Module, state: State, layers: Collection[str]) -> _Misfit:
    classifier_read = any(f"{layer}.".startswith(CLASSIFIER) for layer in layers)
    spare = () if classifier_read else CLASSIFIER
    expected = {name: value for name, value in network.state_dict().items() if _is_read(name)}
    return _Misfit(
        missing=tuple(name for name in expected if name not in state),
        unexpected=tuple(
            name
            for name in state
            if name not in expected and _is_read(name) and not name.startswith(spare)
        ),
        misshapen=tuple(
            f"{name} is {tuple(state[name].shape)}, not {tuple(value.shape)}"
            for name, value in expected.items()
            if name in state and state[name].shape != value.shape
        ),
    )


def _is_read(name: str) -> bool:
    """Whether evaluation reads a parameter: only training reads the counters of batches.

    Old checkpoints lack them.
    """
    return not name.endswith("num_batches_tracked")

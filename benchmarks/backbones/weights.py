"""Checkpoint files: their checksum, their tensors, and a network that takes all of them."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import WeightsError
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


CLASSIFIER = ("fc.", "classifier.", "head.")
"""Parameters that no pyramid level reads, so a checkpoint may lack them or have other classes."""

_SHOWN = 4
"""Names of a kind that a message shows."""

WRAPPERS = ("_orig_mod.", "module.", "model.", "backbone.")
"""How names begin in checkpoints of torch.compile, DataParallel, Lightning and others."""

OLD_DENSENET_KEY = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")
"""torchvision's own DenseNet files still say `norm.1.weight` for what is now `norm1.weight`."""


@dataclass(frozen=True)
class Reading:
    """One way to read a checkpoint.

    Attributes:
        place: where its tensors lie and what their names lose, for people.
        state: name → tensor, on the CPU.
    """

    place: str
    state: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Misfit:
    """What keeps a state dict from being a network's.

    Attributes:
        missing: the network's parameters that it lacks.
        unexpected: what it holds that is none of the network's.
        others: what is of another shape, in words.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def lacking(self) -> bool:
        return bool(self.missing or self.others)

    @property
    def size(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.others)

    def __str__(self) -> str:
        """Say what was wanted and what was found instead, in one line."""
        kinds = ("missing ", self.missing), ("unexpected ", self.unexpected), ("", self.others)
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


def readings(file: Path) -> list[Reading]:
    """Return every way to read a checkpoint: its state dicts, by the beginnings of their names.

    A state dict may lie under any name, such as "state_dict", "model" or "state_dict_ema", on the
    CPU; its own names may begin with what wraps a network, such as "module." or "_orig_mod.".

    Raises:
        WeightsError: the file is no checkpoint, holds code, or no state dict.
    """
    content = _load_safetensors(file) if file.suffix == ".safetensors" else _load_torch(file)
    found = [
        Reading(", ".join(filter(None, (place, prefix and f"without {prefix}"))), state)
        for place, tensors in _state_dicts(content)
        for prefix, state in _without_prefixes(tensors).items()
    ]
    if not found:
        names = ", ".join(map(str, content)) if isinstance(content, Mapping) else ""
        raise WeightsError(
            f"{file} holds no state dict{f', but {names}' if names else ''}: save one with "
            "torch.save(net.state_dict(), FILE)"
        )
    return found


def _state_dicts(content: Any, place: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield the tensors in a checkpoint and in what it holds, by where they are, two deep."""
    if not isinstance(content, Mapping):
        return
    tensors = {str(name): one for name, one in content.items() if isinstance(one, torch.Tensor)}
    if tensors:
        yield place, tensors
    for name, inner in content.items():
        if place.count(".") < 1:
            yield from _state_dicts(inner, f"{place}.{name}" if place else str(name))


def _without_prefixes(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return beginning of names → the tensors whose names begin so, without it."""
    prefixes = {""}
    for name in tensors:
        begun = ""
        while more := next((one for one in WRAPPERS if name.startswith(begun + one)), None):
            begun += more
            prefixes.add(begun)
    return {
        prefix: {
            OLD_DENSENET_KEY.sub(r"\1\2", name.removeprefix(prefix)): value
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
        for prefix in sorted(prefixes)
    }


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
    found: Sequence[Reading],
    file: Path,
    layers: Collection[str],
    runs: Callable[[], bool],
) -> None:
    """Set the parameters of `network` from the one reading that fits it.

    It may lack only what no layer depends on: a classifier, stages behind the last layer. Such
    parameters become NaN, which would show in all that they touch.

    Args:
        network: takes the values.
        found: as `readings` returns them.
        file: where they are from, for the message.
        layers: the modules that will be read; a classifier may differ only if none is in it.
        runs: whether what the layers give is free of NaN.

    Raises:
        WeightsError: no reading fits, several that differ do, or it holds NaN or infinity.
    """
    misfits = {number: _misfit(network, one.state, layers) for number, one in enumerate(found)}
    fits = []
    for number, misfit in misfits.items():
        if not misfit.unexpected and (not misfit.lacking or _runs(network, found, number, runs)):
            fits.append(found[number])
    if not fits:
        closest = min(misfits, key=lambda number: misfits[number].size)
        where = f" ({found[closest].place})" if found[closest].place else ""
        kind = type(network).__name__
        raise WeightsError(f"{file}{where} doesn't fit {kind}: {misfits[closest]}")
    chosen = fits[0]
    if any(not _equal(chosen.state, other.state) for other in fits[1:]):
        places = " and ".join(one.place or "the file itself" for one in fits)
        raise WeightsError(
            f"{file} holds several state dicts that fit {type(network).__name__} and differ: "
            f"{places}; save the one that is meant alone"
        )
    for name, value in chosen.state.items():
        if not bool(torch.isfinite(value).all()):
            raise WeightsError(f"{file} holds NaN or infinity in {name}: it can't be used")
    _set(network, chosen.state)


def lacking(network: nn.Module, found: Sequence[Reading]) -> tuple[str, ...]:
    """Return the parameters that a beginning of this network lacks to be whole.

    None where the checkpoint is not such a beginning: what is in it is unknown to the network, or,
    but for a classifier, of another shape.

    Args:
        network: only the names and shapes of its parameters are looked at.
        found: as `readings` returns them.
    """
    misfits = [_misfit(network, one.state, ()) for one in found]
    begun = [
        misfit.missing
        for misfit in misfits
        if not misfit.unexpected and all(one.startswith(CLASSIFIER) for one in misfit.others)
    ]
    return min(begun, key=len, default=())


def _runs(
    network: nn.Module, found: Sequence[Reading], number: int, runs: Callable[[], bool]
) -> bool:
    """Whether the layers need nothing that a reading lacks."""
    _set(network, found[number].state)
    return runs()


def _set(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Set what a state dict has, and make NaN of the rest."""
    values = {}
    for name, own in network.state_dict().items():
        given = state.get(name)
        if given is not None and given.shape == own.shape:
            values[name] = given
        elif _needed(name, ()) and own.is_floating_point():
            values[name] = torch.full_like(own, float("nan"))
    network.load_state_dict(values, strict=False)


def _misfit(network: nn.Module, state: Mapping[str, Tensor], layers: Collection[str]) -> _Misfit:
    spare = () if any(f"{layer}.".startswith(CLASSIFIER) for layer in layers) else CLASSIFIER
    own = {name: value for name, value in network.state_dict().items() if _needed(name, ())}
    given = {name: value for name, value in state.items() if _needed(name, ())}
    return _Misfit(
        missing=tuple(name for name in own if name not in given),
        unexpected=tuple(name for name in given if name not in own and _needed(name, spare)),
        others=tuple(
            f"{name} is {tuple(given[name].shape)}, not {tuple(value.shape)}"
            for name, value in own.items()
            if name in given and given[name].shape != value.shape
        ),
    )


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def _needed(name: str, spare: tuple[str, ...]) -> bool:
    """Old checkpoints lack the counters of batches, which only training reads."""
    return not name.startswith(spare) and not name.endswith("num_batches_tracked")

"""Checkpoint files: their checksum, their tensors, and a network that takes all of them."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import WeightsError
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


CLASSIFIER = ("fc.", "classifier.", "head.")
"""Parameters that no pyramid level reads, so a checkpoint may lack them or have other classes."""

OLD_DENSENET_KEY = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")
"""torchvision's own DenseNet files still say `norm.1.weight` for what is now `norm1.weight`."""


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


def read(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, on the CPU.

    The state dict may lie under "state_dict" or "model", its names may begin with "module.".

    Raises:
        WeightsError: the file is no checkpoint, holds code, no state dict, NaN or infinity.
    """
    content = _load_safetensors(file) if file.suffix == ".safetensors" else _load_torch(file)
    for wrapper in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = content.items() if isinstance(content, Mapping) else ()
    state = {
        OLD_DENSENET_KEY.sub(r"\1\2", str(name).removeprefix("module.")): value
        for name, value in tensors
        if isinstance(value, torch.Tensor)
    }
    if not state:
        raise WeightsError(
            f"{file} holds no state dict: save one with torch.save(net.state_dict())"
        )
    for name, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise WeightsError(f"{file} holds NaN or infinity in {name}: it can't be used")
    return state


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
    network: nn.Module, state: Mapping[str, Tensor], file: Path, layers: Collection[str]
) -> None:
    """Set all parameters of `network` from `state`; only its classifier may differ.

    Args:
        network: takes the values.
        state: as `read` returns them.
        file: where they are from, for the message.
        layers: the modules that will be read; the classifier is spared only if none is in it.

    Raises:
        WeightsError: parameters are missing, left over, or have another shape.
    """
    spare = () if any(f"{layer}.".startswith(CLASSIFIER) for layer in layers) else CLASSIFIER
    own = {name: value for name, value in network.state_dict().items() if _needed(name, spare)}
    given = {name: value for name, value in state.items() if _needed(name, spare)}
    problems = [f"missing {name}" for name in own if name not in given]
    problems += [f"unexpected {name}" for name in given if name not in own]
    problems += [
        f"{name} is {tuple(given[name].shape)}, not {tuple(value.shape)}"
        for name, value in own.items()
        if name in given and given[name].shape != value.shape
    ]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise WeightsError(
            f"{file} doesn't fit {type(network).__name__}: {', '.join(problems[:5])}{more}"
        )
    network.load_state_dict(given, strict=False)


def _needed(name: str, spare: tuple[str, ...]) -> bool:
    """Old checkpoints lack the counters of batches, which only training reads."""
    return not name.startswith(spare) and not name.endswith("num_batches_tracked")

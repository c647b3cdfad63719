"""Detectors in files: a method's state as safetensors, with all that its scores depend on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.backbones.choice import Choice
from benchmarks.backbones.loading import describe
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.evaluation.provenance import versions
from benchmarks.files import atomic_file
from benchmarks.specs import DECODER_VERSION, EXTRACTOR_VERSION, CellSpec, canonical_json, flat
from methods import resolve
from methods.base import Method, State, Storable, identity
from methods.lazy import torch

PART = "total_recall_detector"
"""What of a file's metadata describes the detector."""


def save(file: Path, method: Method, spec: CellSpec, choice: Choice) -> None:
    """Write a fitted method with its specification and the choice of its backbone.

    Raises:
        BenchmarkError: the method has no state, or the file can't be written.
    """
    from safetensors.torch import save_file

    if not isinstance(method, Storable):
        raise BenchmarkError(f"{spec.method} has no `state` and `from_state`: it can't be saved")
    state = dict(method.state())
    tensors = {
        name: torch.as_tensor(value).cpu().contiguous()
        for name, value in state.items()
        if hasattr(value, "nbytes")
    }
    description = {
        "spec": spec.as_dict(),
        "versions": _versions(),
        "weights": choice.weights and str(choice.weights.absolute()),
        "layers": choice.layers,
        "plain": {name: value for name, value in state.items() if name not in tensors},
    }
    with atomic_file(file) as opened:
        save_file(tensors, opened.name, {PART: canonical_json(description)})


def read(file: Path, weights: Path | None) -> tuple[CellSpec, Choice, State]:
    """Return what a file holds; arguments and errors as of `load_detector`."""
    tensors, description = _read(file)
    try:
        spec = CellSpec.from_dict(description["spec"])
        before, plain = {**spec.as_dict(), **description["versions"]}, description["plain"]
        named, layers = description["weights"], description["layers"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BenchmarkError(
            f"{file}: saved by another version of this program; fit it again"
        ) from error
    backbone = spec.protocol.backbone
    path = weights or (Path(named) if named else None)
    choice = Choice(backbone.name, path, layers and tuple(layers))
    same = replace(describe(choice, download=True), weights=backbone.weights)  # may be moved
    here = replace(
        spec,
        params=identity(resolve(spec.method).parameters),
        protocol=replace(spec.protocol, backbone=same),
    )
    _require_same(file, before, {**here.as_dict(), **_versions()})
    return spec, choice, tensors | plain


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a file's tensors and its description."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:
            description = json.loads((opened.metadata() or {})[PART])
            return {name: opened.get_tensor(name) for name in [*opened.keys()]}, description
    except OSError as error:
        raise StorageError(f"{file}: can't be read ({error.strerror or error})") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise BenchmarkError(
            f"{file}: no detector, or a damaged one; save it again with Detector.save"
        ) from error


def _versions() -> dict[str, str]:
    return versions() | {"decoder": str(DECODER_VERSION), "extractor": str(EXTRACTOR_VERSION)}


def _require_same(file: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise BenchmarkError where what a detector was saved with isn't what is here."""
    saved, here = (dict(flat(json.loads(canonical_json(side)))) for side in (before, now))
    for name in sorted({*saved, *here}):
        if saved.get(name) != here.get(name):
            raise BenchmarkError(
                f"{file}: saved with {name} {saved.get(name, 'none')}, and here is "
                f"{here.get(name, 'none')}: fit it again, or bring back what it was saved with"
            )

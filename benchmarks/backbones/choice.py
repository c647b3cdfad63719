"""Backbones on the command line: NAME[weights=FILE,layers=a+b+c+d], several joined by +."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.places import written_path
from benchmarks.specs import BackboneSpec

_OUTSIDE_BRACKETS = r"(?![^\[]*\])"

_CHOICE = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<overrides>[^\[\]]*)\])?")


@dataclass(frozen=True)
class Choice:
    """A backbone, its weights and its layers; None for the published weights, the usual layers."""

    name: str
    weights: Path | None = None
    layers: tuple[str, ...] | None = None


def split(text: str) -> list[str]:
    """Split a comma-separated list of backbones at the commas outside brackets."""
    parts = re.split(f",{_OUTSIDE_BRACKETS}", text)
    return [part.strip() for part in parts if part.strip()]


def parse(text: str) -> tuple[Choice, ...]:
    """Return the backbones that `text` names: several, joined by +, are an ensemble.

    Raises:
        BenchmarkError: it is not of the form NAME[weights=FILE,layers=a+b+c+d].
    """
    return tuple(_parse(part) for part in re.split(rf"\+{_OUTSIDE_BRACKETS}", text))


def choices(
    named: str, weights: Path | None, layers: str | Sequence[str] | None
) -> tuple[Choice, ...]:
    """Return the backbones that `named` names, a single one with its weights and layers.

    Raises:
        BenchmarkError: as `parse`; or weights or layers are of several.
    """
    members = parse(named)
    if weights is None and layers is None:
        return members
    if len(members) > 1 or "[" in named:
        raise BenchmarkError(
            f"--weights and --layers are of one backbone, not of {named}: write "
            "NAME[weights=FILE,layers=a+b+c+d] for each"
        )
    if layers is not None:
        names = layers.split(",") if isinstance(layers, str) else layers
        layers = tuple(name.strip() for name in names)
    return (Choice(members[0].name, weights, layers),)


def _parse(text: str) -> Choice:
    match = _CHOICE.fullmatch(text.strip())
    pairs = (match["overrides"] or "").split(",") if match else []
    given = {key.strip(): value.strip() for key, _, value in (p.partition("=") for p in pairs if p)}
    if match is None or not set(given) <= {"weights", "layers"} or not all(given.values()):
        raise BenchmarkError(
            f"backbone {text!r} is not of the form NAME or NAME[weights=FILE,layers=a+b+c+d]"
        )
    weights, layers = given.get("weights"), given.get("layers")
    return Choice(
        match["name"].strip(),
        written_path(weights) if weights else None,
        tuple(layers.split("+")) if layers else None,
    )


def ensemble_spec(members: Sequence[BackboneSpec]) -> BackboneSpec:
    """Return an ensemble's specification: each field its members' in order, joined by +.

    It has the levels that all members have.
    """
    if len(members) == 1:
        return members[0]
    levels = sorted(set.intersection(*(set(member.layers) for member in members)))
    return BackboneSpec(
        name="+".join(member.name for member in members),
        weights="+".join(member.weights for member in members),
        weights_sha256="+".join(member.weights_sha256 for member in members),
        layers={level: "+".join(member.layers[level] for member in members) for level in levels},
    )


def without_overrides(backbone: str) -> str:
    """Return a backbone, or an ensemble joined by +, without the overrides in brackets."""
    return re.sub(r"\[[^\]]*\]", "", backbone)

"""The registry: public names of methods, and methods made from names.

A module in this folder registers the variants in its `VARIANTS` table. Another package registers
each of its variants through an entry point in the group `total_recall.methods`, whose name is the
public name and whose value is the table that holds it: `my-method = "my_package.module:VARIANTS"`.
"""

from __future__ import annotations

import difflib
import importlib
import math
import pkgutil
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from methods.base import Method, Parameters, Variant

ENTRY_POINTS = "total_recall.methods"
_SPECIFICATION = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<overrides>[^\[\]]*)\])?")


class MethodNameError(ValueError):
    """A method's name or parameters that can't be understood; the message is one line."""


def names() -> tuple[str, ...]:
    """Return the public names of all variants, the project's own first."""
    return tuple(_registry())


def resolve(specification: str) -> Variant:
    """Return the variant that `name` or `name[parameter=value,…]` stands for.

    Overrides that repeat the variant's own values are dropped from its name and the others sorted,
    so that one set of parameters has one name.

    Raises:
        MethodNameError: unknown name, unknown parameter, or a value that is not allowed.
    """
    match = _SPECIFICATION.fullmatch(specification.strip())
    if match is None:
        raise MethodNameError(f"{specification!r} is not of the form name or name[parameter=value]")
    registry = _registry()
    name = match["name"].strip()
    if name not in registry:
        raise MethodNameError(_unknown("method", name, registry))
    base = registry[name]()
    overrides = _overrides(name, base, match["overrides"] or "")
    try:
        parameters = replace(base, **overrides)
    except ValueError as error:
        raise MethodNameError(f"{specification}: {error}") from None
    kept = [k for k in sorted(overrides) if getattr(base, k) != getattr(parameters, k)]
    suffix = ",".join(f"{key}={_shown(getattr(parameters, key))}" for key in kept)
    return Variant(f"{name}[{suffix}]" if suffix else name, parameters)


def create(specification: str) -> Method:
    """Return an unfitted method for `name` or `name[parameter=value,…]`; raises as `resolve`."""
    return resolve(specification).parameters.create()


def split(specifications: str) -> list[str]:
    """Split a comma-separated list of specifications at the commas outside brackets."""
    parts = re.split(r",(?![^\[]*\])", specifications)
    return [part.strip() for part in parts if part.strip()]


@cache
def _registry() -> dict[str, Callable[[], Parameters]]:
    """Return name → loader of its parameters; other packages are not imported before use."""
    loaders: dict[str, Callable[[], Parameters]] = {}
    origins: dict[str, str] = {}

    def register(name: str, loader: Callable[[], Parameters], origin: str) -> None:
        if name in loaders:
            raise MethodNameError(f"{name!r} is registered by both {origins[name]} and {origin}")
        loaders[name], origins[name] = loader, origin

    for module_info in pkgutil.iter_modules([str(Path(__file__).parent)], "methods."):
        module = importlib.import_module(module_info.name)
        variants: Mapping[str, Parameters] = getattr(module, "VARIANTS", {})
        for name, parameters in variants.items():
            register(name, partial(_same, parameters), module.__name__)
    for point in entry_points(group=ENTRY_POINTS):
        register(point.name, partial(_load, point), point.value)
    return loaders


def _same(parameters: Parameters) -> Parameters:
    return parameters


def _load(point: EntryPoint) -> Parameters:
    """Import another package's table and return what it says of the entry point's name."""
    try:
        parameters: Parameters = point.load()[point.name]
    except (ImportError, AttributeError, KeyError, TypeError) as error:
        raise MethodNameError(f"{point.name}: {point.value} can't be loaded ({error})") from None
    return parameters


def _overrides(name: str, base: Parameters, text: str) -> dict[str, Any]:
    hints = typing.get_type_hints(type(base))
    known = {field.name: hints[field.name] for field in fields(base)}
    overrides: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise MethodNameError(f"{name}: {item!r} is not of the form parameter=value")
        if key not in known:
            raise MethodNameError(_unknown(f"parameter of {name}", key, known))
        try:
            overrides[key] = _parse(value, known[key])
        except ValueError:
            kind = getattr(known[key], "__name__", str(known[key]))
            raise MethodNameError(f"{name}: {key}={value} is not of type {kind}") from None
    return overrides


def _parse(text: str, kind: Any) -> Any:
    """Return `text` as `kind`: bool, int, finite float, str, or integers written 1+2+3."""
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if typing.get_origin(kind) is tuple:
        return tuple(int(part) for part in text.split("+"))
    if kind not in (int, float, str):
        raise ValueError(text)
    value = kind(text)
    if kind is float and not math.isfinite(value):
        raise ValueError(text)
    return value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"unknown {what} {name!r}: {hint}known are {', '.join(known)}"

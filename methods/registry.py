"""The registry: public names of methods, and methods made from names.

A module in this folder registers the variants in its `VARIANTS` table; one that has none isn't
imported. Another package registers each of its variants through an entry point in the group
`total_recall.methods`, whose name is the public name and whose value is the table that holds it:
`my-method = "my_package.module:VARIANTS"`.

What can't be imported, or takes a name that is taken, is left out and named by `problems`.
"""

from __future__ import annotations

import difflib
import importlib
import math
import re
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from methods.base import Method, Parameters, Variant
from methods.lazy import metadata

ENTRY_POINTS = "total_recall.methods"
_SPECIFICATION = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<overrides>[^\[\]]*)\])?")


class MethodNameError(ValueError):
    """A method's name or parameters that can't be understood; the message is one line."""


def names() -> tuple[str, ...]:
    """Return the public names of all variants, the project's own first."""
    return tuple(_survey()[0])


def problems() -> tuple[str, ...]:
    """Return what was left out, and why, a line each."""
    return _survey()[1]


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
    name = match["name"].strip()
    base = _loader(name)()
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


Loader = Callable[[], Parameters]

_Registration = tuple[str, Loader, str]
"""A public name, what loads its parameters, and where that is from."""


def _loader(name: str) -> Loader:
    """Return what loads a method's parameters, importing no more than the files that name it."""
    for key, loader, _ in _built_in([], name):
        if key == name:
            return loader
    registry, _ = _survey()
    if name not in registry:
        raise MethodNameError(_unknown("method", name, registry))
    return registry[name]


@cache
def _survey() -> tuple[dict[str, Loader], tuple[str, ...]]:
    """Return name → loader of its parameters, and what was left out.

    Other packages are not imported before use. A name of the project's own is nobody else's; one
    that several others take is an error where it is asked for, since it could mean either.
    """
    wrong: list[str] = []
    loaders: dict[str, Loader] = {}
    origins: dict[str, str] = {}
    built_in = list(_built_in(wrong))
    for name, loader, origin in (*built_in, *_installed(wrong)):
        if origin == origins.setdefault(name, origin):
            loaders[name] = loader
            continue
        both = f"{name!r} is registered by both {origins[name]} and {origin}"
        if any(name == taken for taken, *_ in built_in):
            wrong.append(f"{both}, which is left out")
        else:
            wrong.append(f"{both}: uninstall one of them")
            loaders[name] = partial(_refuse, wrong[-1])
    return loaders, tuple(wrong)


def _built_in(wrong: list[str], mentioned: str = "") -> Iterator[_Registration]:
    """Yield what the modules in this folder register.

    Args:
        wrong: is told which modules can't be imported.
        mentioned: only modules in whose text this stands are imported.
    """
    for path in sorted(Path(__file__).parent.glob("*.py")):
        module, text = f"methods.{path.stem}", path.read_text("utf-8", errors="replace")
        if module == __name__ or "VARIANTS" not in text or mentioned not in text:
            continue
        try:
            variants = getattr(importlib.import_module(module), "VARIANTS", {})
            loaders = [(name, partial(_checked, chosen, name)) for name, chosen in variants.items()]
        except (Exception, SystemExit) as error:  # noqa: BLE001 - somebody's half-written file
            wrong.append(f"{module} can't be imported ({_reason(error)}); left out")
            continue
        for name, loader in loaders:
            yield name, loader, module


def _installed(wrong: list[str]) -> Iterator[_Registration]:
    """Yield what other packages register; where their metadata is broken, say so in `wrong`."""
    try:
        points = list(metadata.entry_points(group=ENTRY_POINTS))
    except Exception as error:  # noqa: BLE001 - any installed package may have broken metadata
        wrong.append(
            f"other packages' methods are left out: unreadable metadata ({_reason(error)})"
        )
        return
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        yield point.name, partial(_load, point), point.value


def _load(point: metadata.EntryPoint) -> Parameters:
    """Import another package's table and return what it says of the entry point's name."""
    try:
        table = point.load()
        parameters = table[point.name]
    except (Exception, SystemExit) as error:
        raise MethodNameError(
            f"{point.name}: {point.value} can't be loaded ({_reason(error)})"
        ) from error
    return _checked(parameters, point.name)


def _checked(parameters: Parameters, name: str) -> Parameters:
    if not is_dataclass(parameters) or not hasattr(parameters, "create"):
        kind = type(parameters).__name__
        raise MethodNameError(f"{name}: registered with a {kind}, not with a method's parameters")
    return parameters


def _refuse(why: str) -> Parameters:
    raise MethodNameError(why)


def _reason(error: BaseException) -> str:
    """Return an error in one line."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _overrides(name: str, base: Parameters, text: str) -> dict[str, Any]:
    hints = typing.get_type_hints(type(base))
    known = {field.name: hints[field.name] for field in fields(base)}
    overrides: dict[str, Any] = {}
    for override in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in override.partition("="))
        if not equals:
            raise MethodNameError(f"{name}: {override!r} is not of the form parameter=value")
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

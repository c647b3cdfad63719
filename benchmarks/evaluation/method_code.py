"""Which code a method is: a hash of its module, and of what that imports of its own package."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from benchmarks.evaluation.provenance import git_sha
from methods.base import Parameters
from methods.lazy import metadata

JUDGED = ("methods.padim", "methods.patchcore", "methods.spade")
"""The project's own methods: its gate compares their numbers with those of the release before."""

INSTALLED = ("site-packages", "dist-packages")
"""Folders in which the files beside a module aren't of its package."""

_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def is_judged(parameters: Parameters) -> bool:
    """Whether a method is the project's own, whose behaviour its tests and its gate hold."""
    return type(parameters).__module__ in JUDGED


def method_code(parameters: Parameters) -> str:
    """Return the hash of a method's code, as hex; empty where no file of it is known.

    Hashed are the syntax trees, without docstrings and comments, of the module that defines the
    parameters and of what its import statements name within its own package. The project's own
    methods may change between releases, which the gate judges: behind theirs stands `@` and the
    project's revision or version, so that only one release's codes are compared.
    """
    code = _hash(type(parameters).__module__)
    return f"{code}@{_release()}" if code and is_judged(parameters) else code


@cache
def _release() -> str:
    """Return the project's revision, modified or not, or its version where it is installed."""
    with suppress(metadata.PackageNotFoundError):
        return git_sha().removesuffix("-dirty") or metadata.version("total-recall-bench")
    return ""


@cache
def _hash(module: str) -> str:
    digests: dict[str, str] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        path = None if name in digests else _file(name, module.partition(".")[0])
        if path is not None:
            package = name if path.stem == "__init__" else name.rpartition(".")[0]
            digests[name], imported = _read(path, package)
            pending += imported
    text = repr(sorted(digests.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if digests else ""


def _file(name: str, top: str) -> Path | None:
    """Return the file of a module, if it lies in the package `top`, or beside the module `top`."""
    first, *rest = name.split(".")
    owner = sys.modules.get(top)
    stems = [Path(folder, *rest) for folder in getattr(owner, "__path__", ()) if first == top]
    file = getattr(owner, "__file__", None)
    if file and not hasattr(owner, "__path__"):
        folder = Path(file).parent
        stems = [folder.joinpath(first, *rest)] * (first == top or folder.name not in INSTALLED)
    files = (file for stem in stems for file in (stem / "__init__.py", stem.with_suffix(".py")))
    return next((file for file in files if file.is_file()), None)


@cache
def _read(path: Path, package: str) -> tuple[str, tuple[str, ...]]:
    """Return a file's hash, and what it may import; `package` is that of its relative names."""
    content, imported = path.read_bytes(), list[str]()
    with suppress(SyntaxError, ValueError, RecursionError):  # half-written, or nested too deeply
        tree = ast.parse(content)
        for node in ast.walk(tree):
            imported += _imported(node, package)
            if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False):
                del node.body[0]
        content = ast.unparse(tree).encode()  # unlike `ast.dump` alike in several Pythons
    return hashlib.sha256(content).hexdigest(), tuple(imported)


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the absolute names of all that may be a module in an import statement."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
        origin = ".".join([*above, *filter(None, [node.module])])
        yield from (origin, *(f"{origin}.{alias.name}" for alias in node.names))

"""Functions compiled for the CPU, once for all processes where there is a folder to keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Function], Function]:
    """Return a decorator: numba's `njit`, without the interpreter's lock, kept on disk.

    Where neither the package's folder nor the user's cache can be written every process compiles
    its functions itself.
    """

    def decorate(function: Function) -> Function:
        try:
            return njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # numba has no folder to keep it
            return njit(nogil=True, **options)(function)

    return decorate

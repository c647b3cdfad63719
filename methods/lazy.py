"""torch and faiss, imported on first use: names, help and plans then start at once."""

import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = ["faiss", "torch"]


def _deferred(name: str) -> ModuleType:
    """Return module `name`, loaded when an attribute of it is first read."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    import faiss
    import torch
else:
    faiss = _deferred("faiss")
    torch = _deferred("torch")

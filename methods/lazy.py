"""torch and faiss, imported on first use: names, help and plans then start at once."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["faiss", "torch"]


class _Deferred(ModuleType):
    """Stands for a module and imports it when an attribute is read, by whichever thread."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self.__name__), attribute)


if TYPE_CHECKING:
    import faiss
    import torch
else:
    faiss = _Deferred("faiss")
    torch = _Deferred("torch")

"""What takes long to import, on first use: names, help and plans then start at once.

`Tensor` and `nn` are torch's, for annotations; at run time `Tensor` stands for anything.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["Tensor", "faiss", "metadata", "mock", "nn", "torch"]


class _Deferred(ModuleType):
    """Stands for a module and imports it when an attribute is read, by whichever thread."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self.__name__), attribute)


if TYPE_CHECKING:
    from importlib import metadata
    from unittest import mock

    import faiss
    import torch
    from torch import Tensor, nn
else:
    faiss, nn, torch = map(_Deferred, ("faiss", "torch.nn", "torch"))
    metadata, mock = map(_Deferred, ("importlib.metadata", "unittest.mock"))
    Tensor = Any

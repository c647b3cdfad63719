"""torch and faiss, imported on first use: names, help and plans then start at once.

`Tensor` and `nn` are torch's, for annotations; at run time `Tensor` stands for anything.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["Tensor", "faiss", "nn", "torch"]


class _Deferred(ModuleType):
    """Stands for a module and imports it when an attribute is read, by whichever thread."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self.__name__), attribute)


if TYPE_CHECKING:
    import faiss
    import torch
    from torch import Tensor, nn
else:
    faiss, nn, torch = map(_Deferred, ("faiss", "torch.nn", "torch"))
    Tensor = Any

"""faiss on the GPU: its resources, made once a process and device, and whether it can be used."""

from __future__ import annotations

import importlib
import logging
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from methods.lazy import faiss, torch

if TYPE_CHECKING:
    from torch import Tensor

TEMPORARY_BYTES = 256 << 20
"""Memory that faiss sets aside on a device for what it computes in between."""

_log = logging.getLogger(__name__)
_searching = threading.Lock()
"""faiss's resources serve one search at a time."""


def usable(device: torch.device) -> bool:
    """Return whether faiss is built for GPUs and can use this one; tried once a device.

    Where it is built for GPUs and still fails, as a build does that is older than the GPU, one line
    says so: PyTorch searches instead, with the same results.
    """
    return _works(device.index or 0)


@cache
def _works(index: int) -> bool:
    if not hasattr(faiss, "StandardGpuResources"):
        return False
    trial = torch.eye(8, device=f"cuda:{index}")
    try:
        found = search(trial, trial, 1)[:, 0].tolist()
        reason = "" if found == list(range(len(trial))) else "it finds wrong neighbours"
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if reason:
        _log.warning("faiss can't use cuda:%d (%s); PyTorch searches instead", index, reason)
    return not reason


@cache
def _resources(index: int) -> Any:
    resources = faiss.StandardGpuResources()
    resources.setTempMemory(TEMPORARY_BYTES)
    return resources


def search(queries: Tensor, bank: Tensor, k: int) -> Tensor:
    """Return the rows of the k nearest, (n, k) int64, searched on the tensors' own device.

    Args:
        queries: (n, d) float32.
        bank: (m, d) float32 on the same device.
        k: number of neighbours, at most m.

    Raises:
        torch.OutOfMemoryError: the device has too little memory left.
    """
    importlib.import_module("faiss.contrib.torch_utils")  # teaches faiss to take torch tensors
    index = queries.device.index or 0
    try:
        with _searching:
            _, rows = faiss.knn_gpu(
                _resources(index),
                queries.contiguous(),
                bank.contiguous(),
                k,
                device=index,
                use_cuvs=False,
            )
    except RuntimeError as error:
        if "out of memory" in str(error) or "OutOfMemory" in str(error):
            raise torch.OutOfMemoryError(str(error)) from error
        raise
    return rows

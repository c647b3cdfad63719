"""Search by faiss's flat index, as PatchCore's official code does, on its GPU where it has one."""

from __future__ import annotations

from typing import Any

from methods.components.uploads import moved
from methods.lazy import Tensor, faiss, torch


class FlatIndex:
    """faiss's flat index of a bank (m, d), on the bank's device where faiss can use it.

    Squared distances are |q|² + |b|² - 2 q·b in float32: off by the rounding of vectors' lengths.
    """

    def __init__(self, bank: Tensor) -> None:
        index: Any = faiss.IndexFlatL2(bank.shape[1])
        if bank.device.type != "cpu" and getattr(faiss, "get_num_gpus", int)():
            resources = faiss.StandardGpuResources()
            index = faiss.index_cpu_to_gpu(resources, bank.device.index or 0, index)
        index.add(bank.cpu().numpy())
        self._index = index

    def nearest(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance to, and the row of, each query's nearest row: both (n,)."""
        squared, rows = (array[:, 0] for array in self._index.search(queries.cpu().numpy(), 1))
        distances = torch.from_numpy(squared).clamp_(min=0).sqrt_()
        return moved(distances, queries.device), moved(torch.from_numpy(rows), queries.device)

"""What graphics cards can do at most, as published, and what of it is assumed to be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Card:
    """A card's published figures, and assumptions.

    FLOP/s, memory and PCIe are the makers': NVIDIA H100 Tensor Core GPU data sheet, SXM (H100:
    67 TFLOP/s in float32, 989 in bfloat16 without sparsity, 34 in float64 without tensor cores,
    3.35 TB/s), and the H200 data sheet (the same but for 4.8 TB/s). PCIe 5.0 × 16 moves 64 GB/s
    each way. Float32 products use no TF32: results would not be exact.

    What no data sheet says is assumed: the time of a launch (PyTorch's, on the host), of a wait,
    and the share of the peak that is reached.

    Attributes:
        name: as people call it.
        bytes_per_second: between its memory and its processors.
        flops: dtype → FLOP/s.
        pcie: bytes/s each way.
        launch: seconds an operation takes at least, on the host and on the card.
        wait: seconds that the host loses by waiting for a result, and the copy of it.
        reached: share of FLOP/s and bytes/s that is reached.
    """

    name: str
    bytes_per_second: float
    flops: Mapping[str, float] = field(
        default_factory=lambda: {"float32": 67e12, "bfloat16": 989e12, "float64": 34e12}
    )
    pcie: float = 64e9
    launch: float = 5e-6
    wait: float = 20e-6
    reached: float = 0.5


CARDS = {"h100": Card("H100", 3.35e12), "h200": Card("H200", 4.8e12)}

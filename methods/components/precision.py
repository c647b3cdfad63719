"""Products in full precision, whatever the process's global settings say.

Bounds rely on how products are rounded, and numbers must be the same on every machine: float32
products stay float32 (TF32 has 10 bits of mantissa), sums of half-precision products are float32
(cuBLAS may add the parts of a split sum in bfloat16), and convolutions take the same algorithm
every time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from methods.lazy import torch


def _switches() -> list[tuple[Any, str, Any]]:
    """Return the settings that change products: where they stand, and the value that they need."""
    backends = torch.backends
    return [
        (backends.cuda.matmul, "fp32_precision", "ieee"),
        (backends.cudnn.conv, "fp32_precision", "ieee"),  # type: ignore[attr-defined]
        (backends.cudnn.rnn, "fp32_precision", "ieee"),
        (backends.mkldnn.matmul, "fp32_precision", "ieee"),  # type: ignore[attr-defined]
        (backends.mkldnn.conv, "fp32_precision", "ieee"),  # type: ignore[attr-defined]
        (backends.cuda.matmul, "allow_bf16_reduced_precision_reduction", False),
        (backends.cuda.matmul, "allow_fp16_reduced_precision_reduction", False),
        (backends.cuda.matmul, "allow_fp16_accumulation", False),
        (backends.cudnn, "deterministic", True),
        (backends.cudnn, "benchmark", False),
    ]


class _FullPrecision:
    """How many threads are inside, and what restores the settings from before."""

    def __init__(self) -> None:
        self._lock, self._inside, self._restoring = threading.Lock(), 0, ExitStack()

    def enter(self) -> None:
        """Change the settings, where nobody is inside yet."""
        with self._lock:
            if self._inside == 0:
                self._set()
            self._inside += 1

    def leave(self) -> None:
        """Restore the settings, where nobody else is inside."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._restoring.close()

    def _set(self) -> None:
        """Change the settings.

        PyTorch's older switches are set and restored before the newer ones, which they overwrite:
        where both kinds disagree, it refuses to read them.
        """
        restore, cudnn = self._restoring.callback, torch.backends.cudnn  # the last comes first
        for owner, name, _ in _switches():
            restore(setattr, owner, name, getattr(owner, name))
        with suppress(RuntimeError):  # they disagreed before, so that nothing can be restored
            precision = torch.get_float32_matmul_precision()
            restore(torch.set_float32_matmul_precision, precision)
        with suppress(RuntimeError):
            restore(setattr, cudnn, "allow_tf32", cudnn.allow_tf32)
        restore(torch.set_default_dtype, torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")
        cudnn.allow_tf32 = False
        for owner, name, value in _switches():
            setattr(owner, name, value)


_settings = _FullPrecision()


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute products in full precision inside; the settings from before return afterwards.

    Settings are the process's: the first thread that enters changes them, the last that leaves
    restores them. Also a decorator. Inside, autocasting is off and new tensors are float32.
    """
    _settings.enter()
    try:
        with ExitStack() as stack:
            for kind in ("cpu", "cuda"):
                if torch.is_autocast_enabled(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
            yield
    finally:
        _settings.leave()

"""Image scores of a stored cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.array_types import Floats


def read_scores(path: Path) -> tuple[Floats, Floats]:
    """Return labels and scores of the test images, each (N,); raises as `read_image_scores`."""
    frame = read_image_scores(path)
    return frame["label"].to_numpy(), frame["score"].to_numpy()


def read_image_scores(path: Path) -> pd.DataFrame:
    """Return path, label and score of the test images, a row each.

    Raises:
        BenchmarkError: the file is unreadable.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype={"path": str, "label": int, "score": float})
        if frame.empty or frame["score"].isna().any():
            raise ValueError("incomplete")
    except (OSError, ValueError, KeyError) as error:
        raise BenchmarkError(f"can't read the scores in {path}; run its cell again") from error
    return frame

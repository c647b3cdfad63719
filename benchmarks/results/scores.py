"""Image scores of a stored cell: written and read."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError
from benchmarks.files import as_csv, atomic_file
from benchmarks.results.cell import AGAIN

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.array_types import Floats


def write_scores(path: Path, scores: Sequence[tuple[str, int, float]]) -> None:
    """Write (path in the category's folder, label, image score) of each test image.

    Raises:
        StorageError: the file can't be written.
    """
    with atomic_file(path) as file:
        file.write(as_csv([("path", "label", "score"), *scores]))


def count_scores(path: Path) -> int:
    """Return how many scores a file holds, 0 if they can't be read."""
    try:
        header, *rows = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True)
        numbers = [float(score) for _, label, score in rows if int(label) in {0, 1}]
    except (OSError, ValueError, csv.Error):
        return 0
    whole = header == ["path", "label", "score"] and all(map(math.isfinite, numbers))
    return len(numbers) if whole else 0


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
        raise BenchmarkError(f"can't read the scores in {path}; {AGAIN}") from error
    return frame

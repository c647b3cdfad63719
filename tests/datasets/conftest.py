"""What tests of data sets share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.plain import save, save_mask


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two small valid categories: cup (with a defect and its mask) and plate."""
    data = tmp_path / "data"
    for category in ("cup", "plate"):
        for number in range(2):
            save(data / category / "train" / "good" / f"{number:03}.png", value=number)
        save(data / category / "test" / "good" / "000.png")
        save(data / category / "test" / "crack" / "000.png", value=120)
        save_mask(data / category / "ground_truth" / "crack" / "000_mask.png")
    return data

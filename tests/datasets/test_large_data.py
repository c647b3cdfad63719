"""The category to try large data on is a data set, of the images that its program says."""

from __future__ import annotations

from pathlib import Path

from benchmarks.datasets import indexing
from benchmarks.synthetic.products import PRODUCTS
from tests.large_data import CATEGORY, DEFECTS, GOOD, write


def test_the_large_category_is_read_as_it_was_meant(tmp_path: Path) -> None:
    (category,) = indexing.index(write(tmp_path, train=3)).categories
    kinds = len(PRODUCTS[CATEGORY].defects)
    assert category.counts == (3, GOOD, kinds * DEFECTS)

"""Data sets: what is known, what lies on disk, its images read and checked."""

from benchmarks.datasets.images import load_image
from benchmarks.datasets.indexing import Category, Dataset, index
from benchmarks.datasets.known import KNOWN
from benchmarks.datasets.layouts.base import GOOD, Sample
from benchmarks.datasets.masks import load_mask

__all__ = ["GOOD", "KNOWN", "Category", "Dataset", "Sample", "index", "load_image", "load_mask"]

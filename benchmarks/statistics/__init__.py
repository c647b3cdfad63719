"""What differences and intervals are worth; numbers only, no files."""

from benchmarks.statistics.bootstrap import bootstrap_intervals
from benchmarks.statistics.delong import compare_images, delong_interval
from benchmarks.statistics.pairs import Pair
from benchmarks.statistics.ranks import average_ranks, compare_categories, groups

__all__ = [
    "Pair",
    "average_ranks",
    "bootstrap_intervals",
    "compare_categories",
    "compare_images",
    "delong_interval",
    "groups",
]

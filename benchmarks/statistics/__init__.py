"""What differences and intervals are worth; numbers only, no files."""

from benchmarks.statistics.intervals import metric_intervals
from benchmarks.statistics.paired import compare_images, paired_test
from benchmarks.statistics.pairs import Pair, correct_table
from benchmarks.statistics.ranks import average_ranks, compare_categories, groups

__all__ = [
    "Pair",
    "average_ranks",
    "compare_categories",
    "compare_images",
    "correct_table",
    "groups",
    "metric_intervals",
    "paired_test",
]

"""Tables of a run's stored cells."""

from benchmarks.tables.comparison import RENDERERS, comparison_table
from benchmarks.tables.marks import tested_marks
from benchmarks.tables.metric_tables import terminal_tables, write_tables

__all__ = ["RENDERERS", "comparison_table", "terminal_tables", "tested_marks", "write_tables"]

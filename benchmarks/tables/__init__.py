"""Tables of a run's stored cells."""

from benchmarks.tables.marks import tested_marks
from benchmarks.tables.metric_tables import terminal_tables, write_tables
from benchmarks.tables.sheet import RENDERERS, Sheet

__all__ = ["RENDERERS", "Sheet", "terminal_tables", "tested_marks", "write_tables"]

"""Many cells: what is missing, who evaluates it, and what is seen meanwhile."""

from benchmarks.execution.dry_run import summary
from benchmarks.execution.plan import Plan, make_plan, say_changed_code
from benchmarks.execution.recorder import Machine
from benchmarks.execution.runner import run_plan

__all__ = ["Machine", "Plan", "make_plan", "run_plan", "say_changed_code", "summary"]

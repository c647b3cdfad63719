"""What becomes of the methods where the card has only the memory of a smaller one."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from benchmarks.device_memory import BUDGETS
from benchmarks.evaluation.category import resident_bytes
from benchmarks.evaluation.job import Stage
from benchmarks.gpu_check.check import Check, Row, evaluated
from benchmarks.gpu_check.steps import CATEGORIES, Data, seconds, workload
from benchmarks.speed.steps.category import METHODS
from methods.lazy import torch


def smaller_cards(check: Check) -> Iterator[Row]:
    """Run five methods, each as on a card of so many bytes.

    Raises:
        BenchmarkError: one fails with the smallest share of the memory, too.
    """
    device, (train, test) = check.device, check.images[-1]
    total, data = torch.cuda.mem_get_info(device)[1], workload(check, train, test)
    for limit in check.memory_as:
        gib = f"{limit / 2**30:g} GiB"
        if limit > total or check.late:
            reason = "this card has less" if limit > total else "the time is over (--minutes)"
            yield {"skipped": f"{gib}: {reason}"}
            continue
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(limit / total, device)
        try:
            yield {"as_of": gib, **_within(check, data, check.memory(limit))}
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)


def _within(check: Check, data: Data, memory: int) -> Row:
    """Return which share of the memory each method took at last, and what all took."""
    category, stages, row, total = data(memory), list[Stage](), Row(), 0.0
    for outcome in evaluated(METHODS, category, stages.append):
        row[outcome.cell.spec.method] = (
            f"ok with {BUDGETS[stages.count('fit') - 1]:g} of the memory"
        )
        stages.clear()
        total += seconds(outcome.cell)
    splits = category.members[0].values()
    needed = sum(4 * len(f) * prod(f.shape(level)) for f in splits for level in f.levels)
    row["images_kept"] = sum(map(len, splits)) if needed <= resident_bytes(memory, 1) else 0
    return row if check.pretended else {**row, "projected_seconds": CATEGORIES * total}

"""What methods cost, as a table for terminals."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.names import printable
from benchmarks.results.costs import Cost
from benchmarks.tables.rendering import captioned_table

HEADINGS = (
    *("method", "category", "ms an image", "95 % within"),
    *("images a second", "in batches of", "MB fitted", "MB at most"),
)


def cost_table(costs: Sequence[Cost]) -> str:
    """Return costs of one machine as a table below its name."""
    rows = [
        (
            printable(cost.method),
            printable(cost.category),
            *(f"{value:.1f}" for value in cost.milliseconds),
            f"{cost.images_per_second:.1f}",
            cost.batch,
            "–" if cost.state_bytes is None else f"{cost.state_bytes / 1e6:.1f}",
            f"{cost.peak_memory_mb:.0f}",
        )
        for cost in costs
    ]
    return captioned_table(how_timed(costs[0]), HEADINGS, rows, labels=2, style="simple")


def how_timed(cost: Cost) -> str:
    """Say on what a method was timed, and how."""
    return (
        f"From file to verdict on {cost.machine}: {cost.images} images of {cost.category} one by "
        f"one, after {cost.warm_up} to warm up; median and 95th percentile. MB at most: of the "
        "whole process on a CPU, of what is allocated on a GPU."
    )

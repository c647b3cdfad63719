"""What was measured, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from benchmarks.metrics.definitions import METRICS, level_metrics
from benchmarks.tables.rendering import captioned_table
from tests.coverage.maps import CLARITIES
from tests.coverage.measuring import (
    HELD,
    ROWS,
    false_differences,
    false_tables,
    image_coverage,
    labels_of,
    pixel_coverage,
)
from tests.coverage.scores import SHAPES

Sizes = Sequence[tuple[int, int]]

AREAS = (0.8, 0.95, 0.99, 0.999)

AREA, COUNTS = 0.9, (2, 5)
"""Of tables of equal methods: their AUROC, and how many they are."""

RATE = "false_positive_rate_at_full_recall"

SHOWN = {
    **{name: METRICS[name].label for name in ("image_ap", "f1_max", "error_at_f1_optimal")},
    "false_positives_at_f1_optimal": "its false positives",
    "false_negatives_at_f1_optimal": "its false negatives",
    f"{RATE} {HELD}": "100% recall, anomalous images held",
    RATE: "100% recall, others drawn",
}
SHOWN |= {
    metric.name: metric.label
    for metric in level_metrics("image")
    if metric.interval == "bootstrap" and metric.name not in SHOWN
}
"""Metric → its column; the three metrics at 100 % recall are multiples of one another."""

PAIRS = (
    ["alike", "alike"],
    ["wide defects", "wide defects"],
    ["hidden defects", "alike"],
    ["wide normals", "wide defects"],
    ["stray normals", "hidden defects"],
)

Case = TypeVar("Case")


def image_tables(sizes: Sizes, rounds: int, seed: int) -> Iterator[str]:
    """Yield how often the intervals of image-level metrics cover."""
    coverage = {
        (size, area): {
            shape: image_coverage(
                _random(seed, 0, *size, AREAS.index(area), place),
                labels_of(*size),
                area,
                shape,
                rounds,
            )
            for place, shape in enumerate(SHAPES)
        }
        for size in sizes
        for area in AREAS
    }
    yield _table(
        f"Image AUROC: coverage of its 95% interval in %, by the shape of scores, {rounds} test "
        "sets each",
        ["test images", "true AUROC", *SHAPES],
        {
            case: [_per_cent(shares["image_auroc"]) for shares in shapes.values()]
            for case, shapes in coverage.items()
        },
    )
    yield _table(
        f"Other image-level metrics: coverage of their 95% intervals in %, least to most over the "
        f"{len(SHAPES)} shapes, {rounds} test sets each",
        ["test images", "true AUROC", *SHOWN.values()],
        {
            case: [_range([shares[name] for shares in shapes.values()]) for name in SHOWN]
            for case, shapes in coverage.items()
        },
    )


def pixel_tables(sizes: Sizes, rounds: int, seed: int) -> Iterator[str]:
    """Yield how often the intervals of pixel-level metrics cover."""
    coverage = {
        (size, clarity): pixel_coverage(
            _random(seed, 1, *size, place), labels_of(*size), clarity, rounds
        )
        for size in sizes
        for place, clarity in enumerate(CLARITIES)
    }
    metrics = [metric for metric in level_metrics("pixel") if metric.interval]
    yield _table(
        f"Pixel-level metrics: coverage of their 95% intervals in %, {rounds} test sets each",
        ["test images", "defects", *(metric.label for metric in metrics)],
        {
            case: [_per_cent(shares[metric.name]) for metric in metrics]
            for case, shares in coverage.items()
        },
    )


def difference_tables(sizes: Sizes, rounds: int, seed: int) -> Iterator[str]:
    """Yield how often tests tell methods with equal AUROCs apart."""
    rows = {}
    for size in sizes:
        for area in AREAS:
            measured = (
                false_differences(
                    _random(seed, 2, *size, AREAS.index(area), place),
                    labels_of(*size),
                    area,
                    shapes,
                    rounds,
                )
                for place, shapes in enumerate(PAIRS)
            )
            rows[size, area] = [
                f"{_per_cent(wrong)} ({_per_cent(none)})" for wrong, none in measured
            ]
    yield _table(
        f"Paired test of two methods with equal AUROCs: p < 0.05 in % of {rounds} test sets (no "
        "verdict in %), by the shapes of their scores",
        ["test images", "true AUROC", *(" / ".join(dict.fromkeys(pair)) for pair in PAIRS)],
        rows,
    )
    yield _table(
        f"Tables of {ROWS} categories of equal methods: any pair called different after Holm's "
        f"correction over the table, in % of {rounds} tables",
        ["test images", "true AUROC", *(f"{methods} methods" for methods in COUNTS)],
        {
            (size, AREA): [
                _per_cent(
                    false_tables(
                        _random(seed, 3, *size, methods), labels_of(*size), AREA, methods, rounds
                    )
                )
                for methods in COUNTS
            ]
            for size in sizes
        },
    )


PARTS: Mapping[str, Callable[[Sizes, int, int], Iterator[str]]] = {
    "images": image_tables,
    "pixels": pixel_tables,
    "tests": difference_tables,
}
"""What can be measured → its tables."""


def _random(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def _table(
    caption: str, headers: Sequence[str], rows: Mapping[tuple[tuple[int, int], Case], list[str]]
) -> str:
    lines = [[f"{size[0]}+{size[1]}", str(case), *texts] for (size, case), texts in rows.items()]
    return captioned_table(f"{caption}.", headers, lines, labels=2)


def _per_cent(share: float) -> str:
    return f"{100 * share:.0f}"


def _range(shares: Sequence[float]) -> str:
    least, most = _per_cent(min(shares)), _per_cent(max(shares))
    return least if least == most else f"{least}–{most}"

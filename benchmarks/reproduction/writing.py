"""Verdicts as tables, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

from benchmarks.metrics import METRICS
from benchmarks.reproduction.figures import DATASET
from benchmarks.reproduction.verdicts import Verdict
from benchmarks.tables.rendering import captioned_table

MEANING = (
    "Both were measured on the same test images. agrees: another seed and rounding explain the "
    "difference, which is the tolerance. close: they don't, but with other test images the value "
    "would move as far. differs: more than that, as far as it is known."
)
"""What the words say, in a caption."""

_ORDER = ("agrees", "close", "differs", "can't tell", "not comparable")

_HEADER = ("with", "method", "category", "metric", "ours", "published", "verdict", "source")

_COLUMNS = (
    *("method", "shots", "category", "metric", "backbone", "image_size", "seeds", "ours"),
    *("deviation", "published", "source", "published_backbone", "published_image_size"),
    *("difference", "tolerance_seeds", "tolerance_images", "tolerance_rounding", "tolerance"),
    *("verdict", "notes"),
)


def counted(found: Sequence[Verdict]) -> str:
    """Say how many published values have which verdict."""
    counts = Counter(one.word for one in found)
    return ", ".join(f"{word}: {counts[word]}" for word in _ORDER if counts[word])


def markdown(found: Sequence[Verdict]) -> str:
    """Return all verdicts, those that can't be compared last."""
    caption = (
        f"Our values beside published ones on {DATASET}, in per cent, differences in percentage "
        f"points. {MEANING} {counted(found)}."
    )
    ordered = sorted(found, key=lambda one: one.tolerance is None)
    return captioned_table(caption, _HEADER, [verdict_texts(one) for one in ordered])


def verdict_texts(one: Verdict) -> list[str]:
    """Return what a table shows of a verdict, a text a column."""
    spread = "" if one.deviation is None else f" ± {one.deviation:.1f}"
    shots = "" if one.figure.shots is None else f", {one.figure.shots} shots"
    return [
        f"{one.backbone}, {one.image_size} px",
        f"{one.figure.method}{shots}",
        one.figure.category,
        METRICS[one.figure.metric].label,
        f"{one.ours:.1f}{spread}",
        f"{one.figure.value:.1f}",
        one.text,
        one.figure.source,
    ]


def comma_separated(found: Sequence[Verdict]) -> str:
    """Return all verdicts unrounded, a line each; what isn't known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in found:
        figure, known = one.figure, one.tolerance
        parts = (known.seeds, known.images, known.rounding, known.whole) if known else (None,) * 4
        notes = "; ".join([one.unlike] if one.unlike else one.notes)
        writer.writerow(
            [
                *(figure.method, figure.shots, figure.category, figure.metric),
                *(one.backbone, one.image_size, one.seeds, one.ours, one.deviation),
                *(figure.value, figure.source, figure.backbone, figure.image_size),
                *(one.difference, *parts, one.word, notes),
            ]
        )
    return text.getvalue()

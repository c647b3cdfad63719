"""Verdicts as tables, Markdown and CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.files import as_csv
from benchmarks.metrics.definitions import METRICS
from benchmarks.reproduction.published_values import DATASET
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


def verdict_counts(judged: Sequence[Verdict]) -> str:
    """Say how many published values have which verdict."""
    counts = Counter(verdict.word for verdict in judged)
    return ", ".join(f"{word}: {counts[word]}" for word in _ORDER if counts[word])


def markdown(judged: Sequence[Verdict]) -> str:
    """Return all verdicts, those that can't be compared last."""
    caption = (
        f"Our values beside published ones on {DATASET}, in per cent, differences in percentage "
        f"points. {MEANING} {verdict_counts(judged)}."
    )
    ordered = sorted(judged, key=lambda verdict: verdict.tolerance is None)
    return captioned_table(caption, _HEADER, list(map(verdict_texts, ordered)))


def verdict_texts(verdict: Verdict) -> list[str]:
    """Return what a table shows of a verdict, a text a column."""
    published = verdict.published
    spread = "" if verdict.deviation is None else f" ± {verdict.deviation:.1f}"
    shots = "" if published.shots is None else f", {published.shots} shots"
    return [
        f"{verdict.backbone}, {verdict.image_size} px",
        f"{published.method}{shots}",
        published.category,
        METRICS[published.metric].label,
        f"{verdict.ours:.1f}{spread}",
        f"{published.value:.1f}",
        verdict.text,
        published.source,
    ]


def comma_separated(judged: Sequence[Verdict]) -> str:
    """Return all verdicts unrounded, a line each; what isn't known is empty."""
    return as_csv([_COLUMNS, *map(_values, judged)]).decode()


def _values(verdict: Verdict) -> list[object]:
    """Return a verdict's values in the order of `_COLUMNS`."""
    published, known = verdict.published, verdict.tolerance
    parts = (known.seeds, known.images, known.rounding, known.whole) if known else (None,) * 4
    return [
        *(published.method, published.shots, published.category, published.metric),
        *(verdict.backbone, verdict.image_size, verdict.seeds, verdict.ours, verdict.deviation),
        *(published.value, published.source, published.backbone, published.image_size),
        *(verdict.difference, *parts, verdict.word, verdict.unlike or "; ".join(verdict.notes)),
    ]

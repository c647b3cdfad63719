"""Counts and the estimate as CSV and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.files import as_csv, atomic_file
from benchmarks.speed.counting.card import Card
from benchmarks.speed.counting.counting import Counted
from benchmarks.speed.counting.estimate import METHODS, Estimate, Part
from benchmarks.speed.counting.growth import Size
from benchmarks.speed.counting.work import TOTALS, Load
from benchmarks.speed.report import in_seconds

PRECISIONS = ("bfloat16", "float32", "float64")

COLUMNS = (
    "step", "kind", "train", "test", "ratio", *(name.replace(" ", "_") for name in TOTALS),
    *(f"{precision}_flops" for precision in PRECISIONS), "bytes_on_device",
    "host_seconds", "device_seconds", "copying_seconds", "measured_seconds", "share",
)  # fmt: skip


def rows(counted: Sequence[Counted], estimated: Estimate) -> list[list[Any]]:
    """Return a row a step and size that was counted, then one a step of the estimate."""
    found: list[list[Any]] = []
    card = estimated.card
    for one in counted:
        for place, (size, load) in enumerate(zip(one.step.sizes, one.loads, strict=True)):
            measured = one.seconds[place] if one.seconds else ""
            seconds = (load.host(card), load.device(card), load.copying(card))
            found.append([one.step.name, "counted", *_size(size), *_load(load), *seconds])
            found[-1] += [measured, ""]
    for part in estimated.parts:
        seconds = (part.host, part.device, part.copying)
        share = part.seconds / estimated.seconds
        found.append([part.name, "estimated", "", "", "", *_load(part.load), *seconds, "", share])
    return found


def _size(size: Size) -> tuple[int, int, Any]:
    return size.train, size.test, size.ratio or ""


def _load(load: Load) -> list[int]:
    numbers = [load.totals[name] for name in TOTALS]
    numbers += [*(load.flops(precision) for precision in PRECISIONS), load.bytes]
    return [round(number) for number in numbers]


def write(counted: Sequence[Counted], estimated: Estimate, text: str, out: Path) -> list[Path]:
    """Write counts.csv and counts.md; return their paths.

    Raises:
        StorageError: they can't be written.
    """
    table = as_csv([COLUMNS, *rows(counted, estimated)])
    paths = [out / "counts.csv", out / "counts.md"]
    for path, content in zip(paths, (table, text.encode()), strict=True):
        with atomic_file(path) as file:
            file.write(content)
    return paths


def markdown(counted: Sequence[Counted], estimated: Estimate, caption: str) -> str:
    """Return the estimate, its parts, and the counts below their captions."""
    return "\n\n".join(
        [
            caption,
            _total(estimated),
            _table([_part(part, estimated) for part in estimated.parts]),
            _beside(estimated),
            "Counted at small sizes on a pretended device; seconds beside them are this card's "
            "estimate, and measured where a real GPU was to be had.",
            _table([row for one in counted for row in _counted(one, estimated.card)]),
        ]
    ) + "\n"  # fmt: skip


def _table(found: Sequence[dict[str, str]]) -> str:
    from tabulate import tabulate

    align = ("left", *["right"] * (len(found[0]) - 1))
    return tabulate(found, headers="keys", tablefmt="pipe", disable_numparse=True, colalign=align)


def _total(estimated: Estimate) -> str:
    largest = ", ".join(f"{name} {in_seconds(seconds)}" for name, seconds in estimated.largest)
    return (
        f"**Estimate, not measured: {in_seconds(estimated.total)}** for MVTec AD's 15 categories "
        f"and {', '.join(METHODS)} on one {estimated.card.name} with "
        f"{estimated.cores} cores. The card is at work for {in_seconds(estimated.seconds)}. "
        f"The largest three: {largest}."
    )


def _beside(estimated: Estimate) -> str:
    rate, processor = estimated.features / estimated.total / 1e9, estimated.processor
    return (
        f"Beside the card, on {estimated.cores} cores: decoding {in_seconds(estimated.decoding)} "
        f"({1e3 * processor.decoding:.0f} ms an image, timed here), measuring and previews "
        f"{in_seconds(estimated.measuring)} ({1e3 * processor.measuring:.1f} ms a map, timed "
        f"here); {in_seconds(estimated.first)} to decode the first category overlap with nothing. "
        f"{estimated.features / 1e9:.0f} GB of features go to disk meanwhile: a disk slower than "
        f"{rate:.1f} GB/s makes it longer, unless `--no-disk-cache` leaves it out."
    )


def _part(part: Part, estimated: Estimate) -> dict[str, str]:
    return {
        "step, all categories": part.name,
        **_numbers(part.load),
        "host": in_seconds(part.host),
        "device": in_seconds(part.device),
        "estimate": in_seconds(part.seconds),
        "share": f"{100 * part.seconds / estimated.seconds:.0f} %",
    }


def _counted(one: Counted, card: Card) -> list[dict[str, str]]:
    found = []
    for place, (size, load) in enumerate(zip(one.step.sizes, one.loads, strict=True)):
        ratio = f", {100 * size.ratio:g} %" if size.ratio else ""
        measured = in_seconds(one.seconds[place]) if one.seconds else "–"
        found.append(
            {
                "step": f"{one.step.name}: {size.train} training, {size.test} test{ratio}",
                **_numbers(load),
                "estimate": in_seconds(load.seconds(card)),
                "measured": measured,
            }
        )
    return found


def _numbers(load: Load) -> dict[str, str]:
    copies = load.totals
    return {
        "operations": f"{copies['operations']:,.0f}",
        "waits": f"{copies['waits']:,.0f}",
        "copies to / from": f"{copies['copy to device']:,.0f} / {copies['copy from device']:,.0f}",
        "MB to / from": " / ".join(
            f"{copies[f'bytes {way} device'] / 1e6:,.1f}" for way in ("to", "from")
        ),
        "TFLOP bf16 / fp32 / fp64": " / ".join(
            f"{load.flops(precision) / 1e12:,.3g}" for precision in PRECISIONS
        ),
        "GB moved": f"{load.bytes / 1e9:,.3g}",
    }

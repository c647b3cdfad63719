"""The one line above whatever is shown: what it is, and everything that it depends on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from benchmarks.names import printable
from benchmarks.specs import CellSpec


def caption(dataset: str, parts: Sequence[str]) -> str:
    """Return the parts in one line, behind a notice where the data are the embedded set's.

    Args:
        dataset: name of the data set, "synthetic" for the embedded one.
        parts: what is shown, then what it depends on.
    """
    notice = "SYNTHETIC DATA. " if dataset == "synthetic" else ""
    return printable(f"{notice}{'; '.join(parts)}.")


def noted_once(texts: Sequence[str], notes: Sequence[str]) -> list[str]:
    """Return texts below captions, each part of `notes` only in the first caption that has it."""
    shown, said = [], set[str]()
    for text in texts:
        here = {part for note in notes if (part := f"; {printable(note)}") in text}
        shown.append(reduce(lambda rest, part: rest.replace(part, "", 1), here & said, text))
        said |= here
    return shown


def failures(count: int) -> list[str]:
    """Say how many cells failed, nothing where none did."""
    return [f"{count} cell{'s' * (count > 1)} failed"] if count else []


def seeds_label(seeds: Sequence[int], spread: str = "± standard deviation") -> str:
    """Say of which seeds a value is: of the only one, or the mean with a spread over several."""
    text = ", ".join(map(str, seeds))
    return f"mean {spread} over seeds {text}" if len(seeds) > 1 else f"seed {text}"


def held_out_label(calibrate: float) -> str:
    """Say how many training images are held out, or which share of them."""
    return f"{100 * calibrate:g} %" if calibrate < 1 else f"{calibrate:g}"


def condition_labels(spec: CellSpec) -> list[str]:
    """Say which training images are anomalous, what the test images lack for it, their shift."""
    dirt = [
        f"{100 * spec.contamination:g} % of the training images anomalous",
        f"test images without those that are drawn for {100 * spec.reserve:g} %",
    ]
    return [
        *(dirt if spec.reserve else ()),
        *([f"test images: {spec.shift}"] if spec.shift else ()),
    ]


def mean_label(categories: Sequence[str]) -> str:
    """Say what a value is of: the only category, or the mean over several."""
    return categories[0] if len(categories) == 1 else f"mean of {len(categories)} categories"

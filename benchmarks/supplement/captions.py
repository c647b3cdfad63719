"""Captions of the supplement's figures: what is shown, and everything that it depends on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.backbones.choice import bare
from benchmarks.supplement.trials import Settings


def labels(backbones: Sequence[str]) -> dict[str, str]:
    """Return backbone → its name; where two have the same, with what is said in brackets."""
    names = [bare(backbone) for backbone in backbones]
    return {
        backbone: name if names.count(name) == 1 else re.sub(r"=[^\],]*/", "=", backbone)
        for backbone, name in zip(backbones, names, strict=True)
    }


def caption(subject: str, settings: Settings, dataset: str, sizes: Sequence[int] = ()) -> str:
    """Return `subject` with its data set, backbone, image size and seed, in one line.

    Args:
        subject: what is shown, of which method.
        settings: of the supplement.
        dataset: name of the data set, "synthetic" for the embedded one.
        sizes: sides of the images in pixels, ascending, where they aren't all the settings'.
    """
    notice = "SYNTHETIC DATA. " if dataset == "synthetic" else ""
    size = f"{sizes[0]}–{sizes[-1]}" if sizes else settings.image_size
    return (
        f"{notice}{subject} on {dataset}; {bare(settings.backbone)}, {size} px; "
        f"seed {settings.seeds[0]}."
    )


def averaged(categories: Sequence[str]) -> str:
    """Say what a value is of: the only category, or the mean over several."""
    return categories[0] if len(categories) == 1 else f"mean of {len(categories)} categories"

"""What was published, in our terms: of which of our methods, and how it was measured."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace

from benchmarks.results import ResultSet
from benchmarks.results.published import BACKBONES, METRICS, published_rows
from benchmarks.specs import EvaluationProtocol, resize_for

DATASET = "mvtec_ad"
"""What the published values are of."""

METHODS = {
    **dict.fromkeys(("SPADE", "SPADE(K=50)", "SPADE (reimpl.)"), "spade"),
    "SPADE K=5 (byungjae89)": "spade-5",
    **dict.fromkeys(("PaDiM", "PaDiM (reimpl.)", "PaDiM (anomalib)"), "padim"),
    **dict.fromkeys(("PaDiM-Rd550", "PaDiM WR50-Rd550"), "padim"),
    **dict.fromkeys(("PaDiM-R18-Rd100", "PaDiM R18-Rd100"), "padim"),
    **{f"PatchCore-{percent}": f"patchcore-{percent}" for percent in (100, 25, 10, 1)},
    "PatchCore-10 (anomalib, b=9, 1536-d)": "patchcore-10[reweight=9]",
}
"""Published name → our method with the same parameters; what isn't here has no counterpart."""

_OURS = {theirs: ours for ours, theirs in METRICS.items()}

_DEFAULT_LEVELS = "2+3"

_LEVELS = re.compile(r"(.+) \((\d(?:\+\d)*)\)")
"""A backbone and its levels, as in `WRN101 (1+2+3)`; PatchCore's default where none are said."""

_SIZE = re.compile(r"(?:(?P<resize>\d+)->)?(?P<size>\d+)(?: (?P<how>\(no crop\)|[A-Z]+))?")

_PROTOCOL = ("dtype", "mask_resize", "smoothing_sigma", "regions", "augment", "tiles")


@dataclass(frozen=True)
class PublishedValue:
    """One published value.

    Attributes:
        source: where it was published.
        method: our method that it is of.
        shots: how many training images, None for all.
        backbone: as published.
        image_size: as published.
        metric: our metric.
        category: a category, or the label of their mean.
        value: in per cent.
        rounding: half a unit of its last digit.
    """

    source: str
    method: str
    shots: int | None
    backbone: str
    image_size: str
    metric: str
    category: str
    value: float
    rounding: float

    @property
    def interpolation(self) -> str:
        """How images were resized, as the protocol names it."""
        match = _SIZE.fullmatch(self.image_size)
        how = match["how"] if match else None
        return how.lower() if how and how.isalpha() else EvaluationProtocol.interpolation

    def unlike(self, results: ResultSet) -> str:
        """Say why a result set can't be compared with it, in words; "" where it can."""
        ours = results.cells[0].spec.protocol
        if _members(ours.backbone.name) != _members(self.backbone):
            return f"published with {self.backbone.replace('WRN', 'WideResNet')}"
        match = _SIZE.fullmatch(self.image_size)
        if match is None:
            return "published without its image size"
        size = int(match["size"])
        cropped = match["how"] != "(no crop)"
        resize = int(match["resize"] or (resize_for(size) if cropped else size))
        if (ours.image_size, ours.resize) != (size, resize):
            return f"published at {f'{resize} → ' if cropped else ''}{size} pixels"
        if ours.fit != "crop":
            return "published with the centre crop"
        usual = EvaluationProtocol(ours.backbone)
        unusual = [name for name in _PROTOCOL if getattr(ours, name) != getattr(usual, name)]
        if ours.interpolation not in (usual.interpolation, self.interpolation):
            unusual.append("interpolation")
        said = ", ".join(f"{name.replace('_', ' ')} {getattr(ours, name)}" for name in unusual)
        return f"ours with {said}" if said else ""


def published_values() -> list[PublishedValue]:
    """Return what was published of our methods, each value once.

    The rounding is that of the most digits that a source gives of a metric, for tables drop zeros.

    Raises:
        BenchmarkError: the file can't be read.
    """
    rows = published_rows()
    digits: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        place = row["source"], row["metric"]
        digits[place] = max(digits[place], len(row["value_percent"].partition(".")[2]))
    unique: dict[PublishedValue, PublishedValue] = {}
    for row in rows:
        name, _, shots = row["method"].partition("|shots=")
        if name not in METHODS or row["metric"] not in _OURS:
            continue
        match = _LEVELS.fullmatch(row["backbone"])
        backbone, levels = match.groups() if match else (row["backbone"], _DEFAULT_LEVELS)
        published = PublishedValue(
            row["source"],
            METHODS[name] + (f"[levels={levels}]" if levels != _DEFAULT_LEVELS else ""),
            int(shots) if shots else None,
            backbone,
            row["image_size"],
            _OURS[row["metric"]],
            row["category"],
            float(row["value_percent"]),
            0.5 * 10 ** -digits[row["source"], row["metric"]],
        )
        unique.setdefault(replace(published, source="", rounding=0), published)
    return list(unique.values())


def _members(backbone: str) -> list[str]:
    """Return an ensemble's members, published or ours, by their published names, sorted."""
    return sorted(BACKBONES.get(name, name) for name in backbone.split("+"))

"""What cells must share to stand in one table: the data, the crop, the masks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from benchmarks import specs
from benchmarks.results.cell import Cell
from benchmarks.results.feature_sources import FeatureSource
from benchmarks.specs import CONDITIONS, IMPORTED, BackboneSpec, CellSpec, EvaluationProtocol


class Measure(NamedTuple):
    """Over which pixels of the images values are measured, and how these were resized."""

    image_size: int
    resize: int
    fit: specs.Fit
    mask_resize: specs.MaskResize
    interpolation: specs.Interpolation
    regions: specs.Regions
    score_area: specs.ScoreArea

    @classmethod
    def of(cls, protocol: EvaluationProtocol) -> Measure:
        """Return a protocol's."""
        return cls(*(getattr(protocol, name) for name in cls._fields))

    def __str__(self) -> str:
        cut = f"cropped from {self.resize}" if self.fit == "crop" else f"fit {self.fit}"
        resized = f", {self.interpolation}" if self.interpolation != "bilinear" else ""
        regions = f", regions {self.regions}" if self.regions != "resized" else ""
        border = ", borders scored" if (self.fit, self.score_area) == ("pad", "square") else ""
        return f"{self.image_size} px, {cut}, masks {self.mask_resize}{resized}{regions}{border}"


def measures(cells: Iterable[Cell]) -> list[Measure]:
    """Return each measure of some cells once, in their order."""
    return list(dict.fromkeys(Measure.of(cell.spec.protocol) for cell in cells))


def usual_settings(image_size: int, fit: specs.Fit) -> dict[str, object]:
    """Return name → value of what a run asks for where nobody asked for anything else.

    Args:
        image_size: side of the crop in pixels, on which the usual shorter side depends.
        fit: how images become squares, on which it depends, too.
    """
    usual = EvaluationProtocol(BackboneSpec("", "", "", {}), image_size, fit=fit)
    names = ("resize", "interpolation", "dtype", "mask_resize", "smoothing_sigma", "regions")
    values = {name: getattr(usual, name) for name in (*names, "score_area", "augment", "tiles")}
    conditions = {name: getattr(CellSpec, name) for name in CONDITIONS}
    return {"fit": EvaluationProtocol.fit, **values, **conditions}


def differing_data(before: Iterable[Cell], after: Iterable[Cell]) -> str:
    """Say in which data two runs' cells differ; nothing where those that both have agree."""
    names = [sorted({cell.spec.dataset for cell in cells}) for cells in (before, after)]
    if names[0] and names[1] and not {*names[0]} & {*names[1]}:
        return f"the data are {', '.join(names[0])} and {', '.join(names[1])}"
    ours, theirs = (
        {(c.spec.dataset, c.spec.category): c.spec.dataset_fingerprint for c in cells}
        for cells in (before, after)
    )
    differing = [place[1] for place in ours if theirs.get(place, ours[place]) != ours[place]]
    return f"images or masks of {', '.join(differing)} are not the same" if differing else ""


def settings_of(cells: Iterable[Cell]) -> dict[str, list[Any]]:
    """Return what cells were measured and made with: name → its values, each once.

    Imported maps have no settings of features.
    """
    settings: dict[str, list[Any]] = {}
    for cell in cells:
        protocol = cell.spec.protocol
        values = {**Measure.of(protocol)._asdict(), **cell.spec.conditions}
        if protocol.backbone.name != IMPORTED:
            values |= FeatureSource.of(protocol)._asdict()
        for name, value in values.items():
            known = settings.setdefault(name, [])
            if value not in known:
                known.append(value)
    return settings

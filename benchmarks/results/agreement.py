"""What cells were measured on and made with: what a table shares, what tells columns apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks import specs
from benchmarks.results.cell import Cell
from benchmarks.specs import CONDITIONS, IMPORTED, BackboneSpec, CellSpec, EvaluationProtocol

_AT = " @ "
"""Between a method and its backbone; no name has it."""

SHOWN = 8
"""Characters of a sha256 that are shown."""


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


class FeatureSource(NamedTuple):
    """The part of a protocol that says where features are from; names as metrics.csv has them."""

    backbone: str
    weights: str
    weights_sha256: str
    layers: tuple[tuple[int, str], ...]
    dtype: str
    smoothing_sigma: float
    augment: str
    tiles: int

    @classmethod
    def of(cls, protocol: EvaluationProtocol) -> FeatureSource:
        """Return a protocol's."""
        backbone = protocol.backbone
        weights, layers = backbone.weights, tuple(sorted(backbone.layers.items()))
        loaded = backbone.name, weights, backbone.weights_sha256, layers
        return cls(*loaded, *(getattr(protocol, name) for name in cls._fields[len(loaded) :]))

    def describe(self, column: str) -> str:
        """Return one of its values in words."""
        if column == "layers":
            return f"layers {'+'.join(name for _, name in self.layers)}"
        if column == "weights_sha256":
            return f"sha256 {self.weights_sha256[:SHOWN]}"
        value = getattr(self, column)
        return f"{column.replace('_', ' ')} {'none' if value == '' else value}"


def feature_sources(cells: Iterable[Cell]) -> list[FeatureSource]:
    """Return the sources of some cells' features, each once, in order of appearance.

    Imported maps have none.
    """
    protocols = [cell.spec.protocol for cell in cells]
    known = (FeatureSource.of(p) for p in protocols if p.backbone.name != IMPORTED)
    return list(dict.fromkeys(known))


def column_titles(cells: Sequence[Cell]) -> list[str]:
    """Return what each cell's column of one table is called: by its method.

    Where several sources gave features, it is `method @ backbone`, and what two of one backbone
    differ in is said behind it. Imported methods keep their names.
    """
    sources = feature_sources(cells)
    if len(sources) < 2:
        return [cell.spec.method for cell in cells]
    suffixes = {source: _AT + " ".join(_distinction(source, sources)) for source in sources}
    return [
        cell.spec.method + suffixes.get(FeatureSource.of(cell.spec.protocol), "") for cell in cells
    ]


def without_source(title: str) -> str:
    """Return a method's name without the backbone that `column_titles` has put behind it."""
    return title.partition(_AT)[0]


def _distinction(source: FeatureSource, sources: Sequence[FeatureSource]) -> Iterator[str]:
    """Yield the backbone, and what distinguishes it from others of the same name."""
    yield source.backbone
    namesakes = [other for other in sources if other.backbone == source.backbone]
    for column, values in zip(source._fields, zip(*namesakes, strict=True), strict=True):
        if len({*values}) > 1:
            yield source.describe(column)


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

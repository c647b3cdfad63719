"""What made the features behind a column, beside its method: backbone, weights, layers, type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from benchmarks.results.cell import Cell
from benchmarks.specs import IMPORTED, EvaluationProtocol

_AT = " @ "
"""Between a method and its backbone; no name has it."""

SHOWN = 8
"""Characters of a sha256 that are shown."""


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

"""Published numbers: what the papers report, to stand beside what is reproduced."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.errors import BenchmarkError

OTHERS = ("PatchSVDD", "DifferNet", "MahalanobisAD")
"""Methods not reproduced with the same features, as the PatchCore paper's tables name them."""

FILE = Path(__file__).parents[1] / "published" / "published_numbers.csv"

_PAPER = "PatchCore paper Table "

METRICS = {"image_auroc": "image_auroc", "pixel_auroc": "pixel_auroc", "aupro_30": "pro"}
"""Our metric → the published one."""

TABLES = {"image_auroc": ("S1", "1"), "pixel_auroc": ("S2", "2"), "aupro_30": ("S3", "3")}
"""Metric → the paper's table of categories and its table of means."""

_NAMES = {
    "spade": "SPADE",
    "padim": "PaDiM",
    **{f"patchcore-{percent}": f"PatchCore-{percent}" for percent in (25, 10, 1)},
}

_OWN_PAPERS = {
    "spade": ("SPADE paper (as copied in anomasota)", "SPADE(K=50)"),
    "padim": ("PaDiM paper (as copied by DANFlow)", "PaDiM-Rd550"),
}

BACKBONES = {
    "resnet18": "ResNet18",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "wide_resnet50_2": "WRN50",
    "wide_resnet101_2": "WRN101",
    "resnext101_32x8d": "ResNeXt101",
    "densenet201": "DenseNet201",
}
"""Torchvision's name → the published one."""

_ENSEMBLE = "DenseNet201+ResNeXt101+WRN101"


@dataclass(frozen=True)
class Published:
    """Numbers on MVTec AD in per cent, as published; every lookup gives None where there is none.

    Attributes:
        values: (source, method, backbone, metric, category) → value, all as the file names them.
    """

    values: Mapping[tuple[str, str, str, str, str], float] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path = FILE) -> Published:
        """Read the numbers.

        Raises:
            BenchmarkError: the file, which lies in the package, is missing or unreadable.
        """
        return cls(dict(map(_keyed_value, published_rows(path))))

    def main(self, method: str, metric: str, category: str) -> float | None:
        """Return a value of tables S1–S3, of one of our methods or of OTHERS.

        SPADE's and PaDiM's are their own papers'; the PatchCore paper's means fill the gaps.
        """
        table, means = TABLES[metric]
        name = _NAMES.get(method, method)
        first = _OWN_PAPERS.get(method, (_PAPER + table, name))
        backbone = "task-selected" if method == "PaDiM*" else "WRN50"
        values = (
            self.values.get((*paper, backbone, METRICS[metric], category))
            for paper in (first, (_PAPER + means, name))
        )
        return next((value for value in values if value is not None), None)

    def large(self, levels: str, metric: str, category: str, *, ensemble: bool) -> float | None:
        """Return a value of table S4: WideResNet101's with `levels` like 2+3, or the ensemble's."""
        backbone = f"{_ENSEMBLE if ensemble else 'WRN101'} ({levels})"
        return self.values.get((_PAPER + "4", "PatchCore-1", backbone, METRICS[metric], category))

    def few_shot(
        self, method: str, shots: int, metric: str, category: str
    ) -> tuple[float | None, float | None]:
        """Return a value of table S5 and its standard deviation over seeds."""
        paper = _PAPER + "S5", f"{_NAMES[method]}|shots={shots}", "WRN50"
        value, deviation = (
            self.values.get((*paper, METRICS[metric] + suffix, category)) for suffix in ("", "_std")
        )
        return value, deviation

    def by_backbone(self, backbone: str, method: str, metric: str, category: str) -> float | None:
        """Return a value of table S6, of a backbone by its torchvision name."""
        key = _NAMES[method], BACKBONES.get(backbone, ""), METRICS[metric], category
        return self.values.get((_PAPER + "S6", *key))


def published_rows(path: Path = FILE) -> list[Mapping[str, str]]:
    """Return the lines of the file of published numbers, as texts.

    Raises:
        BenchmarkError: the file, which lies in the package, is missing or unreadable.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows: list[Mapping[str, str]] = list(csv.DictReader(file))
        for row in rows:
            _keyed_value(row)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(
            f"can't read the published numbers, {path} ({type(error).__name__}): install the "
            "package again, which holds them"
        ) from error
    return rows


def _keyed_value(row: Mapping[str, str]) -> tuple[tuple[str, str, str, str, str], float]:
    key = row["source"], row["method"], row["backbone"], row["metric"], row["category"]
    return key, float(row["value_percent"])

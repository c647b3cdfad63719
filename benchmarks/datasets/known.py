"""Data sets that are known: where each comes from, its licence, and how many images it has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from benchmarks.datasets.layouts import paired, visa
from benchmarks.datasets.layouts.folders import BTAD, LOCO, MVTEC, MVTEC_2

ImageCounts = tuple[int, int, int]
"""Training images, test images without and with a defect."""


@dataclass(frozen=True)
class Known:
    """A published data set.

    Attributes:
        title: what its authors call it.
        layout: the layout that it is distributed in.
        where: its official page.
        licence: the licence stated there; "" where that is not certain.
        counts: category → its counts as distributed.
    """

    title: str
    layout: str
    where: str
    licence: str
    counts: Mapping[str, ImageCounts]


_MVTEC = "https://www.mvtec.com/company/research/datasets/"

KNOWN = {
    "mvtec_ad": Known(
        "MVTec AD",
        MVTEC.name,
        _MVTEC + "mvtec-ad",
        "CC BY-NC-SA 4.0",
        {
            "bottle": (209, 20, 63),
            "cable": (224, 58, 92),
            "capsule": (219, 23, 109),
            "carpet": (280, 28, 89),
            "grid": (264, 21, 57),
            "hazelnut": (391, 40, 70),
            "leather": (245, 32, 92),
            "metal_nut": (220, 22, 93),
            "pill": (267, 26, 141),
            "screw": (320, 41, 119),
            "tile": (230, 33, 84),
            "toothbrush": (60, 12, 30),
            "transistor": (213, 60, 40),
            "wood": (247, 19, 60),
            "zipper": (240, 32, 119),
        },
    ),
    "mvtec_loco": Known(
        "MVTec LOCO AD",
        LOCO.name,
        _MVTEC + "mvtec-loco",
        "CC BY-NC-SA 4.0",
        {  # 83 + 90, 142 + 94, 91 + 81, 137 + 82 and 108 + 85 logical and structural anomalies
            "breakfast_box": (351, 102, 173),
            "juice_bottle": (335, 94, 236),
            "pushpins": (372, 138, 172),
            "screw_bag": (360, 122, 219),
            "splicing_connectors": (360, 119, 193),
        },
    ),
    "visa": Known(
        "VisA",
        visa.NAME,
        "https://github.com/amazon-science/spot-diff",
        "CC BY 4.0",
        {
            "candle": (900, 100, 100),
            "capsules": (542, 60, 100),
            "cashew": (450, 50, 100),
            "chewinggum": (453, 50, 100),
            "fryum": (450, 50, 100),
            "macaroni1": (900, 100, 100),
            "macaroni2": (900, 100, 100),
            "pcb1": (904, 100, 100),
            "pcb2": (901, 100, 100),
            "pcb3": (905, 101, 100),
            "pcb4": (904, 101, 100),
            "pipe_fryum": (450, 50, 100),
        },
    ),
    "mvtec_ad_2": Known(
        "MVTec AD 2",
        MVTEC_2.name,
        _MVTEC + "mvtec-ad-2",
        "CC BY-NC-SA 4.0",
        {  # of the public test images
            "can": (412, 72, 90),
            "fabric": (387, 66, 90),
            "fruit_jelly": (263, 20, 60),
            "rice": (313, 42, 90),
            "sheet_metal": (137, 24, 90),
            "vial": (291, 35, 105),
            "wallplugs": (293, 60, 90),
            "walnuts": (432, 60, 90),
        },
    ),
    "kolektor_sdd2": Known(
        "KolektorSDD2",
        paired.NAME,
        "https://www.vicos.si/resources/kolektorsdd2/",
        "CC BY-NC-SA 4.0",
        {paired.CATEGORY: (2085, 894, 110)},
    ),
    "btad": Known(
        "BTAD",
        BTAD.name,
        "https://github.com/pankajmishra000/VT-ADL",
        "",
        {"01": (400, 21, 49), "02": (399, 30, 200), "03": (1000, 400, 41)},
    ),
    "mpdd": Known(
        "MPDD",
        MVTEC.name,
        "https://github.com/stepanje/MPDD",
        "",
        {
            "bracket_black": (289, 32, 47),
            "bracket_brown": (185, 26, 51),
            "bracket_white": (110, 30, 30),
            "connector": (128, 30, 14),
            "metal_plate": (54, 26, 71),
            "tubes": (122, 32, 69),
        },
    ),
}

SYNTHETIC = "synthetic"
"""The embedded data set's name."""

OFFICIAL_COUNTS = KNOWN["mvtec_ad"].counts
"""MVTec AD: training images, test images without and with a defect."""


def name_of_others(folder: str) -> str:
    """Return what a data set that isn't known is called: as its folder, or never as a known one."""
    return f"{folder}-own" if folder in {*KNOWN, SYNTHETIC} else folder


def is_complete(dataset: str, categories: Collection[str]) -> bool:
    """Whether `categories` are all of a known data set; True of one that is not known.

    A mean over fewer is no number of the data set's.
    """
    known = KNOWN.get(dataset)
    return known is None or known.counts.keys() == {*categories}

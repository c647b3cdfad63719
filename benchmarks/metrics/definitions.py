"""Which metrics there are: what each means, its direction, unit and label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HEADLINE = ("image_auroc", "pixel_auroc", "aupro_30")

PRO_LIMIT = 0.3
"""The false-positive rate up to which the area under the PRO curve is taken."""


@dataclass(frozen=True)
class Metric:
    """What a metric's value means and how to show it.

    Attributes:
        name: the key in `metrics.csv`.
        label: the name in tables and figures.
        level: whether it judges image scores or anomaly maps.
        unit: "fraction" lies in [0, 1] and is shown in per cent; "images" is a count.
        higher_is_better: the direction of improvement.
        description: one sentence that defines it.
        counted_images: of a fraction of test images, which cells count as such: "n_test_good",
            "n_test_defect", or both; a baseline then tolerates whole images.
        extreme: whether it hangs on the lowest anomalous score, which resamples can only raise.
    """

    name: str
    label: str
    level: Literal["image", "pixel"]
    unit: Literal["fraction", "images"]
    higher_is_better: bool
    description: str
    counted_images: tuple[str, ...] = ()
    extreme: bool = False


# fmt: off
METRICS: dict[str, Metric] = {metric.name: metric for metric in (
    Metric("image_auroc", "Image AUROC",
           "image", "fraction", True,
           "Probability that an anomalous image scores above a normal one, ties counted half."),
    Metric("image_ap", "Image AP",
           "image", "fraction", True,
           "Average precision over images: precision summed over the steps of recall."),
    Metric("pixel_auroc", "Pixel AUROC",
           "pixel", "fraction", True,
           "Probability that a defect pixel scores above a defect-free one, over all test images."),
    Metric("pixel_ap", "Pixel AP",
           "pixel", "fraction", True,
           "Average precision over the pixels of all test images."),
    Metric("aupro_30", "AUPRO (FPR ≤ 0.3)",
           "pixel", "fraction", True,
           "Mean share of a defect region that is found, averaged over pixel FPRs from 0 to 0.3."),
    Metric("error_at_full_recall", "Error at 100% recall",
           "image", "fraction", False,
           "Share of test images misclassified when every anomalous image is found.",
           counted_images=("n_test_good", "n_test_defect"), extreme=True),
    Metric("false_positives_at_full_recall", "False positives at 100% recall",
           "image", "images", False,
           "Normal images called anomalous when every anomalous image is found.", extreme=True),
    Metric("false_positive_rate_at_full_recall", "False-positive rate at 100% recall",
           "image", "fraction", False,
           "Share of normal images called anomalous when every anomalous image is found.",
           counted_images=("n_test_good",), extreme=True),
    Metric("error_at_f1_optimal", "Error at optimal F1",
           "image", "fraction", False,
           "Share of test images misclassified at the threshold that maximises F1.",
           counted_images=("n_test_good", "n_test_defect")),
    Metric("false_positives_at_f1_optimal", "False positives at optimal F1",
           "image", "images", False,
           "Normal images called anomalous at the threshold that maximises F1."),
    Metric("false_negatives_at_f1_optimal", "False negatives at optimal F1",
           "image", "images", False,
           "Anomalous images called normal at the threshold that maximises F1."),
    Metric("f1_max", "Maximal F1",
           "image", "fraction", True,
           "The highest F1 of any threshold, anomalous images being the positives."),
)}
# fmt: on

MAIN = ("image_auroc", "pixel_auroc", "aupro_30", "error_at_full_recall")
"""What the terminal shows; every metric gets its files."""

"""One method on one category: what was asked, what came out, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from benchmarks import specs
from benchmarks.datasets.losses import DefectsLost
from benchmarks.metrics.calibrated import KNOWN
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol

AGAIN = "run its command again, with --force where it finds nothing left to do"
"""What helps against a file of a cell that is damaged."""

_NEVER = "1970-01-01T00:00:00+00:00"


def checked_time(text: str) -> str:
    """Return a time in ISO 8601 as it is.

    Raises:
        ValueError: it is none.
    """
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"no time in ISO 8601: {text}") from error
    return text


def later_parts(stored: Mapping[str, Any]) -> list[str]:
    """Return which parts of a stored cell only a later version of this program can have written.

    Args:
        stored: a cell as it was stored.

    Raises:
        KeyError, TypeError, AttributeError: it is none.
    """
    spec = stored["spec"]
    protocol = spec["protocol"]
    kinds = (Cell, stored), (CellSpec, spec), (EvaluationProtocol, protocol)
    known = *kinds, (BackboneSpec, protocol["backbone"])
    names = [
        name for kind, values in known for name in values if name not in kind.__dataclass_fields__
    ]
    versions = {
        "extractor_version": specs.EXTRACTOR_VERSION,
        "metrics_version": specs.METRICS_VERSION,
    }
    newer = [f"{name} {spec[name]}" for name, today in versions.items() if spec[name] > today]
    return [*names, *sorted(stored.get("metrics", {}).keys() - KNOWN.keys()), *newer]


@dataclass(frozen=True)
class Cell:
    """One method on one category: what was asked, what came out, and what it took.

    Attributes:
        spec: what makes its numbers.
        status: "ok" or "failed".
        error: one line where it failed, else empty.
        metrics: metric → value, None where undefined; empty where the cell failed.
        scores: path of the image scores relative to the run's folder, None where it failed.
        maps: path of the example maps, likewise.
        log: path of the traceback, likewise; None where it is ok, or the error says all.
        card: of a GPU its name, compute capability, driver, CUDA and cuDNN; empty for a CPU, and
            where that is not known.
        place: which folder the data set lay in, as a hash; empty where that is not known.
        unseen_defects: defect images of which the crop shows nothing of the defect; None without
            masks, and where that isn't known.
        unseen_share: share of the defect pixels that the crop cuts off, likewise.
        unseen_area: without masks, at most what share of an image the crop cuts off.
        vanished_defects: defect images that the crop shows, but without a defect pixel once masks
            are resized; None as `unseen_defects`, and so are the following.
        defect_regions: connected regions of defects, at the images' own sizes, in the crop.
        vanished_regions: those of them that have no pixel left.
        torn_regions: those of them that resizing has made several of.
        measured_regions: the regions that AUPRO is a mean of.
        unmarked_defects: anomalous images without a defect pixel in the square, which AUPIMO leaves
            out; None without masks, and where that isn't known.
        warnings: what looked wrong with the category's data, or with what the method does.
        code: hash of the method's code; behind `@` the release of the project, if it is of it.
            Empty where that is not known.
        n_held_out: training images that set thresholds; None where none were held out.
        thresholds: `image_05` → above which score an image is an alarm for 5 % of false ones,
            `pixel_05` → likewise a pixel; None where that takes more images.
        held_out: path of their scores, as `scores`.
    """

    spec: CellSpec
    status: str
    error: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    n_train: int | None = None
    n_test_good: int | None = None
    n_test_defect: int | None = None
    fit_seconds: float | None = None
    score_seconds: float | None = None
    peak_memory_mb: float | None = None
    device: str = ""
    card: Mapping[str, str] = field(default_factory=dict)
    git_sha: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    started_utc: str = ""
    scores: str | None = None
    maps: str | None = None
    log: str | None = None
    place: str = ""
    unseen_defects: int | None = None
    unseen_share: float | None = None
    unseen_area: float | None = None
    vanished_defects: int | None = None
    defect_regions: int | None = None
    vanished_regions: int | None = None
    torn_regions: int | None = None
    measured_regions: int | None = None
    unmarked_defects: int | None = None
    warnings: Sequence[str] = field(default_factory=list)
    code: str = ""
    n_held_out: int | None = None
    thresholds: Mapping[str, float | None] = field(default_factory=dict)
    held_out: str | None = None

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Cell:
        """Return the cell that was stored as these values, without fields of a later version.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is none.
        """
        known = {name: stored[name] for name in stored if name in cls.__dataclass_fields__}
        cell = cls(**{**known, "spec": CellSpec.from_dict(stored["spec"])})
        checked_time(cell.started_utc or _NEVER)
        return cell

    @property
    def lost(self) -> DefectsLost | None:
        """What crop and resizing take from its category's defects; None where that isn't known."""
        if self.unseen_share is None:
            return None
        return DefectsLost(*(getattr(self, part.name) or 0 for part in fields(DefectsLost)))

    @property
    def started(self) -> datetime:
        """When its evaluation began; 1970 where that is not known."""
        begun = datetime.fromisoformat(self.started_utc or _NEVER)
        return begun.replace(tzinfo=begun.tzinfo or UTC).astimezone(UTC)

    @property
    def key(self) -> str:
        """The identity of what was asked, as hex."""
        return self.spec.key

    def is_of_other_code(self, code: str) -> bool:
        """Whether its method's code is known not to be `code`, which is of the same release."""
        (ours, _, our_release), (theirs, _, release) = self.code.partition("@"), code.partition("@")
        return bool(ours and theirs) and ours != theirs and our_release == release

    @property
    def failure(self) -> str:
        """Why it failed, and which file of the run's folder has the traceback."""
        return f"{self.error}; traceback: {self.log}" if self.log else self.error

    @property
    def short_key(self) -> str:
        """The beginning of the key, as metrics.csv names a cell."""
        return self.key[:16]

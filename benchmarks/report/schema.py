"""What the page's script is given: the names and types of every part of its content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

Grid = list[list[float | None]]
"""A value a row, categories and then their mean, and a method; None where there is none."""


class PageMetric(TypedDict):
    """A metric, as `benchmarks.metrics.definitions.Metric` has it."""

    name: str
    label: str
    unit: str
    higher_is_better: bool
    description: str


class PageCategory(TypedDict):
    """A category and its numbers of images, None where no cell knows them."""

    name: str
    n_good: int | None
    n_defect: int | None


class PageMethod(TypedDict):
    """A method, its parameters and seeds, and how its lines look."""

    name: str
    params: dict[str, Any]
    seeds: list[int]
    colour: str
    dash: str


class RankedMethod(TypedDict):
    """A method's place in a ranking: `method` is its index among the set's methods.

    `range` are the lowest and the highest of several seeds, where they stand for a deviation.
    """

    method: int
    value: float
    deviation: float | None
    range: list[float] | None
    low: float | None
    high: float | None
    marked: bool


class PageRanking(TypedDict):
    """The methods, best first, which is best in words, and what that is worth."""

    methods: list[RankedMethod]
    verdict: str
    note: str


class PageTable(TypedDict):
    """A metric's values; `best` are the indices of the methods that are marked in each row.

    `ranges` are the lowest and the highest of several seeds, where they stand for deviations.
    `front` are the methods, fastest first, that no other is as good as in time and in the mean.
    """

    values: Grid
    deviations: Grid
    ranges: list[Grid] | None
    failed: list[list[bool]]
    low: Grid | None
    high: Grid | None
    interval_note: str
    best: list[list[int]]
    left_out: str
    note: str
    ranking: PageRanking
    front: list[int]
    published: Grid | None
    published_note: str


class PageImages(TypedDict):
    """A category's test images, in the order of their tiles, and what each defect covers.

    `images` and `masks` are numbers of sheets with `columns` tiles in a row, None without maps;
    `masks` and `areas` are None without masks, too.
    """

    names: list[str]
    labels: list[int]
    kinds: list[str]
    images: int | None
    masks: int | None
    columns: int
    areas: list[float] | None


class PagePoint(TypedDict):
    """A working point: images that score `threshold` or more are called anomalous."""

    threshold: float


class PageCell(TypedDict):
    """A cell; `maps` is the number of the sheet of its maps, `pro` rates and overlaps.

    `thresholds` are what held-out images set: above `image_05` is an alarm for 5 % of false ones.
    """

    status: str
    error: str
    scores: list[float | None] | None
    full_recall: PagePoint | None
    f1_optimal: PagePoint | None
    pro: list[list[float]] | None
    maps: int | None
    thresholds: Mapping[str, float | None]
    fit_seconds: float | None
    score_seconds: float | None
    peak_memory_mb: float | None


class PageExtraction(TypedDict):
    """Images that a category's cells needed, how many passed a backbone, and how long it took."""

    category: str
    images: int
    passed: int
    seconds: float


class PageCall(TypedDict):
    """A call of the program that evaluated some of the cells."""

    started_utc: str
    seconds: float
    workers: int
    device: str
    cells: int
    failed: int


class PageSet(TypedDict):
    """A result set; `images` has an element a category, `cells` one a category and method."""

    short: str
    caption: str
    notes: list[str]
    decision: PageDecision
    synthetic: bool
    facts: list[list[str]]
    categories: list[PageCategory]
    methods: list[PageMethod]
    tables: dict[str, PageTable]
    verdicts: list[list[str]]
    verdicts_note: str
    images: list[PageImages | None]
    cells: list[list[PageCell | None]]
    extractions: list[PageExtraction]
    calls: list[PageCall]


class PageCost(TypedDict):
    """A method's index, and what it takes: the fields of `benchmarks.results.costs.Cost`."""

    method: int
    cost: Mapping[str, Any]


class PageJudged(TypedDict):
    """A method at thresholds that held-out images set: means over categories, with intervals.

    Of several seeds they are means with the range. `images` are the first seed's false alarms,
    normal images, missed and anomalous images of all categories.
    """

    method: int
    alarms: list[float | None]
    missed: list[float | None]
    images: list[int]


class PageWorkingPoint(TypedDict):
    """A promised false-alarm rate in per cent, what follows, and how thresholds were set."""

    alpha: int
    methods: list[PageJudged]
    note: str


class PageEnough(TypedDict):
    """Two methods, the better first, and how many test images would tell them apart, in words."""

    first: int
    second: int
    text: str


class PageDecision(TypedDict):
    """What the first view decides by; `timed` says how costs were measured, "" without any."""

    points: list[PageWorkingPoint]
    note: str
    costs: list[PageCost]
    timed: str


class PagePair(TypedDict):
    """Two sets that are compared: what differs in their specifications, and the paired tests.

    `spec` has a field and its two values a row; `tests` category → method → p value, which shows a
    difference where it is below `level`.
    """

    first: int
    second: int
    spec: Sequence[Sequence[Any]]
    tests: Mapping[str, Mapping[str, float | None]]
    level: float


class Content(TypedDict):
    """Everything; `note` says where pictures had to shrink.

    `enough` has an element a set.
    """

    title: str
    note: str
    metrics: list[PageMetric]
    sets: list[PageSet]
    enough: list[list[PageEnough]]
    pairs: list[PagePair]

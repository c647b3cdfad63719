"""The supplement's figures and counts of errors show what the cells hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmarks.backbones.choice import without_overrides
from benchmarks.figures.curves import CURVES
from benchmarks.figures.style import LOOK
from benchmarks.metrics.definitions import HEADLINE
from benchmarks.metrics.image import image_metrics
from benchmarks.results import Cell, Store
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.judged_images import count_errors, counts_markdown
from benchmarks.supplement.method_curves import GRID, draw_method_curves, mean_curve
from benchmarks.supplement.misclassified import draw_misclassified
from benchmarks.supplement.size_sweep import draw_size_sweep
from benchmarks.supplement.trials import (
    ERRORS_METHOD,
    METHODS,
    Cells,
    Settings,
    Trial,
    main_trials,
    sweep_trials,
)
from tests.helpers.runs import MVTEC_AD, generator
from tests.helpers.runs import Cell as Stored

SETTINGS = Settings("wide_resnet50_2[layers=a+b]", "starred", "large", "a+b", ("a",), 112, (3, 4))
ERRORS = SETTINGS.trial(ERRORS_METHOD)
SIDE = 16

Images = Mapping[str, float]
"""Name of a test image → its score."""


@pytest.fixture(autouse=True)
def _look() -> Iterator[None]:
    with matplotlib.style.context(["default", LOOK]):
        yield


def label(name: str) -> int:
    return int(Path(name).parent.name != "good")


def write_cell(run: Path, stem: str, images: Images, *, maps: bool = True) -> Cell:
    """Store what `images` are scored, and a map of each; areas are 0.9."""
    labels = [label(name) for name in images]
    values = image_metrics(labels, list(images.values())) | dict.fromkeys(HEADLINE, 0.9)
    spec, store = Stored(stem, ERRORS_METHOD).spec, Store(run)
    scores = [(name, label(name), score) for name, score in images.items()]
    store.write(
        Cell(spec, "ok", metrics=values),
        scores,
        arrays(stem, images) if maps else None,
    )
    cell = store.find(spec)
    assert cell is not None
    return cell


def arrays(stem: str, images: Images) -> dict[str, Any]:
    shape = (len(images), SIDE, SIDE)
    masks = np.zeros(shape, bool)
    masks[:, 4:9, 4:9] = np.array([label(name) for name in images], bool)[:, None, None]
    return {
        "names": np.array(list(images)),
        "images": generator(stem).integers(0, 255, (*shape, 3)).astype(np.uint8),
        "masks": masks,
        "maps": generator(stem, "maps").uniform(0.5, 1.5, shape).astype(np.float32),
        "scores": np.array(list(images.values())),
    }


def some_images(*names: object) -> dict[str, float]:
    """Return overlapping, partly tied scores of good, bent and cut images."""
    random = generator(*names)
    counts = {"good": 20, "bent": 20, "cut": 10}
    return {
        f"test/{kind}/{number:03}.png": round(float(random.normal(5 + 2 * (kind != "good"))), 1)
        for kind, count in counts.items()
        for number in range(count)
    }


def naive_errors(images: Images) -> tuple[float, set[str], set[str]]:
    """Return the F1-optimal threshold, the false positives and the false negatives."""
    best = (-1.0, 0.0)
    for threshold in sorted(set(images.values()), reverse=True):
        called = [name for name, score in images.items() if score >= threshold]
        true = sum(map(label, called))
        best = max(best, (2 * true / (len(called) + sum(map(label, images))), -threshold))
    threshold = -best[1]
    return (
        threshold,
        {name for name, score in images.items() if score >= threshold and not label(name)},
        {name for name, score in images.items() if score < threshold and label(name)},
    )


def evaluated(
    run: Path, cells: Cells, categories: Sequence[str], dataset: str = "parts"
) -> EvaluatedTrials:
    return EvaluatedTrials(SETTINGS, cells, tuple(categories), dataset, True, run)


def pages(
    run: Path, cells: Cells, categories: Sequence[str], dataset: str = "parts"
) -> dict[str, Figure]:
    return dict(draw_misclassified(evaluated(run, cells, categories, dataset)))


def shown(figures: Mapping[str, Figure], name: str) -> list[tuple[str, str]]:
    """Return (category, kind/number) of the tiles of a figure's pages."""
    found = []
    for page, figure in figures.items():
        if page.startswith(name):
            labels = [panel.get_xlabel().split("\n") for panel in figure.axes]
            found += [(lines[0], lines[1]) for lines in labels if len(lines) == 3]
    return found


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for panel in figure.axes for text in panel.texts]


def one_line(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def short(name: str) -> str:
    return "/".join(Path(name).with_suffix("").parts[-2:])


def test_the_errors_shown_are_those_of_the_definition(tmp_path: Path) -> None:
    images = {category: some_images(category) for category in ("bolt", "gear")}
    cells = {ERRORS: {c: write_cell(tmp_path, c, of) for c, of in images.items()}}
    figures = pages(tmp_path, cells, list(images))
    positives, negatives = set(), set()
    for category, of_category in images.items():
        _, false_positives, false_negatives = naive_errors(of_category)
        positives |= {(category, short(name)) for name in false_positives}
        negatives |= {(category, short(name)) for name in false_negatives}
    assert positives
    assert negatives
    assert sorted(shown(figures, "figS1")) == sorted(positives)
    assert sorted(shown(figures, "figS2")) == sorted(negatives)


def test_maps_are_shown_in_units_of_the_threshold_on_one_scale(tmp_path: Path) -> None:
    images = {category: some_images(category) for category in ("bolt", "gear")}
    cells = {ERRORS: {c: write_cell(tmp_path, c, of) for c, of in images.items()}}
    scales = set()
    for figure in pages(tmp_path, cells, list(images)).values():
        tiles = [panel for panel in figure.axes if panel.images]
        for panel in tiles:
            category, name, ratio = panel.get_xlabel().split("\n")
            threshold, *_ = naive_errors(images[category])
            stored = arrays(category, images[category])
            (row,) = (r for r, full in enumerate(stored["names"]) if short(full) == name)
            image, _, heat = panel.images
            np.testing.assert_array_equal(image.get_array(), stored["images"][row])
            relative = stored["maps"][row] / threshold
            np.testing.assert_allclose(np.asarray(heat.get_array()), relative, rtol=1e-6)
            assert ratio == f"score / threshold = {stored['scores'][row] / threshold:.3f}"
            assert len(panel.collections) == (0 if name.startswith("good") else 2)
            scales.add(heat.get_clim())
    ((low, high),) = scales
    assert low < 1 < high


def test_more_errors_than_fit_take_several_pages(tmp_path: Path) -> None:
    # To find what is bent takes a threshold that calls 500 good images anomalous.
    kinds = (("cut", 70, 3.0), ("good", 500, 2.0), ("bent", 30, 1.0))
    images = {f"test/{k}/{n:03}.png": score for k, count, score in kinds for n in range(count)}
    cells = {ERRORS: {"bolt": write_cell(tmp_path, "bolt", images)}}
    figures = pages(tmp_path, cells, ["bolt"])
    assert list(figures) == ["figS1", "figS2-1", "figS2-2"]
    assert len(shown(figures, "figS2-1")) == 24
    assert sorted(shown(figures, "figS2")) == [("bolt", f"bent/{n:03}") for n in range(30)]
    assert "(n = 30, page 2 of 2)" in one_line(figures["figS2-2"])


def test_without_errors_there_is_still_a_figure(tmp_path: Path) -> None:
    images = {"test/good/000.png": 1.0, "test/cut/000.png": 2.0}
    cells = {ERRORS: {"bolt": write_cell(tmp_path, "bolt", images)}}
    figures = pages(tmp_path, cells, ["bolt", "gear"])
    assert list(figures) == ["figS1", "figS2"]
    for figure in figures.values():
        assert texts(figure) == ["none"]
        assert one_line(figure).endswith("Without scores of both classes: gear.")


def test_without_scores_the_figures_say_so(tmp_path: Path) -> None:
    figures = pages(tmp_path, {ERRORS: {"bolt": Cell({}, "failed")}}, ["bolt"])
    assert [texts(figure) for figure in figures.values()] == [["nothing evaluated"]] * 2


@pytest.mark.parametrize("lost", ["never stored", "file gone", "not in the file"])
def test_an_error_without_a_map_is_still_shown(tmp_path: Path, lost: str) -> None:
    images = some_images("bolt")
    cell = write_cell(tmp_path, "bolt", images, maps=lost != "never stored")
    if lost == "file gone":
        (tmp_path / str(cell.maps)).unlink()
    if lost == "not in the file":
        others = {f"test/good/x{n}.png": 1.0 for n in range(3)}
        np.savez(tmp_path / str(cell.maps), **arrays("bolt", others))
    figures = pages(tmp_path, {ERRORS: {"bolt": cell}}, ["bolt"])
    _, positives, _ = naive_errors(images)
    assert len(shown(figures, "figS1")) == len(positives)
    assert texts(figures["figS1"])[: len(positives)] == ["no map stored"] * len(positives)
    assert "anomaly map" not in one_line(figures["figS1"])


def test_counts_are_by_category_and_kind(tmp_path: Path) -> None:
    images = {
        "test/cut/000.png": 5.0,
        "test/cut/001.png": 4.0,
        "test/bent/000.png": 1.0,
        "test/bent/001.png": 4.5,
        "test/good/000.png": 4.0,
        "test/good/001.png": 1.5,
        "test/good/002.png": 1.2,
    }
    trials = main_trials(SETTINGS)
    cells: Cells = {
        trials["spade"]: {"bolt": write_cell(tmp_path, "a", images)},
        trials["padim"]: {"bolt": Cell({}, "failed"), "gear": write_cell(tmp_path, "b", images)},
    }
    made_of = evaluated(tmp_path, cells, ["bolt", "gear"])
    counts = count_errors(made_of)
    assert counts.to_numpy().tolist() == [
        ["spade", "bolt", "cut", 0, 0, 2],
        ["spade", "bolt", "bent", 0, 1, 2],
        ["spade", "bolt", "good", 1, 0, 3],
        ["padim", "gear", "cut", 0, 0, 2],
        ["padim", "gear", "bent", 0, 1, 2],
        ["padim", "gear", "good", 1, 0, 3],
    ]
    lines = counts.to_csv(index=False).splitlines()
    assert lines[0] == "method,category,defect,false_positives,false_negatives,images"
    assert lines[3] == "spade,bolt,good,1,0,3"
    table = counts_markdown(counts, made_of).splitlines()
    cells_of = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]
    assert cells_of[0] == ["category", "defect", "images", "spade", "padim"]
    assert cells_of[4] == ["bolt", "good", "3", "1", "–"]
    assert cells_of[6] == ["gear", "bent", "2", "–", "1"]


def test_the_mean_curve_is_that_worked_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    both = [np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])]
    at = np.searchsorted(GRID, [0.25, 0.5, 0.75, 1])
    # The second one's true-positive rate is 1/2 below a false-positive rate of 1/2, then 1; its
    # precision is 1 up to a recall of 1/2, then 2/3. The first one's are 1.
    for name, expected in (("roc", [0.75, 1, 1, 1]), ("precision_recall", [1, 1, 5 / 6, 5 / 6])):
        curve = CURVES[name]
        mean = mean_curve(curve, [curve.points(labels, scores) for scores in both])
        np.testing.assert_allclose(mean[at], expected)


def main_cells(run: Path, categories: Sequence[str]) -> dict[Trial, dict[str, Cell]]:
    return {
        trial: {c: write_cell(run, f"{m}-{c}", some_images(m, c), maps=False) for c in categories}
        for m, trial in main_trials(SETTINGS).items()
    }


def test_a_method_that_lacks_a_category_has_no_mean(tmp_path: Path) -> None:
    cells = main_cells(tmp_path, ["bolt", "gear"])
    cells[SETTINGS.trial("padim")]["gear"] = Cell({}, "failed")
    figure = draw_method_curves(evaluated(tmp_path, cells, ["bolt", "gear"]))
    curves, errors = figure.axes[:10], figure.axes[10:]
    assert [panel.get_title() for panel in curves[:3]] == [
        *("spade", "padim\nno mean: 1 of 2", "patchcore-25")
    ]
    assert [len(panel.lines) for panel in curves] == [3, 1, 3, 3, 3] * 2
    assert errors[0].get_yticklabels()[1].get_text() == "padim\nno mean: 1 of 2"
    for panel, metric in zip(errors, ("error_at_full_recall", "error_at_f1_optimal"), strict=True):
        bars = {bar.get_label(): bar[0].get_width() for bar in panel.containers}
        assert list(bars) == [method for method in METHODS if method != "padim"]
        of_spade = cells[SETTINGS.trial("spade")].values()
        expected = 100 * np.array([cell.metrics[metric] for cell in of_spade], float)
        assert bars["spade"] == pytest.approx(expected.mean())
        np.testing.assert_allclose(np.asarray(panel.lines[0].get_xdata()), expected)
        assert [np.size(dots.get_xdata()) for dots in panel.lines] == [2, 1, 2, 2, 2]


def test_a_single_category_is_one_line_a_method(tmp_path: Path) -> None:
    cells = main_cells(tmp_path, ["bolt"])
    figure = draw_method_curves(evaluated(tmp_path, cells, ["bolt"]))
    assert [[line.get_label() for line in p.lines] for p in figure.axes[:5]] == [
        [method] for method in METHODS
    ]
    assert ", bolt on parts" in one_line(figure)


def sweep_cells(categories: Sequence[str]) -> dict[Trial, dict[str, Cell]]:
    return {
        trial: {
            category: Cell({}, "ok", metrics=dict.fromkeys(HEADLINE, size / 1000 + place / 10))
            for place, category in enumerate(categories)
        }
        for (size, _), trial in sweep_trials(SETTINGS).items()
    }


def test_a_point_that_lacks_a_category_is_left_out(tmp_path: Path) -> None:
    cells = sweep_cells(["bolt", "gear"])
    trials = sweep_trials(SETTINGS)
    del cells[trials[288, 3]]["gear"]
    cells[trials[448, 9]]["bolt"] = Cell({}, "ok", metrics=dict.fromkeys(HEADLINE))
    figure = draw_size_sweep(evaluated(tmp_path, cells, ["bolt", "gear"]))
    for panel in figure.axes:
        three, five, _, nine = panel.lines
        np.testing.assert_array_equal(five.get_xdata(), [112, 144, 180, 224])
        np.testing.assert_allclose(np.asarray(five.get_ydata()), np.array([27.4, 33.8, 41, 49.8]))
        np.testing.assert_array_equal(three.get_xdata(), [112, 180, 224])
        np.testing.assert_array_equal(nine.get_xdata(), [112, 144, 180])
    said = "P = 3 at 144 px (1 of 2), P = 9 at 224 px (1 of 2)."
    assert one_line(figure).endswith(said)
    assert "112–224 px" in one_line(figure)


def test_patch_sizes_differ_without_colour(tmp_path: Path) -> None:
    figure = draw_size_sweep(evaluated(tmp_path, sweep_cells(["bolt"]), ["bolt"]))
    lines = figure.axes[0].lines
    assert (
        len({line.get_marker() for line in lines})
        == len({line.get_linestyle() for line in lines})
        == 4
    )


def test_captions_name_the_data_and_say_where_they_are_synthetic(tmp_path: Path) -> None:
    assert without_overrides("a[layers=x+y]+b[weights=/w]") == "a+b"
    real, made = (evaluated(tmp_path, {}, [], dataset) for dataset in ("parts", "synthetic"))
    assert real.caption("Maps") == "Maps on parts; wide_resnet50_2, 112 px; seed 3."
    assert made.caption("Maps").startswith("SYNTHETIC DATA. Maps on synthetic;")


@pytest.mark.filterwarnings("error::UserWarning")  # matplotlib's, where a layout fails
@pytest.mark.parametrize("categories", [MVTEC_AD, ["screw"]])
@pytest.mark.parametrize("whole", [True, False])
def test_nothing_is_clipped_or_overlaps(tmp_path: Path, categories: list[str], whole: bool) -> None:
    cells = main_cells(tmp_path, categories) | sweep_cells(categories)
    cells[ERRORS] = {c: write_cell(tmp_path, c, some_images(c), maps=whole) for c in categories}
    if not whole:
        for stored in cells.values():
            stored.pop(categories[0])
        cells[SETTINGS.trial("spade")] = {}
    figures = [
        *pages(tmp_path, cells, categories, "synthetic").values(),
        draw_method_curves(evaluated(tmp_path, cells, categories, "synthetic")),
        draw_size_sweep(evaluated(tmp_path, cells, categories, "synthetic")),
    ]
    for figure in figures:
        assert figure.get_figwidth() == 7
        assert one_line(figure).startswith("SYNTHETIC DATA. ")
        check_layout(figure)


def check_layout(figure: Figure) -> None:
    figure.draw_without_rendering()
    panels = [box for panel in figure.axes if (box := panel.get_tightbbox()) is not None]
    others = [part.get_window_extent() for part in (*figure.texts, *figure.legends)]
    boxes = [*panels, *others]
    for place, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height
        assert not any(box.overlaps(other) for other in boxes[:place])

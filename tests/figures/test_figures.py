"""Figures show the stored numbers, are valid files, and look alike everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.font_manager
import matplotlib.style
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import precision_recall_curve, roc_curve

from benchmarks import processes
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.figures import fonts, writing
from benchmarks.figures.__main__ import main
from benchmarks.figures.curves import CURVES, draw_curves, draw_spread
from benchmarks.figures.example_maps import draw_examples
from benchmarks.figures.overview import draw_overview
from benchmarks.figures.style import LOOK, style, wrap_name
from benchmarks.figures.working_points import draw_working_points
from benchmarks.figures.writing import write_figures
from benchmarks.results import ResultSet, result_sets
from tests.helpers.pictures import assert_drawn, ink, pixels_of
from tests.helpers.runs import Cell, some_maps, some_scores, write_run

VALUES = {
    "image_auroc": 0.9,
    "pixel_auroc": 0.8,
    "aupro_30": 0.7,
    "error_at_full_recall": 0.25,
    "error_at_f1_optimal": 0.125,
}
KNOWN = (
    *("patchcore-100", "patchcore-25", "patchcore-10", "patchcore-1"),
    *("spade", "spade-5", "padim", "padim-full"),
)


def cell(category: str, method: str, **more: Any) -> Cell:
    scores = some_scores(category, method)
    return Cell(category, method, VALUES, **{"scores": scores} | more)


def comparison(tmp_path: Path, cells: Sequence[Cell]) -> ResultSet:
    (only,) = result_sets(write_run(tmp_path, cells))
    return only


def curves(tmp_path: Path, cells: Sequence[Cell], kind: str = "roc") -> Figure:
    found = comparison(tmp_path, cells)
    return draw_curves(found, CURVES[kind])


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for panel in figure.axes for text in panel.texts if text.get_text()]


def caption(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


@pytest.mark.parametrize("kind", ["roc", "precision_recall"])
def test_curves_are_those_of_scikit_learn(tmp_path: Path, kind: str) -> None:
    cells = [cell(c, m) for c in ("bolt", "gear") for m in ("spade", "padim")]
    figure = curves(tmp_path, cells, kind)
    assert [panel.get_title() for panel in figure.axes] == ["bolt", "gear"]
    for panel in figure.axes:
        assert [line.get_label() for line in panel.lines] == ["spade", "padim"]
        for line in panel.lines:
            scores = some_scores(panel.get_title(), str(line.get_label()))
            if kind == "roc":
                x, y, _ = roc_curve(*scores)
            else:
                y, x, _ = precision_recall_curve(*scores)
            np.testing.assert_array_equal(line.get_xydata(), np.column_stack([x, y]))


def test_curves_show_the_first_seed(tmp_path: Path) -> None:
    second = some_scores("bolt", "another seed")
    figure = curves(tmp_path, [cell("bolt", "a", seed=5, scores=second), cell("bolt", "a", seed=3)])
    false_positive_rate, true_positive_rate, _ = roc_curve(*some_scores("bolt", "a"))
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), false_positive_rate)
    np.testing.assert_array_equal(line.get_ydata(), true_positive_rate)
    assert "; seed 3; " in caption(figure)


def test_panels_say_which_methods_they_lack_and_why(tmp_path: Path) -> None:
    figure = curves(
        tmp_path,
        [
            cell("bolt", "a"),
            cell("gear", "a"),
            cell("bolt", "b", status="failed", scores=None),
            cell("gear", "b"),
            cell("gear", "c", scores=None),
            cell("gear", "d", scores=([1, 1], [0.5, 0.7])),
        ],
    )
    assert texts(figure) == ["failed: b\nnot run: c\nnot run: d", "one class only: d\nno data: c"]
    assert [[line.get_label() for line in panel.lines] for panel in figure.axes] == [
        ["a"],
        ["a", "b"],
    ]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("count", [1, 2, 7, 15])
def test_every_category_has_a_panel(tmp_path: Path, count: int) -> None:
    names = [f"part{number:02}" for number in range(count)]
    figure = curves(tmp_path, [cell(name, "a") for name in names])
    assert [panel.get_title() for panel in figure.axes] == names
    assert figure.get_figwidth() == (3.4 if count < 3 else 7.0)


def test_working_points_are_bars_in_per_cent_with_the_mean_last(tmp_path: Path) -> None:
    cells = [
        replace(cell(category, method), values=VALUES | {"error_at_full_recall": value})
        for category, method, value in (
            ("bolt", "a", 0.1),
            ("gear", "a", 0.3),
            ("bolt", "b", 0.5),
            ("gear", "b", None),
        )
    ]
    figure = draw_working_points(comparison(tmp_path, cells))
    recall, f1 = figure.axes
    heights = {
        bars.get_label(): [round(bar.get_height(), 9) for bar in bars] for bars in recall.containers
    }
    assert heights == {"a": [10, 30, 20], "b": [50]}
    (crosses,) = (line for line in recall.lines if line.get_marker() == "x")
    assert [round(float(x)) for x in np.asarray(crosses.get_xdata())] == [1, 2]
    assert recall.get_title(loc="right").startswith("× failed, undefined")
    assert f1.get_title(loc="right") == ""
    assert [label.get_text() for label in f1.get_xticklabels()] == ["bolt", "gear", "mean"]


def test_the_overview_prints_means_and_says_where_there_is_none(tmp_path: Path) -> None:
    cells = [
        replace(cell("bolt", "a"), values=VALUES | {"image_auroc": 1.0}),
        cell("gear", "a"),
        cell("gear", "b"),
    ]
    figure = draw_overview(comparison(tmp_path, cells))
    assert texts(figure) == [
        *("95.0", "no complete set"),
        *("80.0", "no complete set"),
        *("70.0", "no complete set"),
    ]


def test_the_overview_of_one_category_needs_no_mean(tmp_path: Path) -> None:
    figure = draw_overview(comparison(tmp_path, [cell("screw", "a", dataset="mvtec_ad")]))
    assert texts(figure) == ["90.0", "80.0", "70.0"]
    assert caption(figure).startswith("Overview: screw on mvtec_ad")


def coloured(images: Any, maps: Any) -> Any:
    """Return maps on one scale, seven tenths opaque over grey images, in 0 to 255."""
    scaled = mpl.cm.ScalarMappable(Normalize(maps.min(), maps.max()), "inferno")
    return [
        0.7 * 255 * scaled.to_rgba(heat)[..., :3] + 0.3 * image.mean(axis=-1, keepdims=True)
        for image, heat in zip(images, maps, strict=True)
    ]


def test_examples_show_each_map_on_its_methods_scale_with_its_score(tmp_path: Path) -> None:
    maps = {method: some_maps("bolt", method) for method in ("a", "b")}
    # The second method keeps its images in another order, without the first.
    maps["b"] = {name: array[:0:-1] for name, array in maps["b"].items()}
    cells = [cell("bolt", method, maps=arrays) for method, arrays in maps.items()]
    cells.append(cell("bolt", "c", status="failed", scores=None))
    found = comparison(tmp_path, cells)
    figure = draw_examples(found)
    (panel,) = figure.axes
    shown = [text.get_text() for text in panel.texts]
    assert shown[:5] == ["image", "ground truth", "a", "b", "c"]
    pictures = panel.images
    assert len(pictures) == 3 * (2 + 2)  # of what both methods keep
    for row, (image, truth) in enumerate(zip(pictures[:6:2], pictures[1:6:2], strict=True)):
        for picture in (image, truth):
            np.testing.assert_array_equal(picture.get_array(), maps["a"]["images"][row + 1])
    a = maps["a"]
    blended = {
        method: coloured(arrays["images"][-3:], arrays["maps"][-3:])
        for method, arrays in maps.items()
    }
    for row, (heat, of_b) in enumerate(zip(pictures[6:9], pictures[9:], strict=True)):
        np.testing.assert_allclose(heat.get_array(), blended["a"][row], atol=0.51)
        assert f"{a['scores'][row + 1]:.3g}" == shown[8 + row]
        assert heat.get_extent()[1] < of_b.get_extent()[0]
        np.testing.assert_allclose(of_b.get_array(), blended["b"][-1 - row], atol=0.51)
    assert shown[-1] == "failed"
    assert len(panel.collections) == 3 * 3


def test_titles_of_narrow_columns_of_examples_do_not_overlap(tmp_path: Path) -> None:
    methods = [f"patchcore-25[patch_size={size}]" for size in range(1, 13)]
    cells = [cell("bolt", method, maps=some_maps("bolt", method)) for method in methods]
    with mpl.style.context(["default", LOOK]):
        figure = draw_examples(comparison(tmp_path, cells))
        figure.draw_without_rendering()
        titles = [text.get_window_extent() for text in figure.axes[0].texts[:14]]
    for left, right in pairwise(titles):
        assert left.x1 < right.x0
    assert titles[-1].x1 <= figure.bbox.x1


@pytest.mark.parametrize("maps", ["padded", "even"])
def test_what_has_no_value_shows_the_grey_image_and_equal_values_one_colour(
    tmp_path: Path, maps: str
) -> None:
    arrays = some_maps("bolt", "a")
    if maps == "padded":
        arrays["maps"][:, :, :8] = np.nan
    else:
        arrays["maps"][:] = 0.5
    (panel,) = draw_examples(comparison(tmp_path, [cell("bolt", "a", maps=arrays)])).axes
    for row, picture in enumerate(panel.images[8:]):
        drawn, grey = np.asarray(picture.get_array()), arrays["images"][row].mean(axis=-1)
        if maps == "padded":
            np.testing.assert_array_equal(drawn[:, :8], grey.round()[:, :8, None].repeat(3, -1))
            assert np.ptp(drawn[:, 8:], axis=-1).min() > 0
        else:
            colour = 0.7 * 255 * np.array(mpl.colormaps["inferno"](0.0)[:3])
            np.testing.assert_allclose(drawn, colour + 0.3 * grey[..., None], atol=0.51)


def test_captions_name_the_data_and_say_where_they_are_synthetic(tmp_path: Path) -> None:
    found = comparison(tmp_path, [cell("bolt", "a", maps=some_maps("bolt", "a"))])
    made = replace(found, dataset="synthetic")
    for data, start in ((found, ""), (made, "SYNTHETIC DATA. ")):
        figures = [
            draw_overview(data),
            draw_working_points(data),
            draw_curves(data, CURVES["roc"]),
            draw_examples(data),
        ]
        for figure in figures:
            assert caption(figure).startswith(start)
            assert ("SYNTHETIC" in caption(figure)) == bool(start)
            assert f" on {data.dataset}; wide_resnet50_2, weights" in caption(figure)
            assert "2025-03-04" in caption(figure)


@pytest.mark.slow
def test_figures_are_drawn_and_the_same_bytes_from_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 1)
    monkeypatch.setattr(writing, "FIGURES_PER_PROCESS", 3)
    cells = [cell(c, "padim", maps=some_maps(c, "padim")) for c in ("bolt", "gear")]
    run = write_run(tmp_path / "run", cells)
    settings = dict(mpl.rcParams)
    paths = write_figures(result_sets(run), tmp_path / "one")
    assert dict(mpl.rcParams) == settings
    assert {path.stem for path in paths} == {
        *("overview", "working_points", "roc", "precision_recall"),
        *("examples_bolt", "examples_gear"),
    }
    assert {*paths} == {*(tmp_path / "one").iterdir()}
    for path in paths:
        assert_drawn(path)
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert image.width <= 7.0 * 300
        if path.stem.startswith("examples"):
            assert path.suffix == ".png"
            assert ink(path) > 0.3
        elif path.suffix == ".png":
            assert pixels_of(path, style("padim").colour) > 300
    monkeypatch.setattr(processes, "cores", lambda: 2)
    for path in write_figures(result_sets(run), tmp_path / "two"):
        assert path.read_bytes() == (tmp_path / "one" / path.name).read_bytes()


def test_nothing_overlaps_in_a_figure_with_long_names(tmp_path: Path) -> None:
    methods = [*KNOWN[:5], "patchcore-10[patch_size=5,reweight=9]"]
    figure = curves(tmp_path, [cell("bolt", method) for method in methods])
    figure.draw_without_rendering()
    (panel,), (legend,) = figure.axes, figure.legends
    box, key = panel.get_tightbbox(), legend.get_window_extent()
    assert box is not None
    assert key.y1 <= box.y0
    assert key.x0 >= 0
    assert key.x1 <= figure.bbox.width
    assert box.y1 <= figure.texts[0].get_window_extent().y0


def test_many_categories_are_a_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"part{number:02}" for number in range(31)]
    run = write_run(tmp_path / "run", [cell(name, "a") for name in names])
    paths = write_figures(result_sets(run), tmp_path)
    assert {path.stem for path in paths} == {"overview", "roc", "precision_recall"}
    assert "left out: errors and maps of 31 categories" in capsys.readouterr().err
    for kind in CURVES:
        figure = draw_spread(
            comparison(tmp_path / "run", [cell(n, "a") for n in names]), CURVES[kind]
        )
        (panel,) = figure.axes
        (lines,) = panel.collections
        segments = lines.get_segments()
        assert len(segments) == 31
        assert [text.get_text() for text in panel.get_xticklabels()] == ["0", "0.5", "1"]
        x, y = CURVES[kind].points(*map(np.asarray, some_scores("part00", "a")))
        corners = set(map(tuple, np.column_stack([x, y]).tolist()))
        assert corners <= set(map(tuple, segments[0].tolist()))


def test_a_hundred_values_of_a_parameter_are_rows_of_the_overview(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = [f"padim[components={count}]" for count in range(1, 101)]
    run = write_run(tmp_path / "run", [cell("bolt", method) for method in methods])
    paths = write_figures(result_sets(run), tmp_path)
    assert {path.name for path in paths} == {"overview.png", "overview.svg"}
    assert "left out: curves, errors and maps of 100 methods" in capsys.readouterr().err
    figure = draw_overview(*result_sets(run))
    assert [panel.get_title() for panel in figure.axes] == [
        panel.get_xlabel() for panel in figure.axes
    ]


def test_each_protocol_has_its_own_figures(tmp_path: Path) -> None:
    cells = [cell("bolt", "a"), cell("bolt", "a", shots=5)]
    run = write_run(tmp_path / "run", cells)
    names = {path.name for path in write_figures(result_sets(run), tmp_path)}
    assert {"roc-1.png", "roc-2.png"} <= names


def test_a_run_without_scores_or_maps_still_has_its_bars(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [cell("bolt", "a", scores=None)])
    paths = write_figures(result_sets(run), tmp_path)
    assert {path.stem for path in paths} == {"overview", "working_points"}
    for path in paths:
        assert_drawn(path)


@pytest.mark.parametrize("kind", ["scores", "maps"])
def test_a_spoilt_file_is_named_in_one_line(tmp_path: Path, kind: str) -> None:
    run = write_run(tmp_path / "run", [cell("bolt", "a", maps=some_maps("bolt", "a"))])
    (path,) = (path for path in (run / kind).rglob("*") if path.is_file())
    path.write_bytes(path.read_bytes()[:20] + b"?")
    with pytest.raises(BenchmarkError) as caught:
        write_figures(result_sets(run), tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_figures_that_cannot_be_written_are_a_storage_error(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [cell("bolt", "a")])
    (tmp_path / "plots").write_text("in the way")
    with pytest.raises(StorageError, match="plots"):
        write_figures(result_sets(run), tmp_path / "plots")


@pytest.mark.parametrize(
    "name", [r"US$5 \frac$ gear", "$x^2$_{", "_%#&~^{}\\", "$", "\N{GRINNING FACE} בורג"]
)
def test_names_are_no_formulas(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [cell(name, "padim", maps=some_maps(name, "padim")), cell(name, f"{name}[k=1]")]
    run = write_run(tmp_path / "run", cells)
    paths = write_figures(result_sets(run), tmp_path)
    assert {f"examples_{name}.png", "overview.svg", "roc.svg"} <= {path.name for path in paths}
    for path in paths:
        assert_drawn(path)
    assert capsys.readouterr().err == ""
    with matplotlib.style.context(["default", LOOK]):
        labels = draw_working_points(*result_sets(run)).axes[-1].get_xticklabels()
    assert (name, False) in [(label.get_text(), label.get_parse_math()) for label in labels]


def test_characters_that_no_font_has_are_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    run = write_run(tmp_path / "run", [cell("螺栓", "a", maps=some_maps("螺栓", "a"))])
    assert len(write_figures(result_sets(run), tmp_path)) == 9
    err = capsys.readouterr().err
    assert (err.count("\n"), "no font here has 栓螺: figures show boxes" in err) == (1, True)
    assert not recwarn.list


def test_characters_that_another_font_has_are_drawn_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", [cell("螺", "a", scores=None)])
    names = {path.name for path in write_figures(result_sets(run), tmp_path / "one")}
    assert "no font here has" in capsys.readouterr().err
    file = str(font_of_squares(tmp_path / "squares.ttf", "螺"))
    monkeypatch.setattr(matplotlib.font_manager, "findSystemFonts", lambda: [file])
    fonts.fonts_with.cache_clear()
    known = [*matplotlib.font_manager.fontManager.ttflist]
    try:
        paths = write_figures(result_sets(run), tmp_path / "two")
    finally:
        matplotlib.font_manager.fontManager.ttflist[:] = known
        fonts.fonts_with.cache_clear()
    assert capsys.readouterr().err == ""
    drawings = [tmp_path / folder / "working_points.svg" for folder in ("one", "two")]
    assert ["Squares-" in drawing.read_text() for drawing in drawings] == [False, True]
    assert {path.name for path in paths} == names


def font_of_squares(path: Path, characters: str) -> Path:
    """Write a font in which each of some characters is a full square."""
    pen = TTGlyphPen(None)
    for number, place in enumerate([(0, 0), (0, 1000), (1000, 1000), (1000, 0)]):
        (pen.lineTo if number else pen.moveTo)(place)
    pen.closePath()
    square, names = pen.glyph(), [f"u{ord(c):x}" for c in characters]
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", *names])
    font.setupCharacterMap(dict(zip(map(ord, characters), names, strict=True)))
    font.setupGlyf(dict.fromkeys([".notdef", *names], square))
    font.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (1000, 0)))
    font.setupHorizontalHeader(ascent=1000, descent=0)
    font.setupNameTable({"familyName": "Squares", "styleName": "Regular", "psName": "Squares"})
    font.setupOS2()
    font.setupPost()
    font.save(path)
    return path


def test_a_figure_that_cannot_be_drawn_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", [cell("bolt", "a", scores=None)])
    names = {path.name for path in write_figures(result_sets(run), tmp_path)}

    def fail(*_: object, **__: object) -> float:
        raise RuntimeError("no\nway")

    monkeypatch.setattr("benchmarks.figures.overview.new_figure", fail)
    left = {path.name for path in write_figures(result_sets(run), tmp_path)}
    assert names - left == {"overview.png", "overview.svg"}
    assert not (tmp_path / "overview.svg").exists()
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "overview.png can't be drawn, and is left out (RuntimeError: no way)" in err


def test_main_writes_beside_results(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(folder / "results" / "mine", [cell("bolt", "a", scores=None)])
    assert main(["mine"]) == 0
    assert (folder / "plots" / "mine" / "overview.svg").is_file()
    assert main(["none"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "none" in line


def test_a_method_keeps_its_look_whatever_stands_beside_it(tmp_path: Path) -> None:
    names = ["padim", "mine", "patchcore-10[patch_size=5]"]
    looks: dict[str, set[Any]] = {name: set() for name in names}
    for chosen in (names, names[::-1], names[1:], names[:1]):
        figure = curves(tmp_path, [cell("bolt", name) for name in chosen])
        for line in figure.axes[0].lines:
            look = (line.get_color(), line.get_linestyle(), line.get_marker())
            looks[str(line.get_label())].add(look)
    assert [len(found) for found in looks.values()] == [1, 1, 1]


def test_looks_are_the_same_in_every_process() -> None:
    # Python's own hash of a string differs from process to process.
    code = "from benchmarks.figures.style import style; print(style('mine'))"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        shown = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
        assert shown.strip() == repr(style("mine"))


def test_a_variant_with_overrides_has_a_look_of_its_own() -> None:
    assert style("patchcore-10[patch_size=5]") != style("patchcore-10[patch_size=7]")
    assert style("patchcore-10[patch_size=5]") != style("patchcore-10")


def test_known_methods_differ_without_colour() -> None:
    for one, other in combinations(map(style, KNOWN), 2):
        assert one.colour != other.colour
        assert one.line != other.line
        assert one.marker != other.marker


def test_patchcore_gets_lighter_as_the_memory_bank_shrinks() -> None:
    luminance = [np.dot(to_rgb(style(name).colour), (0.2126, 0.7152, 0.0722)) for name in KNOWN[:4]]
    assert luminance == sorted(luminance)
    assert min(np.diff(luminance)) > 0.1


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("patchcore-25 @ resnet18", 40, ["patchcore-25 @ resnet18"]),
        ("patchcore-25 @ resnet18", 13, ["patchcore-", "25 @", "resnet18"]),
        ("efficientad (imported)", 12, ["efficientad", "(imported)"]),
        ("patchcore-25[patch_size=5]", 14, ["patchcore-25", "[patch_size=", "5]"]),
    ],
)
def test_names_break_at_punctuation_and_keep_their_spaces(
    name: str, width: int, lines: list[str]
) -> None:
    assert wrap_name(name, width).split("\n") == lines

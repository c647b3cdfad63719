from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, wilcoxon

from benchmarks.errors import BenchmarkError
from benchmarks.figures.critical_difference import draw_critical_difference
from benchmarks.metrics import METRICS, auroc, image_metrics, pixel_metrics
from benchmarks.metrics import resampled as uncertainty
from benchmarks.metrics.resampled import resampled_image_metrics, resampled_pixel_bounds
from benchmarks.results import result_sets
from benchmarks.statistics import (
    Pair,
    average_ranks,
    bootstrap_intervals,
    compare_categories,
    compare_images,
    delong_interval,
    groups,
)
from benchmarks.statistics.bootstrap import multiplicities, percentile_interval
from benchmarks.statistics.delong import delong_variance, paired_delong
from benchmarks.statistics.pairs import LEVEL, holm
from benchmarks.statistics.ranks import fewest_categories, signed_rank
from benchmarks.uncertainty import write_uncertainty
from benchmarks.uncertainty.__main__ import main
from tests.helpers.runs import MVTEC_AD, Cell, some_maps, some_scores, write_run

LABELS = np.repeat([0, 1], [8, 12])
SEEDS = st.integers(0, 2**32 - 1)


def drawn_scores(seed: int, digits: int = 8) -> Any:
    """Return overlapping scores of `LABELS`; few digits give ties."""
    return np.random.default_rng(seed).normal(loc=LABELS).round(digits)


# --- bootstrap ---


def test_resamples_keep_both_classes_as_large_as_they_are() -> None:
    drawn = multiplicities(LABELS, 50)
    assert drawn.shape == (50, 20)
    assert (drawn[:, LABELS == 0].sum(axis=1) == 8).all()
    assert (drawn[:, LABELS == 1].sum(axis=1) == 12).all()
    assert drawn.mean() == 1
    np.testing.assert_array_equal(drawn, multiplicities(LABELS, 50))
    assert (drawn != multiplicities(LABELS, 50, seed=1)).any()


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(0, 2))
def test_resampled_metrics_are_those_of_the_resampled_images(seed: int, digits: int) -> None:
    scores = drawn_scores(seed, digits)
    drawn = multiplicities(LABELS, 20, seed)
    values = resampled_image_metrics(LABELS, scores, drawn)
    assert {*values} == {name for name, metric in METRICS.items() if metric.level == "image"}
    for row, times in enumerate(drawn):
        expected = image_metrics(LABELS.repeat(times), scores.repeat(times))
        assert {name: value[row] for name, value in values.items()} == pytest.approx(expected)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_image_intervals_depend_on_ranks_alone_and_hold_the_estimate(seed: int) -> None:
    scores = drawn_scores(seed, 1)
    intervals = bootstrap_intervals(LABELS, scores)
    assert bootstrap_intervals(LABELS, np.exp(3 * scores) - 7) == intervals
    low, high = intervals["image_auroc"]
    assert low <= auroc(LABELS, scores) <= high


def test_one_class_has_no_interval() -> None:
    assert bootstrap_intervals([1, 1], [0.1, 0.2]) == {}
    assert bootstrap_intervals([], []) == {}


def test_percentile_interval_of_known_values() -> None:
    values = np.arange(1001) / 1000  # of 1001 values the 26th and the 976th
    assert percentile_interval(values) == (0.025, 0.975)
    assert percentile_interval(values - 0.5, values + 0.5) == (-0.475, 1.475)


def pixels() -> tuple[Any, Any, Any]:
    """Return maps, masks and labels of 7 images, one of them anomalous without a defect pixel."""
    random = np.random.default_rng(3)
    masks = np.zeros((7, 16, 16), bool)
    masks[3, 2:6, 3:9] = masks[4, 8:12, 8:12] = masks[5, 1:3, 1:3] = masks[5, 10:15, 4:6] = True
    maps = (random.normal(size=masks.shape) + 1.5 * masks).astype(np.float32)
    return maps, masks, np.repeat([0, 1], [3, 4])


@pytest.mark.parametrize(("thresholds", "width"), [(32, 0.2), (4096, 0.02)])
def test_pixel_bounds_hold_the_metrics_of_the_resampled_maps(
    thresholds: int, width: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uncertainty, "THRESHOLDS", thresholds)
    maps, masks, labels = pixels()
    drawn = multiplicities(labels, 130)  # more than one part
    drawn = drawn[(drawn @ masks.any(axis=(1, 2))) > 0]
    bounds = resampled_pixel_bounds(maps, masks, drawn)
    assert {*bounds} == {name for name, metric in METRICS.items() if metric.level == "pixel"}
    for row, times in enumerate(drawn):
        exact = pixel_metrics(maps.repeat(times, axis=0), masks.repeat(times, axis=0))
        for name, (lower, upper) in bounds.items():
            assert lower[row] - 1e-12 <= exact[name] <= upper[row] + 1e-12
    for lower, upper in bounds.values():
        assert np.median(upper - lower) < width


def test_resamples_without_a_defect_pixel_are_left_out() -> None:
    maps, masks, _ = pixels()
    drawn = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 4]])
    assert [part.shape for part in resampled_pixel_bounds(maps, masks, drawn)["pixel_ap"]] == [
        (1,),
        (1,),
    ]
    assert resampled_pixel_bounds(maps, masks, drawn[1:]) == {}
    assert resampled_pixel_bounds(maps, masks & False, drawn) == {}


# --- DeLong ---


def by_definition(scores: Sequence[Any]) -> Any:
    """Return the covariance of AUROCs from all pairs of images: DeLong's structural components."""
    tens, ones = [], []
    for own in scores:
        positives, negatives = own[LABELS == 1, None], own[LABELS == 0]
        wins = (positives > negatives) + 0.5 * (positives == negatives)
        tens.append(wins.mean(axis=1))
        ones.append(wins.mean(axis=0))
    return np.cov(tens) / 12 + np.cov(ones) / 8


def test_delong_by_hand() -> None:
    # Shares beaten: 1/2, 1, 1 with variance 1/12; beating: 1, 2/3 with 1/18. 1/36 + 1/36.
    labels, scores = [0, 1, 0, 1, 1], [1, 2, 3, 4, 5]
    assert delong_variance(labels, scores) == pytest.approx(1 / 18)
    area = 5 / 6
    reach = 1.959963984540054 / 18**0.5 / (area * (1 - area))
    low, high = 5 * np.exp(-reach), 5 * np.exp(reach)  # odds of 5/6 are 5
    assert delong_interval(labels, scores) == pytest.approx((low / (1 + low), high / (1 + high)))


@settings(max_examples=30, deadline=None)
@given(SEEDS, SEEDS, st.integers(0, 2))
def test_delong_is_its_definition(seed: int, other: int, digits: int) -> None:
    first, second = drawn_scores(seed, digits), drawn_scores(other, digits)
    covariance = by_definition([first, second])
    assert delong_variance(LABELS, first) == pytest.approx(covariance[0, 0])
    p_value = paired_delong(LABELS, first, second)
    assert p_value == paired_delong(LABELS, second, first)
    assert p_value == paired_delong(LABELS, np.exp(first), 2 * second - 1)
    difference = auroc(LABELS, first) - auroc(LABELS, second)
    if abs(difference) < 1e-12:
        assert p_value == 1
    else:
        variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        assert p_value == pytest.approx(2 * norm.sf(abs(difference) / variance**0.5), abs=1e-9)


def test_delong_at_its_ends() -> None:
    perfect = LABELS + 0.01 * np.arange(20)
    assert delong_interval(LABELS, perfect) == (1, 1)
    assert delong_interval(LABELS, -perfect) == (0, 0)
    assert paired_delong(LABELS, perfect, perfect**3) == 1
    assert paired_delong(LABELS, perfect, -perfect) == 0
    assert delong_variance([0, 1, 1], [0, 1, 2]) is None
    assert delong_interval([0, 1, 1], [0, 1, 2]) is None
    (pair,) = compare_images([0, 1, 1], {"a": np.arange(3), "b": np.arange(3)})
    assert (pair.p_value, pair.holm, pair.significant) == (None, None, False)
    with pytest.raises(ValueError, match="NaN"):
        delong_interval([0, 0, 1, 1], [0, 1, 2, np.nan])


def test_intervals_cover_the_true_auroc_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    labels, truth, rounds = np.repeat([0, 1], 50), float(norm.cdf(1 / 2**0.5)), 300
    covered = np.zeros(2)
    for _ in range(rounds):
        scores = random.normal(loc=labels)
        values = resampled_image_metrics(labels, scores, multiplicities(labels, 300))
        delong = delong_interval(labels, scores)
        assert delong is not None
        for place, (low, high) in enumerate((percentile_interval(values["image_auroc"]), delong)):
            covered[place] += low <= truth <= high
    # Within three standard deviations of 300 rounds, and a percent for what is asymptotic.
    assert abs(covered / rounds - 0.95).max() < 3 * (0.95 * 0.05 / rounds) ** 0.5 + 0.01


def test_the_paired_test_errs_about_as_often_as_it_says_and_sees_what_one_sample_hides() -> None:
    random = np.random.default_rng(6)
    labels, rounds = np.repeat([0, 1], 50), 400
    wrong = found = 0
    for _ in range(rounds):
        shared = random.normal(loc=labels)
        noisy = [shared + random.normal(scale=scale, size=100) for scale in (0.3, 0.3, 3)]
        wrong += (paired_delong(labels, noisy[0], noisy[1]) or 0) < LEVEL
        found += (paired_delong(labels, noisy[0], noisy[2]) or 0) < LEVEL
    assert wrong / rounds < LEVEL + 3 * (0.05 * 0.95 / rounds) ** 0.5
    assert found / rounds > 0.5


# --- pairs over categories ---


def test_holm_by_hand() -> None:
    # 4 · 0.005, 3 · 0.01, 2 · 0.03, and 0.04 no less than the one before; 2 · 0.6 is no chance.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1, 1])
    np.testing.assert_allclose(holm([0.5]), [0.5])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_signed_ranks_are_exact_with_ties_and_zeros(differences: list[int]) -> None:
    effect, p_value = signed_rank(differences)
    assert signed_rank([-difference for difference in differences]) == (-effect, p_value)
    kept = np.array([difference for difference in differences if difference])
    if not kept.size:
        assert (effect, p_value) == (0, 1)
        return
    ranks = pd.Series(abs(kept)).rank().to_numpy()
    sums = np.array(list(product((-1, 1), repeat=kept.size))) @ ranks  # over all signs
    observed = np.sign(kept) @ ranks
    assert effect == pytest.approx(observed / ranks.sum())
    assert p_value == pytest.approx((abs(sums) >= abs(observed)).mean())


@given(st.sets(st.integers(1, 99), min_size=2, max_size=20), st.randoms(use_true_random=False))
def test_signed_ranks_are_those_of_scipy_where_nothing_ties(sizes: set[int], random: Any) -> None:
    differences = [size * random.choice((-1, 1)) for size in sizes]
    assert signed_rank(differences)[1] == pytest.approx(wilcoxon(differences, mode="exact").pvalue)


def test_noise_of_the_last_digit_is_a_tie() -> None:
    assert signed_rank([0.3 - 0.2, 0.1, -0.1]) == signed_rank([1, 1, -1])
    assert signed_rank([0.1 + 0.2 - 0.3] * 8) == (0, 1)


DEMSAR = {
    "c45": (763, 599, 954, 628, 882, 936, 661, 583, 775, 1000, 940, 619, 972, 957),
    "c45+m": (768, 591, 971, 661, 888, 931, 668, 583, 838, 1000, 962, 666, 981, 978),
    "c45+cf": (771, 590, 968, 654, 886, 916, 609, 563, 866, 1000, 965, 614, 975.01, 946),
    "c45+m+cf": (798, 569, 967, 657, 898, 931, 685, 625, 875, 1000, 962, 669, 975, 970),
}
"""AUCs of four classifiers on 14 data sets, in thousandths (Demšar, JMLR 2006, table 6).

Its ranks are of unrounded values: the third classifier's 975 beats the fourth's.
"""


def test_ranks_are_the_published_ones() -> None:
    values = {name: np.array(column) / 1000 for name, column in DEMSAR.items()}
    ranks = average_ranks(values, True)
    assert {name: round(rank, 3) for name, rank in ranks.items()} == {
        "c45+m+cf": 1.964,
        "c45+m": 2.0,
        "c45+cf": 2.893,
        "c45": 3.143,
    }
    assert list(ranks) == ["c45+m+cf", "c45+m", "c45+cf", "c45"]
    assert average_ranks({name: 1 - value for name, value in values.items()}, False) == ranks


def test_too_few_categories_cannot_tell() -> None:
    assert [fewest_categories(methods) for methods in (2, 3, 7)] == [6, 7, 10]
    for methods in range(2, 9):
        names = [str(number) for number in range(methods)]
        for short in (0, 1):
            size = fewest_categories(methods) - short
            values = {name: np.arange(size) + 100.0 * place for place, name in enumerate(names)}
            pairs = compare_categories(values, True)
            assert {pair.p_value is None for pair in pairs} == {bool(short)}
            assert {pair.significant for pair in pairs} == {not short}
            assert {pair.effect for pair in pairs} == {-1}


def test_pairs_know_which_is_better_and_tell_nothing_of_ties() -> None:
    low, high = np.arange(8.0), np.arange(8.0) + 2
    (pair,) = compare_categories({"low": low, "high": high}, True)
    assert (pair.difference, pair.effect, pair.worse) == (-2, -1, "low")
    assert pair.p_value == pair.holm == 2 / 2**8
    (pair,) = compare_categories({"low": low, "high": high}, False)
    assert (pair.difference, pair.effect, pair.worse) == (-2, 1, "high")
    (pair,) = compare_categories({"low": low, "again": low}, True)
    assert (pair.effect, pair.p_value, pair.worse) == (0, 1, None)


def test_the_order_of_methods_does_not_matter() -> None:
    random = np.random.default_rng(1)
    values = {name: random.normal(loc=place, size=12) for place, name in enumerate("abc")}
    expected = {(p.first, p.second): p.holm for p in compare_categories(values, True)}
    for names in permutations("abc"):
        for pair in compare_categories({name: values[name] for name in names}, True):
            first, second = sorted((pair.first, pair.second))
            assert pair.holm == expected[first, second]


@given(st.integers(2, 6).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n * n)))))
def test_groups_are_all_maximal_cliques(drawn: tuple[int, set[int]]) -> None:
    methods, differing = "abcdef"[: drawn[0]], drawn[1]
    pairs = [
        Pair(first, second, 1, 1, 0, 0.0 if number in differing else 1.0)
        for number, (first, second) in enumerate(combinations(methods, 2))
    ]
    apart = {(pair.first, pair.second) for pair in pairs if pair.significant}
    cliques = [
        members
        for size in range(2, len(methods) + 1)
        for members in combinations(methods, size)
        if not apart.intersection(combinations(members, 2))
    ]
    largest = [one for one in cliques if not any({*one} < {*other} for other in cliques)]
    assert groups(pairs) == sorted(largest)


# --- the command ---


def cells(categories: Sequence[str], methods: Sequence[str] = ("spade", "padim")) -> list[Cell]:
    found = []
    for category, method in product(categories, methods):
        labels, scores = some_scores(category, method)
        values = image_metrics(labels, scores) | {"pixel_auroc": 0.9}
        found.append(Cell(category, method, values, scores=(labels, scores)))
    return found


def with_all_maps(cell: Cell) -> Cell:
    """Return a cell of four images whose maps were all kept."""
    names = [f"test/{'bad' if number else 'good'}/{number:03}.png" for number in range(4)]
    maps = some_maps(cell.category, cell.method) | {"names": np.array(names)}
    exact = pixel_metrics(maps["maps"], maps["masks"])
    labels, scores = [0, 1, 1, 1], maps["scores"].tolist()
    values = image_metrics(labels, scores) | exact
    return replace(cell, values=values, scores=(labels, scores), maps=maps)


def read_csv(run: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(run / "tables" / name, comment="#")


def test_every_value_has_its_interval_where_a_run_stored_what_it_needs(tmp_path: Path) -> None:
    bolt, gear = (with_all_maps(Cell(name, "padim")) for name in ("bolt", "gear"))
    assert gear.maps is not None
    some = replace(gear, maps={key: array[:2] for key, array in gear.maps.items()})
    run = write_run(tmp_path / "run", [bolt, some, Cell("rod", "padim", status="failed")])
    write_uncertainty(result_sets(run))
    table = read_csv(run, "uncertainty.csv").set_index(["category", "metric", "interval"])
    for metric in METRICS:
        value, low, high = table.loc[("bolt", metric, "bootstrap"), ["value", "low", "high"]]
        assert low <= value <= high
    assert not np.isnan(table.loc[("gear", "image_auroc", "bootstrap"), "low"])
    assert np.isnan(table.loc[("gear", "pixel_auroc", "bootstrap"), "low"])
    assert np.isnan(table.loc[("rod", "image_auroc", "bootstrap"), "value"])
    text = (run / "tables" / "uncertainty.md").read_text()
    pixel = text[text.index("Pixel AUROC") : text.index("Pixel AP")]
    value = f"{100 * gear.values['pixel_auroc']:.1f}"  # type: ignore[operator]
    assert f"| gear       | {value}" in pixel
    assert "[" in pixel.split("| bolt")[1].splitlines()[0]
    assert "[" not in pixel.split("| gear")[1].splitlines()[0]
    assert "| rod        | –" in pixel


def test_pairs_are_judged_over_categories_and_within_them(tmp_path: Path) -> None:
    categories = [f"part{number}" for number in range(8)]
    run = write_run(tmp_path / "run", cells(categories))
    _, shown = write_uncertainty(result_sets(run))
    table = read_csv(run, "pairs.csv")
    own = table[(table["metric"] == "image_auroc") & (table["test"] == "delong")]
    assert own["category"].tolist() == categories
    labels, scores = some_scores("part3", "spade")
    other = some_scores("part3", "padim")[1]
    p_value = own.set_index("category").loc["part3", "p_value"]
    assert p_value == pytest.approx(paired_delong(labels, scores, other))
    over = table[table["test"] == "wilcoxon"].set_index("metric")
    assert (over.loc["pixel_auroc", "p_value"], over.loc["pixel_auroc", "effect"]) == (1, 0)
    assert "can't tell" not in shown.replace("(can't tell", "")
    assert "part3      | spade" not in shown
    assert "part3      | spade" in (run / "tables" / "pairs.md").read_text()


def test_images_of_one_class_are_left_out(tmp_path: Path) -> None:
    one = [replace(cell, scores=([1, 1], [0.1, 0.2]), values={}) for cell in cells(["bolt"])]
    run = write_run(tmp_path / "run", [*one, *cells(["gear"])])
    write_uncertainty(result_sets(run))
    table = read_csv(run, "pairs.csv")
    assert table[table["test"] == "delong"]["category"].tolist() == ["gear"]
    assert "nan" not in (run / "tables" / "pairs.md").read_text()
    assert "nan" not in (run / "tables" / "uncertainty.md").read_text()


def test_methods_that_saw_different_data_are_not_paired(tmp_path: Path) -> None:
    spade, padim = cells(["bolt"])
    run = write_run(tmp_path / "run", [spade, replace(padim, fingerprint="f1")])
    write_uncertainty(result_sets(run))
    assert {*read_csv(run, "pairs.csv")["test"]} == {"wilcoxon"}


def test_the_figure_joins_what_does_not_differ(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    values = {"spade": 0.5, "padim": 0.9, "patchcore-1": 0.9}
    found = [
        Cell(category, method, {"image_auroc": value + random.uniform(0, 0.05)}, dataset="mvtec_ad")
        for category in MVTEC_AD
        for method, value in values.items()
    ]
    (comparison,) = result_sets(write_run(tmp_path, found))
    (panel,) = draw_critical_difference(comparison).axes
    assert [text.get_text() for text in panel.get_yticklabels()][2] == "spade"
    *marks, joined = panel.lines
    assert [mark.get_label() for mark in marks][2] == "spade"
    assert np.asarray(joined.get_ydata()).tolist() == [0, 1]
    assert np.asarray(marks[2].get_xdata()).tolist() == [3]


def test_a_run_with_one_category_says_that_ranks_need_more(tmp_path: Path) -> None:
    run = write_run(tmp_path, cells(["bolt"]))
    (comparison,) = result_sets(run)
    for panel in draw_critical_difference(comparison).axes:
        assert [text.get_text() for text in panel.texts] == [
            "Ranks of 2 methods need 6 categories."
        ]
    assert "can't tell |" in write_uncertainty(result_sets(run))[1]
    (lone,) = result_sets(write_run(tmp_path, cells(["bolt"], ["padim"])))
    (text, *_) = draw_critical_difference(lone).axes[0].texts
    assert "need two methods" in text.get_text()


def test_main_writes_tables_and_figure_the_same_every_time(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(folder / "results" / "mine", cells(["bolt", "gear"]))
    assert main(["mine"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Image AUROC in % [95% bootstrap interval over test images] on parts")
    figure = folder / "plots" / "mine" / "critical_difference.png"
    assert figure.with_suffix(".svg").is_file()
    names = ("uncertainty.md", "uncertainty.csv", "pairs.md", "pairs.csv")
    paths = [figure, *(run / "tables" / name for name in names)]
    before = [path.read_bytes() for path in paths]
    assert main([str(run)]) == 0
    assert [path.read_bytes() for path in paths] == before


def test_expected_errors_are_one_line_and_exit_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    run = write_run(tmp_path / "run", [with_all_maps(Cell("bolt", "padim"))])
    (maps,) = run.glob("maps/*/*")
    maps.write_bytes(b"spoilt")
    assert main([str(run)]) == 2
    nowhere, spoilt = capsys.readouterr().err.splitlines()
    assert "nowhere" in nowhere
    assert f"{maps}; run its command again" in spoilt
    (scores,) = run.glob("scores/*/*")
    scores.write_text("path\n")
    with pytest.raises(BenchmarkError, match="can't read the scores"):
        write_uncertainty(result_sets(run))

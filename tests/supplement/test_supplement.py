"""The supplement as people ask for it: only missing cells run, whatever is asked in what order."""

from __future__ import annotations

import csv
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.backbones import loading as backbones
from benchmarks.run import __main__ as run
from benchmarks.supplement import __main__ as supplement
from benchmarks.supplement import parts, trials
from benchmarks.supplement.conventions import approximate_aupro
from methods import patchcore
from tests.helpers.data_sets import save, write_category, write_dataset
from tests.helpers.networks import network
from tests.helpers.passes import Passes
from tests.helpers.pictures import assert_drawn

OUT = Path("results/out")


pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(autouse=True)
def _data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    write_dataset(Path("data"), "cup", "plate")


def command(*arguments: str, out: Path = OUT) -> list[str]:
    options = ("--backbone", "--starred", "--large", "--backbones")
    bank = [word for option in options for word in (option, "filterbank")]
    ensemble = ("--ensemble", "filterbank+filterbank", "--image-size", "32", "--seeds", "0,1")
    return [*arguments, "--data", "data", *bank, *ensemble, "--out", str(out)]


def cells(out: Path = OUT) -> dict[tuple[object, ...], dict[str, float]]:
    found = {}
    for path in out.glob("cells/*/*.json"):
        cell = json.loads(path.read_text())
        spec = cell["spec"]
        size = spec["protocol"]["image_size"]
        if {"fit", "interpolation"} & {*spec["protocol"]}:
            continue
        key = (spec["category"], spec["method"], spec["shots"], spec["seed"], size)
        found[key] = cell["metrics"]
    return found


def filtered(out: Path = OUT) -> dict[tuple[str, str], dict[str, float]]:
    """(method, filter) → metrics of what was resized with another filter than the usual one."""
    stored = [json.loads(path.read_text()) for path in out.glob("cells/*/*.json")]
    return {
        (cell["spec"]["method"], cell["spec"]["protocol"]["interpolation"]): cell["metrics"]
        for cell in stored
        if "interpolation" in cell["spec"]["protocol"]
    }


def table(name: str, out: Path = OUT) -> list[list[str]]:
    text = (out / "tables" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()[1:]))


@pytest.mark.slow
def test_one_command_makes_everything_and_a_second_runs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    passes = Passes(monkeypatch)
    assert supplement.main(command()) == 0
    shown = capsys.readouterr()
    written = {Path(line) for line in shown.out.split()}
    for path in written:
        if path.suffix in (".png", ".svg"):
            assert_drawn(path)
        else:
            text = path.read_text(encoding="utf-8")
            assert "padim" in text or "plate" in text, f"{path}: names nothing"
    sheets = ("S1", "S2", "S3", "S4", "S5-image", "S5-pixel", "S5-pro", "S6")
    expected = {OUT / "tables" / f"{s}.{kind}" for s in sheets for kind in ("md", "csv", "tex")}
    expected |= {OUT / "tables" / f"errors.{kind}" for kind in ("md", "csv")}
    expected |= {OUT / "plots" / f"figS{i}.{kind}" for i in (1, 3, 4) for kind in ("png", "svg")}
    assert expected <= written
    sizes = {32, 40, 46, 41, 51, 64}  # 224, 280, 320, 288, 360 and 448, in proportion
    assert {size for *_, size in cells()} == sizes
    assert len(passes.images) == 26 * len(sizes)

    before = {path: path.read_bytes() for path in OUT.rglob("*") if path.is_file()}
    assert supplement.main(command()) == 0
    assert "0 cells evaluated, 0 images passed" in capsys.readouterr().err
    assert len(passes.images) == 26 * len(sizes)
    assert {path: path.read_bytes() for path in OUT.rglob("*") if path.is_file()} == before


def test_tables_show_the_stored_cells_and_their_means() -> None:
    assert supplement.main(command("S1", "S5")) == 0
    stored = cells()
    header, *rows = table("S1")
    cores = ["patchcore-25", "patchcore-10", "patchcore-1"]
    assert header == ["category", "spade", "padim", *cores, "mahalanobis", "PaDiM*"]
    methods = [*header[1:-1], "padim"]  # here the filter bank stands for EfficientNet-B5
    for label, *values in rows[:2]:
        expected = [100 * stored[label, m, None, 0, 32]["image_auroc"] for m in methods]
        assert [float(value) for value in values] == expected
    assert rows[2][0] == "mean"
    columns = np.array([row[1:] for row in rows[:2]], float)
    np.testing.assert_allclose(np.array(rows[2][1:], float), columns.mean(axis=0))
    by_labels = {(row[0], row[1]): row[2:] for row in table("S5-pro")}
    pair = [100 * stored["cup", "padim", 2, seed, 32]["aupro_30"] for seed in (0, 1)]
    value, deviation = (float(text) for text in by_labels["cup", "2"][2:4])
    np.testing.assert_allclose([value, deviation], [np.mean(pair), np.std(pair, ddof=1)])
    assert set(by_labels["cup", "10"]) == {""}  # there are six images


def test_a_category_called_mean_is_not_the_mean() -> None:
    write_category(Path("data/mean"))
    assert supplement.main(command("S2")) == 0
    stored = {
        key[0]: 100 * found["pixel_auroc"] for key, found in cells().items() if "spade" in key
    }
    rows = {row[0]: float(row[1]) for row in table("S2")[1:]}
    expected = {"cup": stored["cup"], "plate": stored["plate"], "mean (category)": stored["mean"]}
    assert {name: value for name, value in rows.items() if name != "mean"} == expected
    assert rows["mean"] == pytest.approx(sum(expected.values()) / 3)
    assert abs(rows["mean"] - stored["mean"]) > 1e-6


def test_part_of_the_categories_has_no_mean() -> None:
    assert supplement.main(command("S1", "S6", "--categories", "cup")) == 0
    assert [row[0] for row in table("S1")] == ["category", "cup"]
    assert {row[0] for row in table("S6")} == {"category", "cup"}


@pytest.mark.slow
def test_shots_cost_no_pass_and_do_not_depend_on_the_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert supplement.main(command("S1")) == 0
    passes = Passes(monkeypatch)
    assert supplement.main(command("S5")) == 0
    assert passes.images == []
    few = {key: values for key, values in cells().items() if key[2] is not None}
    backwards = ["--data", "data", "--backbone", "filterbank", "--image-size", "32"]
    backwards += ["--out", "results2/run", "--shots", "5,2,1", "--seeds", "1,0"]
    assert run.main([*backwards, "--methods", "patchcore-25,patchcore-10,padim,spade"]) == 0
    assert cells(Path("results2/run")) == few


def test_cells_of_other_runs_are_taken_over(capsys: pytest.CaptureFixture[str]) -> None:
    other = ["--data", "data", "--backbone", "filterbank", "--image-size", "32"]
    assert run.main([*other, "--methods", "padim,spade", "--out", "results/other"]) == 0
    capsys.readouterr()
    assert supplement.main(command("S1", "--dry-run")) == 0
    assert "8 of 12 cells to evaluate, 4 stored" in capsys.readouterr().out
    assert not OUT.exists()
    assert supplement.main(command("S1", "figS1")) == 0
    assert "8 cells evaluated, 0 images passed" in capsys.readouterr().err
    for path in Path("results/other/cells").glob("*/*.json"):
        assert (OUT / path.relative_to("results/other")).read_bytes() == path.read_bytes()


def test_figures_of_errors_run_again_what_has_no_maps(capsys: pytest.CaptureFixture[str]) -> None:
    assert supplement.main(command("S1")) == 0
    for path in OUT.glob("maps/*/*.npz"):
        path.unlink()
    capsys.readouterr()
    assert supplement.main(command("S1")) == 0
    assert "0 cells evaluated" in capsys.readouterr().err
    assert supplement.main(command("figS1", "figS2")) == 0
    assert "2 cells evaluated" in capsys.readouterr().err
    assert len(list(OUT.glob("maps/patchcore-25/*.npz"))) == 2


def test_a_backbone_that_cant_be_had_leaves_its_row_empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    arguments = [*command("S6"), "--backbones", "resnet18,filterbank", "--categories", "cup"]
    assert supplement.main(arguments) == 1
    assert "left out: resnet18: ImageNet weights for resnet18" in capsys.readouterr().err
    rows = {row[1]: row[2:] for row in table("S6")}
    assert set(rows["resnet18"]) == {""}
    assert all(map(float, rows["filterbank"]))


def test_methods_that_need_a_level_that_a_checkpoint_lacks_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = network("resnet18").state_dict()
    begun = {name: value for name, value in state.items() if not name.startswith("layer4")}
    torch.save(begun, "begun.pth")
    arguments = [*command("S1"), "--backbone", "resnet18[weights=begun.pth]", "--categories", "cup"]
    assert supplement.main([*arguments, "--image-size", "64"]) == 1
    said = capsys.readouterr().err
    assert "begun.pth ends before level 4 of resnet18" in said
    assert "left out: resnet18[weights=begun.pth]: spade, mahalanobis need level 4, which" in said
    spade, *others, mahalanobis, _ = table("S1")[1][1:]
    assert not spade
    assert not mahalanobis
    assert all(map(float, others))
    one = ["--data", "data", "--backbone", "resnet18", "--weights", "begun.pth", "--out", "one"]
    assert run.main([*one, "--methods", "padim,spade", "--image-size", "64"]) == 2
    assert "error: spade needs level 4, which resnet18 doesn't" in capsys.readouterr().err
    assert run.main([*one, "--methods", "padim", "--image-size", "64"]) == 0
    assert "ends before level 4" in capsys.readouterr().err


def test_verdicts_take_every_seed_and_are_of_mvtec_ad_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert supplement.main(command("verdicts")) == 2
    assert "error: verdicts: nothing is published on data here" in capsys.readouterr().err
    dice, square = np.random.default_rng(0), np.zeros((40, 40), np.uint8)
    square[12:22, 14:24] = 255
    counts = {"train/good": 60, "test/good": 12, "test/defective": 30}  # the toothbrush's
    for place, number in [(place, n) for place, count in counts.items() for n in range(count)]:
        image = dice.integers(80, 120, (40, 40, 3)).astype(np.uint8)
        if place == "test/defective":
            image += square[..., None] // 4
            mask = Path("brushes/toothbrush/ground_truth/defective") / f"{number:03}_mask.png"
            save(square, mask)
        save(image, Path("brushes/toothbrush") / place / f"{number:03}.png")
    arguments = [*command("verdicts"), "--data", "brushes"]
    assert supplement.main(arguments) == 0
    written = capsys.readouterr().out.split()
    assert {Path(path).name for path in written} == {"verdicts.md", "verdicts.csv"}
    assert {(method, seed) for _, method, _, seed, _ in cells()} == {
        (method, seed) for method in trials.METHODS for seed in (0, 1)
    }
    with (OUT / "tables" / "verdicts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {*trials.METHODS}
    assert {(row["category"], row["verdict"]) for row in rows} == {("toothbrush", "not comparable")}
    assert "published with WideResNet50" in {row["notes"] for row in rows}
    stored = [cells()["toothbrush", "padim", None, seed, 32]["pixel_auroc"] for seed in (0, 1)]
    shown = {row["ours"] for row in rows if row["method"] == "padim" and "pixel" in row["metric"]}
    assert [float(text) for text in shown] == pytest.approx([100 * np.mean(stored)])


def test_a_failed_cell_is_shown_and_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of patience")

    with monkeypatch.context() as patch:
        patch.setattr(patchcore.PatchCore, "fit", fail)
        assert supplement.main(command("S1", "--categories", "cup")) == 1
    assert table("S1")[1][3:6] == ["failed"] * 3
    assert supplement.main(command("S1", "--categories", "cup")) == 0
    assert "failed" not in table("S1")[1]


def test_help_names_every_part() -> None:
    """The names stand beside the trials, since parts take long to import."""
    assert tuple(parts.PARTS) == trials.NAMES, "NAMES of benchmarks/supplement/trials.py"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["S7"], "unknown part 'S7': known are S1"),
        (["S1", "--seeds", "a"], "--seeds 'a'"),
        (["S6", "--backbones", "a[b]"], "backbone 'a[b]' is not of the form"),
        (["S1", "--data", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_mistakes_get_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    base = command()
    assert supplement.main([*base, *arguments]) == 2
    assert f"error: {message}" in capsys.readouterr().err
    assert not OUT.exists()


def test_a_dry_run_counts_cells_passes_and_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    write_category(Path("data") / "jug", train=9)
    assert supplement.main(command("S4", "--categories", "jug", "--dry-run")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "3 of 3 cells to evaluate, 0 stored in results/out" in lines
    shapes = backbones.shapes(backbones.Choice("filterbank"), 40)
    size = 16 * 4 * sum(int(np.prod(shapes[level])) for level in (1, 2, 3)) / 1e9
    passes = f"16 images to pass filterbank at 40 px, levels 1, 2, 3: {size:.2f} GB of features"
    assert passes in lines
    assert "32 passes in all; the rest is cached" in lines  # both members share theirs
    assert "no earlier cell of patchcore-1, patchcore-1[levels=1+2+3]" in lines[-1]


def forecast(shown: str) -> dict[str, list[str]]:
    """Return part → its counts, features and time in a dry run's table."""
    lines = shown.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("---")) + 1
    rows = [re.split(r" {2,}", line.strip()) for line in lines[first : lines.index("", first)]]
    return {part: texts for part, *texts in rows}


def test_a_dry_run_says_what_every_part_takes_and_shares(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert supplement.main(command("S6", "figS1")) == 0
    capsys.readouterr()
    assert supplement.main(command("--dry-run")) == 0
    table = forecast(capsys.readouterr().out)
    figures = [f"figS{number}" for number in range(1, 5)]
    tables = [f"S{number}" for number in range(1, 7)]
    assert list(table) == [*tables, *figures, "all of these", "differences"]
    # Two categories, and three methods of five are stored: patchcore-10, -1 and, by figS1, -25.
    assert table["S2"] == table["S3"] == table["figS3"]
    assert table["S2"][:3] == ["10", "6", "4"]
    assert table["S1"][:3] == ["12", "6", "6"]  # and Mah.AD
    assert table["figS1"][:3] == ["2", "2", "0"]
    assert table["S6"][:3] == ["4", "4", "0"]
    # The cache has levels 2 and 3; PaDiM and SPADE read the others, too.
    assert (table["S2"][3], table["S2"][5]) == ("26", "unknown of 2 methods")
    assert table["S4"][3] == str(26 * 2)  # two sizes, and both members share theirs
    assert table["figS4"][:4] == ["32", "2", "30", str(26 * 3)]
    # Two seeds, four methods, and of the numbers of shots 1, 2 and 5, for there are six images.
    assert table["S5"][:3] == [str(2 * 4 * 3 * 2), "0", str(2 * 4 * 3 * 2)]
    assert table["all of these"][1] == "6"


def test_a_dry_run_of_parts_counts_what_they_share_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts = ("S1", "S2", "figS1", "S6")
    assert supplement.main(command(*parts, "--dry-run")) == 0
    table = forecast(capsys.readouterr().out)
    assert [row[2] for row in table.values()] == ["12", "10", "2", "4", "12"]
    assert supplement.main(command(*parts)) == 0
    assert f"12 cells evaluated, {table['all of these'][3]} images" in capsys.readouterr().err
    assert supplement.main(command(*parts, "--dry-run")) == 0
    table = forecast(capsys.readouterr().out)
    assert {tuple(row[2:]) for row in table.values()} == {("0", "0", "0.00 GB", "–")}
    assert supplement.main(command(*parts, "--dry-run", "--force")) == 0
    table = forecast(capsys.readouterr().out)
    assert [row[2] for row in table.values()] == ["12", "10", "2", "4", "12"]
    assert table["S1"][5] == "about 1 min"


def scores(out: Path) -> np.ndarray:
    (path,) = out.glob("scores/*/*.csv")
    with path.open(newline="") as file:
        return np.array([float(row["score"]) for row in csv.DictReader(file)])


def test_an_ensembles_scores_are_its_members_normalised_and_averaged() -> None:
    weights = Path("resnet18.pth")
    torch.save(network("resnet18").state_dict(), weights)
    named = f"resnet18[weights={weights}]"
    found = []
    for number, backbone in enumerate((named, "filterbank", f"{named}+filterbank")):
        arguments = ["--methods", "patchcore-1", "--data", "data", "--categories", "cup"]
        arguments += ["--backbone", backbone, "--image-size", "64", "--out", f"runs/{number}"]
        assert run.main(arguments) == 0
        found.append(scores(Path(f"runs/{number}")))
    first, second = ((s - s.min()) / (s.max() - s.min()) for s in found[:2])
    np.testing.assert_allclose(found[2], (first + second) / 2, rtol=1e-12)


@pytest.mark.slow
def test_the_papers_large_backbones_and_ensemble_run_with_weights_of_their_shapes(
    large_networks: dict[str, Path],
) -> None:
    named = {name: f"{name}[weights={file}]" for name, file in large_networks.items()}
    arguments = command("S4", "--categories", "cup")
    arguments += ["--large", named["wide_resnet101_2"], "--ensemble", "+".join(named.values())]
    assert supplement.main([*arguments, "--image-size", "56"]) == 0
    labels = [row[0] for row in table("S4")[1:]]
    assert labels == [
        "wide_resnet101_2, levels 2+3, 70 px",
        "wide_resnet101_2, levels 1+2+3, 70 px",
        "wide_resnet101_2+resnext101_32x8d+densenet201, levels 2+3, 80 px",
    ]
    assert all(0 <= float(value) <= 100 for row in table("S4")[1:] for value in row[2:])


def test_differences_are_of_the_stored_cells() -> None:
    assert supplement.main(command("differences", "--categories", "cup")) == 0
    header, *rows = table("differences")
    stored = cells()
    base = stored["cup", "patchcore-10", None, 0, 32]
    seed = stored["cup", "patchcore-10", None, 1, 32]
    by_choice = {row[1]: dict(zip(header[2:4], row[2:4], strict=True)) for row in rows}
    shown = by_choice["coreset seed 1"]
    assert float(shown["Image AUROC"]) == 100 * seed["image_auroc"]
    change = 100 * (seed["image_auroc"] - base["image_auroc"])
    assert float(shown["change"]) == pytest.approx(change)
    assert "the whole image, no crop" in by_choice
    choices = {
        "images resized bicubically": ("patchcore-10", "bicubic"),
        "images resized by area averages": ("patchcore-10", "box"),
        "images resized with Lanczos's filter": ("patchcore-10", "lanczos"),
        "PaDiM, with Lanczos's filter": ("padim", "lanczos"),
        "SPADE as in popular code, K = 5, with Lanczos's filter": ("spade-5", "lanczos"),
    }
    resized = filtered()
    assert {*choices.values()} == {*resized}
    for choice, place in choices.items():
        shown = float(by_choice[choice]["Image AUROC"])
        assert shown == 100 * resized[place]["image_auroc"]


def naive_aupro(maps: np.ndarray, masks: np.ndarray, thresholds: np.ndarray) -> list[list[float]]:
    """FPR and PRO by counting, with one region an image."""
    rates = [float((maps[~masks] >= t).mean()) for t in thresholds]
    overlaps = [
        float(np.mean([(one[mask] >= t).mean() for one, mask in zip(maps, masks, strict=True)]))
        for t in thresholds
    ]
    return [rates, overlaps]


@pytest.mark.parametrize("seed", range(5))
def test_few_thresholds_take_the_area_as_counted(seed: int) -> None:
    random = np.random.default_rng(seed)
    masks = np.zeros((3, 12, 12), bool)
    masks[:, 3:6, 2:8] = True
    maps = random.normal(size=masks.shape) + masks
    rates, overlaps = naive_aupro(maps, masks, np.linspace(maps.max(), maps.min(), 40))
    inside = [(x, y) for x, y in zip(rates, overlaps, strict=True) if x < 0.3]
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(inside))
    actual = approximate_aupro(maps, masks, 40, interpolated=False)
    assert actual == pytest.approx(area / inside[-1][0])
    beyond = next((x, y) for x, y in zip(rates, overlaps, strict=True) if x >= 0.3)
    (x0, y0), (x1, y1) = inside[-1], beyond
    at_limit = y0 + (y1 - y0) * (0.3 - x0) / (x1 - x0)
    whole = (area + (0.3 - x0) * (y0 + at_limit) / 2) / 0.3
    assert approximate_aupro(maps, masks, 40, interpolated=True) == pytest.approx(whole)

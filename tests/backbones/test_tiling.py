"""Windows of large images: joined grids, means of the deepest level, what is refused, runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.backbones.choice import Choice
from benchmarks.backbones.filterbank import FilterBank
from benchmarks.backbones.loading import load, shapes
from benchmarks.backbones.tiling import MARGIN, STRIDE, Tiled, window_side
from benchmarks.datasets import index
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.job import Job
from benchmarks.execution.progress.forecast import pixels
from benchmarks.results import Store
from benchmarks.results.metrics_csv import read_cells
from benchmarks.run.__main__ import main as run
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol
from methods import resolve
from methods.base import GLOBAL, LAST
from tests.helpers.data_sets import write_category


def picture(side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(side)
    return torch.randint(0, 256, (2, 3, side, side), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("side", [96, 100, 128, 224, 250])
def test_windows_overlap_by_two_margins_at_offsets_of_whole_strides(side: int) -> None:
    window = window_side(2 * side)
    offset = 2 * side - window
    assert offset % STRIDE == 0
    assert window - offset >= 2 * MARGIN
    assert window - offset - 2 * STRIDE < 2 * MARGIN  # and by no more than they must


@pytest.mark.parametrize("side", [192, 200, 256])
def test_the_filter_bank_has_the_features_of_the_whole_image(side: int) -> None:
    images, levels = picture(side), (1, 2, 3, 4)
    whole, tiled = FilterBank()(images, levels), Tiled(FilterBank())(images, levels)
    for level in (1, 2, 3):
        assert tiled[level].shape == whole[level].shape
        torch.testing.assert_close(tiled[level], whole[level], rtol=1e-4, atol=1e-4)
    window = window_side(side)
    corners = [(top, left) for top in (0, side - window) for left in (0, side - window)]
    means = sum(
        FilterBank()(images[..., top : top + window, left : left + window], (4,))[4]
        for top, left in corners
    )
    torch.testing.assert_close(tiled[4], means / 4)
    assert tiled[4].shape[-1] < whole[4].shape[-1]


def test_a_descriptor_is_a_mean_and_a_last_block_is_joined() -> None:
    def network(images: torch.Tensor, levels: object) -> dict[int, torch.Tensor]:
        pixels = images[:, :1].float()
        token = pixels.amax(dim=(2, 3), keepdim=True)
        return {GLOBAL: token, LAST: torch.nn.functional.avg_pool2d(pixels, 16)}

    images = picture(256)
    tiled = Tiled(network)(images, (GLOBAL, LAST))
    joined = torch.nn.functional.avg_pool2d(images[:, :1].float(), 16)
    torch.testing.assert_close(tiled[LAST], joined)
    corners = [
        images[..., top : top + 192, left : left + 192] for top in (0, 64) for left in (0, 64)
    ]
    largest = [corner[:, :1].float().amax(dim=(2, 3), keepdim=True) for corner in corners]
    torch.testing.assert_close(tiled[GLOBAL], torch.stack(largest).mean(dim=0))


def test_what_doesnt_fit_is_refused_with_the_number() -> None:
    with pytest.raises(BenchmarkError, match="--image-size of 96 pixels or more, not 95"):
        window_side(190)
    patches = Tiled(lambda images, levels: {1: torch.nn.functional.avg_pool2d(images * 1.0, 14)})
    with pytest.raises(BenchmarkError, match="grids of 13 positions in windows of 192 pixels"):
        patches(picture(256), (1,))


def test_a_network_of_one_size_is_told_of_its_windows() -> None:
    def network(images: torch.Tensor, levels: object) -> dict[int, torch.Tensor]:
        if images.shape[-1] != 224:
            raise BenchmarkError("net takes 224 × 224 only: pass --image-size 224")
        return {1: torch.nn.functional.avg_pool2d(images[:, :1].float(), 16)}

    with pytest.raises(BenchmarkError) as refused:
        Tiled(network)(picture(448), (1,))
    assert str(refused.value) == (
        "--tiles 2: net takes 224 × 224 only; windows have 64 pixels more than an --image-size "
        "that is a multiple of 32"
    )
    assert Tiled(network)(picture(2 * (224 - 64)), (1,))[1].shape == (2, 1, 20, 20)


def test_a_backbone_and_its_shapes_agree() -> None:
    backbone = load("filterbank", image_size=192, tiles=2)
    maps = backbone.forward(picture(192), (1, 2, 3, 4))
    told = shapes(Choice("filterbank"), 192, 2)
    assert {level: tuple(features.shape[1:]) for level, features in maps.items()} == told


def test_a_run_makes_maps_of_twice_the_size(
    folder: Path, no_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    write_category(Path("data/cup"), train=4, good=2, defect=2)
    command = ["--data", "data", "--backbone", "filterbank", "--out", "out", "--cache", "cache"]
    command += ["--methods", "padim,spade[neighbours=3]", "--image-size", "96"]
    assert run([*command, "--tiles", "2", "--save-maps"]) == 0
    for cell in Store(Path("out")).cells():
        protocol = cell.spec.protocol
        square = protocol.image_size, protocol.resize, protocol.smoothing_sigma, protocol.tiles
        assert (cell.status, *square) == ("ok", 192, 219, 8.0, 2)
        with np.load(Path("out") / str(cell.maps)) as kept:
            assert kept["maps"].shape == (4, 192, 192)
    keys = {cell.spec.key for cell in Store(Path("out")).cells()}
    assert {cell.spec.key for cell in read_cells(Path("out/metrics.csv"))} == keys
    capsys.readouterr()
    assert run(["--plan", "out/plan.toml", "--out", "out", "--cache", "cache"]) == 0
    assert "nothing left to do" in capsys.readouterr().err
    assert "tiles 2" in Path("out/tables/image_auroc.md").read_text()
    assert run([*command, "--tiles", "2", "--memory-gb", "0.001", "--force", "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert "spade[neighbours=3]: with --tiles its work is 16 times an image's" in said
    assert "more than the 0.001 GB of --memory-gb" in said
    small = [*command, "--tiles", "2", "--image-size", "64", "--out", "small"]
    assert run(small) == 2
    assert "or more, not 64" in capsys.readouterr().err


def test_the_forecast_counts_spades_work_sixteen_times(folder: Path) -> None:
    def job(method: str, tiles: int) -> Job:
        protocol = EvaluationProtocol(
            BackboneSpec("filterbank", "", "", {}), 96 * tiles, tiles=tiles
        )
        spec = CellSpec("d", "f", "cup", method, {}, protocol, 0)
        return Job(spec, resolve(method).parameters)

    (category,) = index(write_category(Path("data/cup")).parent).categories
    for method, times in (("spade", 16), ("spade-5", 16), ("padim", 4)):
        once, tiled = (job(method, tiles) for tiles in (1, 2))
        read = [pixels(SimpleNamespace(members=[0]), category, each) for each in (once, tiled)]  # type: ignore[arg-type]
        assert read[1] == times * read[0]

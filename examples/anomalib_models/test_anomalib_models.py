"""Maps are written at their images' size, weights are checked, anomalib's PaDiM runs through."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import anomalib_models
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from benchmarks.datasets import Sample
from benchmarks.errors import BenchmarkError
from benchmarks.results import result_sets

SIDE = 40


def write_data(root: Path) -> Path:
    """Write a category of noise with a bright square for a defect."""
    random = np.random.default_rng(0)
    for kind, count in (("train/good", 4), ("test/good", 2), ("test/spot", 2)):
        for number in range(count):
            image = random.integers(80, 120, (SIDE, SIDE, 3)).astype(np.uint8)
            mask = np.zeros((SIDE, SIDE), np.uint8)
            if kind == "test/spot":
                image[15:25, 15:25], mask[15:25, 15:25] = 255, 255
                save(mask, root / "cup/ground_truth/spot" / f"{number:03}_mask.png")
            save(image, root / "cup" / kind / f"{number:03}.png")
    return root


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_maps_are_enlarged_to_their_images(tmp_path: Path) -> None:
    path = write_data(tmp_path) / "cup/test/spot/000.png"
    small = torch.tensor([[0.0, 4.0]])
    sample = Sample(path, "test/spot/000.png", "spot")
    anomalib_models.write_map(tmp_path / "maps", sample, small)
    found = tifffile.imread(tmp_path / "maps/test/spot/000.tiff")
    assert found.shape == (SIDE, SIDE)
    assert found[7, [0, 19, 20, 39]].tolist() == pytest.approx([0, 1.9, 2.1, 4])


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 2))
    torch.save({"0.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "some.pth")
    with pytest.raises(BenchmarkError, match=r"lacks 3 weights, as 0\.bias"):
        anomalib_models.load_weights(network, tmp_path / "some.pth")
    state = {**network.state_dict(), "1.bias": torch.full((2,), 7.0), "head": torch.zeros(1)}
    torch.save(state, tmp_path / "all.pth")
    anomalib_models.load_weights(network, tmp_path / "all.pth")
    assert network[1].bias.tolist() == [7, 7]


@pytest.mark.skipif(find_spec("anomalib") is None, reason="anomalib is not installed: [peers]")
def test_anomalibs_padim_stands_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "data")
    command = ["padim", "--arguments", '{"backbone": "resnet18", "pre_trained": false}']
    command += ["--data", "data", "--maps", "maps", "--out", "out"]
    assert anomalib_models.main(command) == 0
    (results,) = result_sets(tmp_path / "out")
    assert list(results.methods) == ["anomalib-padim (imported)"]
    assert len(list((tmp_path / "maps").rglob("*.tiff"))) == 4


@pytest.mark.skipif(find_spec("anomalib") is None, reason="anomalib is not installed: [peers]")
def test_one_seed_gives_one_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "data")
    arguments = '{"backbone": "resnet18", "pre_trained": false, "coreset_sampling_ratio": 0.01}'
    for maps in ("first", "second"):
        command = ["patchcore", "--arguments", arguments, "--data", "data", "--maps", maps]
        assert anomalib_models.main(command) == 0
        np.random.random(7)  # so that another draw would follow
    first, second = (Path(maps, "scores.csv").read_text() for maps in ("first", "second"))
    assert first == second

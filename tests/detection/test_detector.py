"""A detector's numbers are a run's, a loaded one's the saved one's; what can't be is said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

import benchmarks
from benchmarks.detection import saving
from benchmarks.detection.detector import Detector
from benchmarks.errors import BenchmarkError, DataError
from benchmarks.maps.__main__ import main as maps
from benchmarks.results import Store
from benchmarks.results.scores import read_image_scores
from benchmarks.run.__main__ import main as run
from methods import MethodNameError, registry
from methods.base import NotFittedError
from tests.helpers.data_sets import write_category
from tests.helpers.third_party import MeanDistance, Parameters

SIZE = 32

METHODS = ["patchcore-25", "spade", "spade-5", "padim", "patchcore-10[reweight=3]"]


def detector(method: str = "patchcore-25", **options: Any) -> Detector:
    return benchmarks.detector(method, backbone="filterbank", **{"image_size": SIZE, **options})


@pytest.fixture
def cup(folder: Path) -> Path:
    """A category of more images than pass a backbone together, two of them of another shape."""
    root = write_category(Path("data/cup"), train=19, good=3, defect=4)
    for number in range(2):
        path = root / f"test/good/{number:03}.png"
        Image.open(path).resize((70, 52), Image.Resampling.NEAREST).save(path)
    return root


@pytest.mark.parametrize("options", [["--fit", "crop"], ["--fit", "stretch"], ["--fit", "pad"]])
def test_numbers_are_a_runs_to_the_last_digit(
    cup: Path, no_figures: None, options: list[str]
) -> None:
    command = [*options, "--data", "data", "--cache", "cache", "--image-size", str(SIZE)]
    shared = ["--methods", ",".join(METHODS), "--backbone", "filterbank", "--interpolation"]
    assert run([*command, *shared, "lanczos", "--out", "out", "--save-maps", "--seeds", "5"]) == 0
    exported = ["export", "out", "--methods", ",".join(METHODS), "--out", "maps"]
    assert maps([*exported, "--data", "data", "--cache", "cache"]) == 0
    cells = {cell.spec.method: cell for cell in Store(Path("out")).cells()}
    assert {*cells} == {*METHODS}
    for method, cell in cells.items():
        fitted = detector(method, fit=options[1], interpolation="lanczos", seed=5)
        stored = read_image_scores(Path("out") / str(cell.scores))
        files = [cup / name for name in stored["path"]]
        verdicts = fitted.fit(cup / "train/good").score(files)
        assert verdicts.scores.dtype == np.float64
        np.testing.assert_array_equal(verdicts.scores, stored["score"])
        for file, anomaly_map in zip(files, verdicts.maps, strict=True):
            name = file.relative_to(cup).with_suffix(".tiff")
            written = tifffile.imread(Path("maps") / method / "cup" / name)
            np.testing.assert_array_equal(anomaly_map, written)
            assert anomaly_map.shape == Image.open(file).size[::-1]


@pytest.mark.parametrize("augment", ["flip", "rotate8"])
def test_copies_are_a_runs(cup: Path, no_figures: None, augment: str) -> None:
    command = ["--data", "data", "--cache", "cache", "--image-size", str(SIZE), "--out", "out"]
    learns = ["--methods", "padim", "--backbone", "filterbank", "--augment", augment]
    assert run([*command, *learns]) == 0
    (cell,) = Store(Path("out")).cells()
    stored = read_image_scores(Path("out") / str(cell.scores))
    files = [cup / name for name in stored["path"]]
    plain, fitted = detector("padim"), detector("padim", augment=augment)
    scores = fitted.fit(cup / "train/good").score(files).scores
    np.testing.assert_array_equal(scores, stored["score"])
    assert (scores != plain.fit(cup / "train/good").score(files).scores).all()
    loaded = benchmarks.load_detector(fitted.save("cup.safetensors"))
    np.testing.assert_array_equal(loaded.score(files).scores, scores)


def test_images_may_come_in_any_form(cup: Path) -> None:
    train = sorted((cup / "train/good").glob("*.png"))
    pixels = np.stack([np.asarray(Image.open(path)) for path in train])
    forms: list[Any] = [
        train,
        [*map(str, train)],
        cup / "train/good",
        pixels,
        [*pixels],
        [pixels[:7], train[7], *pixels[8:]],
        map(Image.open, train),
        torch.from_numpy(pixels),
        torch.from_numpy(pixels).permute(0, 3, 1, 2),
        list(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255),
        pixels / 255,
    ]
    first = detector("spade").fit(forms[0])
    expected = first.score(cup / "test/spot")
    for form in forms:
        scores, anomaly_maps = detector("spade").fit(form).score(cup / "test/spot")
        np.testing.assert_array_equal(scores, expected.scores)
        np.testing.assert_array_equal(anomaly_maps, expected.maps)
    single, maps_of_single = first.score(pixels[3])
    assert single.shape == (1,)
    assert maps_of_single[0].shape == (40, 40)
    for dtype in (np.float16, np.float32):
        fractions = (pixels[3] / 255).astype(dtype)
        np.testing.assert_array_equal(first.score(fractions).scores, single)
    named = first.score(np.array([*map(str, train)])).scores
    np.testing.assert_array_equal(named, first.score(train).scores)
    grey = np.array(Image.open(train[0]).convert("L"))
    repeated = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(first.score(grey).scores, first.score(repeated).scores)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "I;16"])
def test_a_picture_is_read_as_its_file_is(cup: Path, mode: str) -> None:
    """Of Pillow's modes that a file may have; turned as its EXIF orientation says."""
    fitted = detector("padim").fit(cup / "train/good")
    picture = Image.open(cup / "test/spot/000.png").resize((52, 44))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) << 8)
    else:
        picture = picture.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = "file.jpg" if mode == "CMYK" else "file.png"
    picture.save(file, exif=exif)
    opened = Image.open(file)
    assert opened.mode == mode
    verdicts = [fitted.score(form) for form in (file, opened, opened.copy())]
    assert verdicts[0].maps[0].shape == (52, 44)
    for verdict in verdicts[1:]:
        np.testing.assert_array_equal(verdict.scores, verdicts[0].scores)
        np.testing.assert_array_equal(verdict.maps[0], verdicts[0].maps[0])
    if mode in ("LA", "RGBA"):
        pixels = np.asarray(picture.convert("RGBA"))
        upright = Image.fromarray(pixels[..., :3])
        assert fitted.score(pixels).scores == fitted.score(upright).scores


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([], "no images are given"),
        (
            np.zeros((2, 8, 8, 5), np.uint8),
            r"\(2, 8, 8, 5\) is given: images are \(H, W, 3\)",
        ),
        (np.zeros((5, 8, 8), np.uint8), r"shape \(5, 8, 8\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"shape \(0, 8, 8, 3\)"),
        (np.full((8, 8, 3), 200.0), "pixels are float64 from 200 to 200: pass uint8"),
        (np.full((8, 8, 3), np.nan), "pixels are float64 from nan"),
        (np.zeros((8, 8, 3), np.int64), "pixels are int64"),
        ("nowhere.png", "nowhere.png: No such file"),
        ([None], "an image is a NoneType: pass a file"),
        (b"bytes", "an image is a bytes: pass a file"),
        (".", "no image files lie in this folder itself"),
        (torch.full((8, 8, 3), 2.0, dtype=torch.bfloat16), "pixels are float32 from 2 to 2"),
        (Image.new("F", (8, 8)), "an image: 32-bit pixels have no defined range"),
        (Image.new("I", (8, 8)), "an image: 32-bit pixels have no defined range"),
    ],
)
def test_what_is_no_image_is_one_line(folder: Path, images: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        detector().fit(images)


def test_a_picture_that_is_closed_or_cut_short_is_one_line(cup: Path) -> None:
    path = cup / "test/spot/000.png"
    closed = Image.open(path)
    closed.close()
    Path("short.png").write_bytes(path.read_bytes()[:-60])
    for picture in (closed, Image.open("short.png")):
        with pytest.raises(DataError, match="an image can't be read"):
            detector().fit(picture)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fit": "cropp"}, "fit 'cropp': take crop, stretch, pad"),
        ({"interpolation": "nearest"}, "interpolation 'nearest': take bilinear, bicubic"),
        ({"dtype": torch.float16}, "dtype torch.float16: take float32, float16"),
        ({"image_size": 0}, "image_size 0: give an integer from 1 to 8192"),
        ({"image_size": "96"}, "image_size '96': give an integer"),
        ({"image_size": 96.0}, "image_size 96.0: give an integer"),
        ({"image_size": 10**5}, "image_size 100000: give an integer"),
        ({"seed": -1}, "seed -1: give an integer from 0 to 4294967295"),
        ({"seed": 1.5}, "seed 1.5: give an integer"),
        ({"resize": -1}, "resize -1: give an integer from 0"),
        ({"resize": 20}, "--resize 20 is less than the crop's 32 pixels"),
        ({"resize": 40, "fit": "pad"}, "--resize is of the crop; with --fit pad leave it out"),
        ({"device": "gpu"}, "--device gpu: take auto, cpu, cuda"),
        ({"weights": "file.pth"}, "filterbank takes no --weights"),
    ],
)
def test_an_argument_that_a_run_would_refuse_is_refused(
    folder: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(BenchmarkError, match=said) as refused:
        detector(**options)
    assert "\n" not in str(refused.value)


def test_arguments_may_be_numpys_and_torchs(cup: Path) -> None:
    usual = detector("patchcore-1", seed=3).fit(cup / "train/good")
    fitted = detector("patchcore-1", seed=np.int64(3), device=torch.device("cpu"))
    assert fitted.spec.key == usual.spec.key
    image = cup / "test/spot/000.png"
    assert fitted.fit(cup / "train/good").score(image).scores == usual.score(image).scores


def test_what_there_is_not_is_one_line(folder: Path) -> None:
    with pytest.raises(MethodNameError, match="did you mean patchcore"):
        benchmarks.detector("patchcor-25")
    with pytest.raises(BenchmarkError, match="relative to a whole test set"):
        benchmarks.detector("padim", backbone="filterbank+resnet18")
    with pytest.raises(NotFittedError, match=r"call fit\(images\) first"):
        detector().score(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(NotFittedError, match=r"call fit\(images\) first"):
        detector().save("file.safetensors")
    with pytest.raises(AttributeError, match="has no attribute 'detectors'"):
        _ = benchmarks.detectors  # type: ignore[attr-defined]


# Saved and loaded


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_loaded_detector_scores_the_same(cup: Path, method: str, dtype: str) -> None:
    fitted = detector(method, dtype=dtype, seed=3, fit="pad").fit(cup / "train/good")
    fitted.save("cup.safetensors")
    loaded = benchmarks.load_detector("cup.safetensors")
    assert loaded.spec.key == fitted.spec.key
    for images in (cup / "test/spot", cup / "test/good/000.png"):
        before, after = fitted.score(images), loaded.score(images)
        np.testing.assert_array_equal(before.scores, after.scores)
        for left, right in zip(before.maps, after.maps, strict=True):
            np.testing.assert_array_equal(left, right)


def rewrite(change: Any) -> None:
    """Change a stored detector's description."""
    with safe_open("cup.safetensors", "pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in [*stored.keys()]}
        description = json.loads(stored.metadata()[saving.PART])
    change(description)
    save_file(tensors, "cup.safetensors", {saving.PART: json.dumps(description)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["versions"].update(torch="1.0"), "saved with torch 1.0, and here is 2"),
        (lambda d: d["versions"].update(other="1"), "saved with other 1, and here is none"),
        (
            lambda d: d["spec"]["protocol"]["backbone"].update(weights_sha256="ab"),
            "saved with protocol.backbone.weights_sha256 ab, and here is",
        ),
        (
            lambda d: d["spec"]["protocol"]["backbone"]["layers"].update({"2": "x"}),
            "saved with protocol.backbone.layers.2 x, and here is",
        ),
        (
            lambda d: d["spec"]["params"].update(dims=9),
            "saved with params.dims 9, and here is 1024",
        ),
        (lambda d: d["versions"].update(extractor="9"), "saved with extractor 9, and here is"),
        (lambda d: d["spec"].pop("seed"), "saved by another version of this program"),
        (lambda d: d.pop("versions"), "saved by another version of this program"),
    ],
)
def test_a_detector_of_anything_else_is_refused(cup: Path, change: Any, said: str) -> None:
    detector().fit(cup / "train/good").save("cup.safetensors")
    rewrite(change)
    with pytest.raises(BenchmarkError, match=said) as refused:
        benchmarks.load_detector("cup.safetensors")
    assert "\n" not in str(refused.value)


def test_other_weights_are_refused(cup: Path) -> None:
    import torchvision

    files = Path("a.pth"), Path("b.pth")
    for seed, file in enumerate(files):
        torch.manual_seed(seed)
        torch.save(torchvision.models.resnet18(weights=None).state_dict(), file)
    options = {"backbone": "resnet18", "weights": files[0], "image_size": 64}
    fitted = benchmarks.detector("padim", **options).fit(cup / "train/good")
    expected = fitted.score(cup / "test/spot").scores
    fitted.save("cup.safetensors")
    with pytest.raises(BenchmarkError, match=r"saved with protocol\.backbone\.weights_sha256"):
        benchmarks.load_detector("cup.safetensors", weights=files[1])
    files[0].rename("c.pth")
    with pytest.raises(BenchmarkError, match="there is no weights file"):
        benchmarks.load_detector("cup.safetensors")
    loaded = benchmarks.load_detector("cup.safetensors", weights="c.pth")
    np.testing.assert_array_equal(loaded.score(cup / "test/spot").scores, expected)


def test_what_is_no_detector_is_one_line(cup: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"nothing.safetensors: can't be read \(No such file"):
        benchmarks.load_detector("nothing.safetensors")
    save_file({"a": torch.zeros(2)}, "other.safetensors")
    fitted = detector().fit(cup / "train/good")
    fitted.save("cup.safetensors")
    whole = Path("cup.safetensors").read_bytes()
    Path("half.safetensors").write_bytes(whole[: len(whole) // 2])
    for file in ("other.safetensors", "half.safetensors", cup / "test/good/000.png"):
        with pytest.raises(BenchmarkError, match="no detector, or a damaged one"):
            benchmarks.load_detector(file)
    Path("there").write_bytes(b"")
    with pytest.raises(BenchmarkError, match="can't be written"):
        fitted.save("there/cup.safetensors")


@dataclass(frozen=True)
class Stateless(Parameters):
    """A method of another package, without a state."""

    def create(self) -> MeanDistance:
        return MeanDistance(self)


VARIANTS = {"stateless": Stateless()}


def test_a_method_without_a_state_scores_and_is_not_saved(
    cup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [EntryPoint("stateless", f"{__name__}:VARIANTS", registry.ENTRY_POINTS)]
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: points)
    registry._survey.cache_clear()
    try:
        fitted = detector("stateless").fit(cup / "train/good")
        assert fitted.score(cup / "test/spot").scores.min() > 0
        with pytest.raises(BenchmarkError, match="stateless has no `state` and `from_state`"):
            fitted.save("cup.safetensors")
        assert not Path("cup.safetensors").exists()
    finally:
        monkeypatch.undo()
        registry._survey.cache_clear()

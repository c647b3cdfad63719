"""The GPU's way on a pretended device: it refuses what a GPU does, and gives the CPU's numbers."""

from __future__ import annotations

import csv
import inspect
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Self
from unittest import mock

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

import methods
from benchmarks.backbones import backbone as backbone_module
from benchmarks.backbones import loading as backbones
from benchmarks.backbones.backbone import Backbone
from benchmarks.evaluation import anomaly_maps, evaluating, scoring
from benchmarks.execution.workers import WantedPool, processes
from benchmarks.features import uploading
from benchmarks.figures import writing
from benchmarks.figures.ahead import Ahead
from benchmarks.run import __main__ as run
from benchmarks.speed import __main__ as speed
from benchmarks.speed.inputs import SCALES
from benchmarks.supplement import __main__ as supplement
from methods import padim, patchcore, registry
from methods.base import Features
from methods.components.precision import _switches as precision_switches
from methods.components.precision import full_precision
from methods.conformance import check_method
from methods.testing.pretended import OnDevice, pretended_cuda
from tests.helpers import third_party
from tests.helpers.data_sets import write_dataset
from tests.helpers.networks import network

RELATIVE = 1e-5
"""Two orders of adding numbers differ by this much of their size at most."""

ALIKE = ("patchcore-1", "patchcore-25", "spade-5")
"""Variants whose code is another one's on the device, too."""

VARIANTS = [
    *(
        pytest.param(name, marks=pytest.mark.slow if name in ALIKE else ())
        for name in methods.names()
    ),
    pytest.param("patchcore-25[patch_size=5,squared=true]", marks=pytest.mark.slow),
    pytest.param("patchcore-10[levels=1+2+3,reweight=3]", marks=pytest.mark.slow),
    "spade[gallery_neighbours=3,neighbours=4]",
    "padim[dims=7]",
]


pytestmark = pytest.mark.usefixtures("folder", "no_figures")


def evaluate_on(device: str, *arguments: str) -> dict[tuple[str, ...], float]:
    """Run the main command; return what it stored, by cell and metric."""
    out = f"out-{device}"
    common = ["--data", "data", "--image-size", "32", "--device", device, "--out", out]
    assert run.main([*common, "--cache", f"cache-{device}", *arguments]) == 0
    with (Path(out) / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["device"] for row in rows} == {device}
    keys = ("category", "method", "seed", "shots", "metric")
    return {tuple(row[key] for key in keys): float(row["value"] or "nan") for row in rows}


def assert_equal_on_both(*arguments: str) -> None:
    """Assert that the main command stores the CPU's numbers on a pretended device."""
    expected = evaluate_on("cpu", *arguments)
    with pretended_cuda() as counts:
        actual = evaluate_on("cuda", *arguments)
    assert counts["operations"] > 0
    assert counts["copy to device"] > 0
    assert actual.keys() == expected.keys()
    for key, value in expected.items():
        same = math.isclose(actual[key], value, rel_tol=RELATIVE, abs_tol=RELATIVE)
        assert same or (math.isnan(value) and math.isnan(actual[key])), (key, value, actual[key])


Register = Callable[[str, Any], None]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Return what registers a method under a name for one test."""

    def register(name: str, parameters: Any) -> None:
        known = {**registry._survey()[0], name: lambda: parameters}
        monkeypatch.setattr(registry, "_survey", lambda: (known, ()))

    return register


# Methods


def test_an_observer_is_told_of_every_operation_and_what_it_gave() -> None:
    seen: list[tuple[str, list[type], torch.Tensor]] = []

    def observe(_: object, func: Any, args: Any, __: object, result: torch.Tensor) -> None:
        seen.append((func.overloadpacket.__name__, [type(tensor) for tensor in args], result))

    matrix = torch.arange(6.0).reshape(2, 3)
    with pretended_cuda() as counts:
        left, right = matrix.to("cuda"), matrix.T.to("cuda")
        counts.observer = observe
        product = left @ right
    assert [(name, kinds) for name, kinds, _ in seen] == [("mm", [torch.Tensor, torch.Tensor])]
    assert torch.equal(seen[0][2], matrix @ matrix.T)
    assert isinstance(product, OnDevice)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_conforms_on_the_device(name: str) -> None:
    with pretended_cuda() as counts:
        check_method(name, device="cuda")
    assert counts["operations"] > 0


def test_a_large_bank_is_screened_on_the_device_as_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patchcore, "SCREENED_ROWS", 1)
    monkeypatch.setattr(patchcore, "SCREENED_PAIRS", 1)
    generator = torch.Generator().manual_seed(0)
    levels = {
        2: torch.rand(30, 12, 16, 16, generator=generator).square(),
        3: torch.rand(30, 20, 8, 8, generator=generator).square(),
    }
    test = {level: array[:4] + 0.01 for level, array in levels.items()}
    scores = []
    for device in ("cpu", "cuda"):
        with pretended_cuda():
            method = methods.create("patchcore-100")
            method.fit(Features(levels, device=device), torch.Generator().manual_seed(0))
            scores.append(method.score(Features(test, device=device)).maps.cpu())
    torch.testing.assert_close(scores[1], scores[0], rtol=RELATIVE, atol=1e-5)


# The commands


def test_methods_seeds_and_shots_give_the_cpus_numbers() -> None:
    write_dataset(Path("data"), "cup", "plate")
    chosen = "patchcore-25,patchcore-100[reweight=3],patchcore-10[squared=true],spade,spade-5,padim"
    assert_equal_on_both("--methods", chosen, "--backbone", "filterbank")
    assert_equal_on_both(
        "--methods", "patchcore-25,padim", "--backbone", "filterbank",
        "--shots", "1,3", "--seeds", "0,1", "--categories", "cup",
    )  # fmt: skip


def convolutional() -> list[str]:
    torch.save(network("resnet18").state_dict(), "resnet18.pth")
    return ["--backbone", "resnet18", "--weights", "resnet18.pth"]


def of_timm() -> list[str]:
    torch.manual_seed(2)
    made: Any = timm.create_model("efficientnet_lite0", pretrained=False).eval()
    save_file(made.state_dict(), "lite.safetensors")
    return ["--backbone", "timm/efficientnet_lite0", "--weights", "lite.safetensors"]


def ensemble() -> list[str]:
    torch.save(network("resnet18").state_dict(), "resnet18.pth")
    return ["--backbone", "filterbank+resnet18[weights=resnet18.pth]"]


@pytest.mark.parametrize(
    "backbone", [convolutional, of_timm, ensemble], ids=lambda one: one.__name__
)
def test_every_kind_of_backbone_gives_the_cpus_numbers(backbone: Callable[[], list[str]]) -> None:
    write_dataset(Path("data"), "cup")
    assert_equal_on_both("--methods", "patchcore-25,padim,spade-5", *backbone())


def test_a_transformer_gives_the_cpus_numbers() -> None:
    torch.manual_seed(2)
    made: Any = timm.create_model("vit_tiny_patch16_224", pretrained=False)
    save_file(made.state_dict(), "vit.safetensors")
    images = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    layers = [f"blocks.{number}" for number in (1, 3, 5, 7)]
    name, weights = "timm/vit_tiny_patch16_224", Path("vit.safetensors")
    expected = backbones.load(name, weights=weights, layers=layers).forward(images, (1, 4))
    with pretended_cuda():
        there = backbones.load(name, weights=weights, layers=layers, device="cuda")
        actual = {level: one.cpu() for level, one in there.forward(images, (1, 4)).items()}
    for level, maps in expected.items():
        largest = float(maps.abs().max())
        torch.testing.assert_close(actual[level], maps, rtol=0, atol=RELATIVE * largest)


@pytest.mark.figures
def test_example_maps_are_drawn_while_later_categories_run(monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(Path("data"), "cup", "plate")
    drawn: list[str] = []
    ahead = Ahead.drawn
    at_the_end, write = list[str](), writing.write

    def noted(out: Path, drawing: tuple[Any, ...]) -> writing.Written:
        at_the_end.append(drawing[0])
        return write(out, drawing)

    def finished(self: Ahead) -> dict[str, Any]:
        wait(self._drawing)
        drawn.extend(ahead(self))
        return ahead(self)

    monkeypatch.setattr(writing, "write", noted)
    monkeypatch.setattr(Ahead, "drawn", finished)
    with pretended_cuda():
        evaluate_on("cuda", "--methods", "padim", "--backbone", "filterbank")
    assert drawn == ["examples_cup", "examples_plate"]
    assert sorted(at_the_end) == ["overview", "precision_recall", "roc", "working_points"]
    noted_files = json.loads(Path("out-cuda/derived.json").read_text())["files"]
    assert {f"plots/{name}.png" for name in drawn} < noted_files.keys()


@pytest.mark.slow
def test_the_supplement_gives_the_cpus_numbers() -> None:
    write_dataset(Path("data"), "cup")
    tables = []
    for device in ("cpu", "cuda"):
        with pretended_cuda():
            status = supplement.main(
                ["S1", "S5", "figS4", "--data", "data", "--image-size", "32", "--device", device,
                 "--backbone", "filterbank", "--starred", "filterbank",
                 "--out", f"results/{device}", "--cache", device]
            )  # fmt: skip
        assert status == 0
        with Path(f"results/{device}/metrics.csv").open(newline="") as file:
            rows = csv.DictReader(file)
            tables.append([float(row["value"] or "nan") for row in rows])
    np.testing.assert_allclose(tables[1], tables[0], rtol=RELATIVE, atol=RELATIVE)


@pytest.mark.slow
def test_every_timed_step_agrees_with_its_definition_on_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channels = {1: 64, 2: 128, 3: 256, 4: 512}
    tiny = replace(SCALES["small"], image_size=64, train=12, test=6, extracted=8)
    tiny = replace(tiny, backbone="resnet18", channels=channels)
    monkeypatch.setitem(SCALES, "small", tiny)  # pretending takes its time
    with pretended_cuda():
        assert speed.main(["--scale", "small", "--device", "cuda", "--out", "results/speed"]) == 0


# Faults that a machine without a GPU would not show


class Slip(third_party.MeanDistance):
    """The third-party method with one line that only a GPU refuses."""

    parameters: Slipping

    def fit(self, features: Features, generator: torch.Generator) -> Self:
        super().fit(features, generator)
        assert self._mean is not None
        match self.parameters.slip:
            case "a tensor left on the CPU":
                self._mean = self._mean.cpu()
            case "a constant made on the CPU":
                self._mean = self._mean + torch.zeros(len(self._mean))
            case "a generator of the CPU":
                drawn = torch.rand(3, generator=generator, device=features.device)
                self._mean = self._mean + 0 * drawn.sum()
            case "taken for an array":
                self._mean = self._mean + float(self._mean.numpy().sum() * 0)
        return self


@dataclass(frozen=True)
class Slipping(third_party.Parameters):
    slip: str = ""

    def create(self) -> third_party.MeanDistance:
        return Slip(self)


SLIPS = {
    "a tensor left on the CPU": "same device",
    "a constant made on the CPU": "same device",
    "a generator of the CPU": "generator",
    "taken for an array": "numpy",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_that_the_cpu_forgives_is_refused(slip: str, registered: Register) -> None:
    registered("slipping", Slipping(slip=slip))
    check_method("slipping")
    with pretended_cuda(), pytest.raises((RuntimeError, TypeError), match=SLIPS[slip]):
        check_method("slipping", device="cuda")


FAULTS = [
    (backbone_module, "_on_device", "images.pin_memory().to(device, non_blocking=True)", "images"),
    (anomaly_maps, "_matrix_on", "moved(matrix, device)", "matrix"),
    (scoring, "score_images", "finished.cpu().numpy()", "finished.numpy()"),
]


@pytest.mark.parametrize(("module", "function", "right", "wrong"), FAULTS)
def test_a_fault_planted_in_the_harness_fails_cells(
    module: ModuleType, function: str, right: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = inspect.getsource(getattr(module, function))
    assert right in source
    space: dict[str, Any] = {}
    exec("from __future__ import annotations\n" + source.replace(right, wrong), vars(module), space)
    for user in (module, evaluating):
        if hasattr(user, function):
            monkeypatch.setattr(user, function, space[function])
    write_dataset(Path("data"), "cup")
    command = ["--data", "data", "--image-size", "32", "--backbone", "filterbank"]
    command += ["--methods", "padim", "--out", "out"]
    assert run.main([*command, "--device", "cpu"]) == 0
    with pretended_cuda():
        assert run.main([*command, "--device", "cuda", "--force", "--cache", "new"]) != 0


@pytest.mark.parametrize("switch", ["tf32", "older", "bfloat16", "autocast", "float64"])
def test_no_global_setting_changes_a_product(switch: str) -> None:
    left = torch.rand(64, 64, generator=torch.Generator().manual_seed(0))
    with pretended_cuda():
        there = left.to("cuda")

        def products() -> list[torch.Tensor]:
            with full_precision():
                half = there.bfloat16()
                return [(there @ there).cpu(), (half @ half).float().cpu(), torch.ones(1) / 3]

        expected = products()
        with turned(switch):
            before = settings()
            actual = products()
            assert settings() == before
    for one, other in zip(actual, expected, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


@contextmanager
def turned(switch: str) -> Iterator[None]:
    """Turn one of the process's settings the other way."""
    backends: Any = torch.backends
    matmul = backends.cuda.matmul
    with ExitStack() as stack:
        if switch == "autocast":
            stack.enter_context(torch.autocast("cpu", dtype=torch.bfloat16))
        elif switch == "float64":
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(torch.float64)
        elif switch == "older":
            stack.callback(torch.set_float32_matmul_precision, "highest")
            torch.set_float32_matmul_precision("medium")
        else:
            for owner in (
                matmul,
                backends.cudnn.conv,
                backends.mkldnn.matmul,
                backends.mkldnn.conv,
            ):
                low = "tf32" if switch == "tf32" and owner is not backends.mkldnn.conv else "bf16"
                if low == "bf16" and owner in (matmul, backends.cudnn.conv):
                    continue
                stack.callback(setattr, owner, "fp32_precision", owner.fp32_precision)
                owner.fp32_precision = low
        yield


def settings() -> list[object]:
    return [getattr(owner, name) for owner, name, _ in precision_switches()]


def test_a_product_outside_full_precision_is_refused() -> None:
    with pretended_cuda():
        half = torch.ones(2, 2, dtype=torch.bfloat16, device="cuda")
        with pytest.raises(RuntimeError, match="outside full_precision"):
            half @ half
        with full_precision():
            assert (half @ half).float().sum().item() == 8


# The pretended device itself


def test_it_counts_copies_waits_and_operations_where_they_happen() -> None:
    with pretended_cuda() as counts:
        there = torch.arange(4).to("cuda")
        assert isinstance(there, OnDevice)
        assert there.device == torch.device("cuda", 0)
        doubled = there * 2
        doubled += 1
        assert doubled.tolist() == [1, 3, 5, 7]
        assert int(doubled.sum()) == 16
        doubled[doubled > 3] = 0
        assert doubled.cpu().tolist() == [1, 3, 0, 0]
    assert counts["copy to device"] == 1
    assert counts["bytes to device"] == 32
    assert counts["copy from device"] == 1
    assert counts["wait: tolist"] == 1
    assert counts["wait: item"] == 1
    assert counts.waits == 3  # and the boolean indexing
    assert not torch.cuda.is_available()


def test_two_devices_do_not_mix() -> None:
    with pretended_cuda(devices=2):
        first, second = (torch.ones(2, device=f"cuda:{number}") for number in (0, 1))
        with pytest.raises(RuntimeError, match="cuda:0 and cuda:1"):
            first + second
        assert (first + second.to("cuda:0")).tolist() == [2, 2]


# Which GPU, and one that fails


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mps", "take auto, cpu, cuda or cuda:N"),
        ("cuda:x", "take auto, cpu, cuda or cuda:N"),
        ("cuda:2", "there are 2 GPUs"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup")
    with pretended_cuda(devices=2):
        assert run.main(["--data", "data", "--device", name, "--backbone", "filterbank"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"error: --device {name}: ")
    assert message in line


def test_a_gpu_is_named_by_its_number() -> None:
    write_dataset(Path("data"), "cup")
    with pretended_cuda(devices=2):
        stored = evaluate_on("cuda:1", "--methods", "padim", "--backbone", "filterbank")
    assert len(stored) > 0


def test_workers_spread_over_the_gpus_there_are() -> None:
    wanted = WantedPool(jobs=5, device="cuda", patience=60)
    pool = processes.Processes(wanted, gpus=("3", "5"))
    with mock.patch.object(processes, "CONTEXT") as context:
        context.Pipe.side_effect = lambda: (mock.Mock(), mock.Mock())
        for hand in pool.idle(alone=True):
            pool.start(hand, mock.Mock())
        started = [call.kwargs["args"][-2:] for call in context.Process.call_args_list]
    assert started == [(3, "3"), (3, "5"), (3, "3"), (3, "5"), (3, "3")]  # sharers, GPU


def fail(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> None:
    """Raise an error in PaDiM's first few fits, as a GPU would midway."""
    fit, left = padim.Padim.fit, [times]

    def failing(method: Any, *arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise error
        return fit(method, *arguments)

    monkeypatch.setattr(padim.Padim, "fit", failing)


def statuses() -> dict[str, tuple[str, str]]:
    with Path("out/metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["method"]: (row["status"], row["error"]) for row in rows}


def run_there(*arguments: str) -> int:
    write_dataset(Path("data"), "cup")
    common = ["--data", "data", "--image-size", "32", "--backbone", "filterbank", "--out", "out"]
    with pretended_cuda():
        return run.main([*common, "--methods", "padim,spade-5", "--device", "cuda", *arguments])


def test_a_method_that_runs_out_of_memory_gets_smaller_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail(monkeypatch, torch.OutOfMemoryError("CUDA out of memory"), 2)
    assert run_there() == 0


def test_a_method_without_memory_fails_alone_and_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail(monkeypatch, torch.OutOfMemoryError("CUDA out of memory"), 99)
    assert run_there() == 1
    assert statuses()["spade-5"][0] == "ok"
    status, error = statuses()["padim"]
    assert status == "failed"
    assert "pass --device cpu or a smaller --image-size" in error
    monkeypatch.undo()


def test_a_lost_gpu_fails_cells_that_the_same_command_brings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    fail(monkeypatch, torch.AcceleratorError("CUDA error: unspecified launch failure\nmore"), 1)
    assert run_there() == 1
    status, error = statuses()["padim"]
    assert status == "failed"
    assert error.startswith(
        "the GPU gave up (CUDA error: unspecified launch failure): run the same"
    )
    assert "more" not in error
    assert statuses()["spade-5"][0] == "ok"
    assert run_there() == 0
    assert statuses()["padim"][0] == "ok"


def test_a_backbone_that_runs_out_of_memory_fails_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(backbone_module, "_on_device", lambda images, device: images.to(device))
    original = Backbone.forward
    calls = iter([original])

    def forward(*arguments: Any) -> Any:
        return next(calls, failing)(*arguments)  # the first looks at a blank image

    monkeypatch.setattr(Backbone, "forward", forward)
    assert run_there() == 1
    for status, error in statuses().values():
        assert status == "failed"
        assert "pass --device cpu or a smaller --image-size" in error


def test_features_stream_where_another_process_took_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused: list[int] = []

    def failing(*arguments: Any) -> Any:
        refused.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    assert run_there() == 0  # fills the cache
    monkeypatch.setattr(uploading, "uploaded", failing)
    assert run_there("--force") == 0
    assert refused

"""What authors of methods get wrong is named in one sentence, by the suite and by a run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import torch

import methods
from benchmarks.evaluation import evaluating
from benchmarks.results import Cell, Store, result_sets
from benchmarks.run import __main__ as run
from methods import registry
from methods.base import Features, Scores
from methods.checks import ConformanceError, check_again, seeded_generators
from methods.conformance import check_method, make_features
from methods.testing.pretended import pretended_cuda
from tests.helpers import third_party
from tests.helpers.data_sets import write_dataset

Maps = torch.Tensor
DRAWN = "draws from {} global generator, which the run seeds: draw from `fit`'s `generator`"

RETURNED: dict[str, tuple[Callable[[Maps], Any], str]] = {
    "nothing": (lambda maps: None, "`score` returned None, not Scores"),
    "bare": (lambda maps: maps, "`score` returned Tensor, not Scores: write `return Scores(maps)`"),
    "pair": (lambda maps: (maps, None), "`score` returned tuple, not Scores"),
    "array": (lambda maps: Scores(maps.cpu().numpy()), "map 0: of type ndarray, not a tensor"),
    "list": (lambda maps: Scores([maps]), "map 0: of type list, not a tensor"),
    "array of several": (
        lambda maps: Scores((maps, maps.cpu().numpy())),
        "map 1: of type ndarray, not a tensor",
    ),
    "no maps": (lambda maps: Scores(()), "`score` returned Scores without maps"),
    "channel": (lambda maps: Scores(maps[:, None]), "map 0: of shape ({n}, 1, {s}, {s}), not"),
    "flat": (lambda maps: Scores(maps.flatten(1)), "map 0: of shape ({n}, {s2}), not ({n}, h"),
    "one image": (lambda maps: Scores(maps[0]), "map 0: of shape ({s}, {s}), not ({n}, h, w)"),
    "fewer": (lambda maps: Scores(maps[1:]), "map 0: of shape ({less}, {s}, {s}), not ({n},"),
    "no width": (lambda maps: Scores(maps[..., :0]), "map 0: of shape ({n}, {s}, 0), not"),
    "column": (
        lambda maps: Scores(maps, maps.amax(dim=(1, 2))[:, None]),
        "image scores: of shape ({n}, 1), not ({n},)",
    ),
    "one score": (
        lambda maps: Scores(maps, maps.max()),
        "image scores: of shape (), not ({n},)",
    ),
    "array of scores": (
        lambda maps: Scores(maps, np.zeros(len(maps))),
        "image scores: of type ndarray, not a tensor",
    ),
    "whole numbers": (lambda maps: Scores(maps.long()), "map 0: torch.int64, not torch.float32"),
    "half": (lambda maps: Scores(maps.half()), "map 0: torch.float16, not torch.float32: add"),
    "truth": (
        lambda maps: Scores(maps, maps.amax(dim=(1, 2)) > 1),
        "image scores: torch.bool, not torch.float32",
    ),
    "gradients": (
        lambda maps: Scores(maps.clone().requires_grad_()),
        "map 0: with gradients: compute it inside `with torch.no_grad():`",
    ),
    "not a number": (
        lambda maps: Scores(torch.where(maps == maps.max(), torch.nan, maps)),
        "hold NaN or infinite values",
    ),
    "infinite": (
        lambda maps: Scores(maps, torch.full_like(maps[:, 0, 0], torch.inf)),
        "image scores hold NaN or infinite values",
    ),
}
FITTED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "fit nothing": (
        lambda method: None,
        "`fit` returned None, not the method: end it with `return ",
    ),
    "fit mean": (lambda method: method._mean, "`fit` returned Tensor, not the method: end it"),
}
AGAIN = "an image that is scored again, alone, gets other scores: `score` must neither"
BEHAVES = {
    "learns": AGAIN,
    "learns in place": AGAIN,
    "counts": AGAIN,
    "normalises": AGAIN,
    "position": AGAIN,
    "jitters": AGAIN,
    "own image scores": AGAIN,
}
DRAWS = {"draws torch": "torch's", "draws NumPy": "NumPy's", "draws Python": "Python's"}
HARMLESS = ("caches", "seeds itself apart", "double", "several maps")


@dataclass(frozen=True)
class Broken(third_party.Parameters):
    """The third-party method with one habit."""

    habit: str = ""

    def create(self) -> third_party.MeanDistance:
        return BrokenMethod(self)


class BrokenMethod(third_party.MeanDistance):
    parameters: Broken

    def fit(self, features: Features, generator: torch.Generator) -> Self:
        super().fit(features, generator)
        assert self._mean is not None
        self._scored, self._cache = 0, {}
        match self.parameters.habit:
            case "draws torch":
                self._mean = self._mean + torch.rand(len(self._mean))
            case "draws NumPy":
                self._mean = self._mean + float(np.random.rand())
            case "draws Python":
                self._mean = self._mean + random.random()
            case "seeds itself apart":
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(generator.initial_seed())
                    self._mean = self._mean + torch.rand(len(self._mean))
            case habit if habit in FITTED:
                return FITTED[habit][0](self)  # type: ignore[no-any-return]
        return self

    def score(self, features: Features) -> Scores:  # noqa: PLR0911 one habit a return
        scores, mean = super().score(features), self._mean
        assert mean is not None
        maps = scores.maps
        assert isinstance(maps, torch.Tensor)
        self._scored += len(features)
        match self.parameters.habit:
            case "learns":
                self._mean = mean + 0.1
            case "learns in place":
                mean.lerp_(features.read(2).mean(dim=(0, 2, 3)), 0.1)
            case "counts":
                return Scores(maps * self._scored)
            case "normalises":
                return Scores(maps / maps.max() + maps.mean())
            case "position":
                return Scores(maps * torch.arange(1, len(maps) + 1)[:, None, None])
            case "jitters":
                return Scores(maps + torch.rand(maps.shape))
            case "own image scores":
                return Scores(maps, maps.amax(dim=(1, 2)) + self._scored)
            case "caches":
                self._cache.setdefault("mean", mean.clone())
            case "double":
                return Scores(maps.double(), maps.double().amax(dim=(1, 2)))
            case "several maps":
                return Scores((maps, maps[:, ::2, ::2]))
            case habit if habit in RETURNED:
                return RETURNED[habit][0](maps)  # type: ignore[no-any-return]
        return scores


HABITS = [*RETURNED, *FITTED, *BEHAVES, *DRAWS, *HARMLESS, "elsewhere"]
TABLE = {f"habit-{number}": Broken(habit=habit) for number, habit in enumerate(HABITS)}


def name_of(habit: str) -> str:
    return f"habit-{HABITS.index(habit)}"


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    points = [EntryPoint(name, f"{__name__}:TABLE", registry.ENTRY_POINTS) for name in TABLE]
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: points)
    registry._survey.cache_clear()
    yield
    monkeypatch.undo()
    registry._survey.cache_clear()


def said_of(sentence: str, count: int, side: int) -> str:
    """Return a sentence with the numbers of what was scored."""
    return sentence.format(n=count, less=count - 1, s=side, s2=side * side)


SENTENCES = {habit: sentence for habit, (_, sentence) in {**RETURNED, **FITTED}.items()}


@pytest.mark.parametrize("habit", SENTENCES)
def test_the_suite_names_the_fault_in_one_sentence(habit: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_method(name_of(habit))
    message = str(caught.value)
    assert message.startswith(f"{name_of(habit)}: ")
    assert said_of(SENTENCES[habit], 5, 8) in message
    assert "\n" not in message


@pytest.mark.parametrize("habit", [*BEHAVES, *DRAWS])
def test_the_suite_refuses_what_a_run_does(habit: str) -> None:
    with pytest.raises(ConformanceError, match=name_of(habit)):
        check_method(name_of(habit))


@pytest.mark.parametrize("habit", HARMLESS)
def test_the_suite_lets_pass_what_a_run_does(habit: str) -> None:
    check_method(name_of(habit))


def test_maps_on_another_device_are_named() -> None:
    maps = torch.ones(2, 3, 3)
    with pretended_cuda(devices=2):
        there = make_features(2, 0, (2,), "cuda")
        for first, sentence in (
            (maps, "map 0: on cpu, not on the features' cuda"),
            (maps.to("cuda:1"), "cuda:1"),
        ):
            with pytest.raises(ConformanceError, match=sentence):
                methods.checks.check_scores(Scores(first), there)
        methods.checks.check_scores(Scores(maps.to("cuda")), there)


@pytest.fixture
def _small(folder: Path, no_figures: None) -> None:
    write_dataset(Path("data"), "cup")


def evaluate(*habits: str, out: str = "out") -> tuple[int, dict[str, Cell]]:
    names = [habit if habit in methods.names() else name_of(habit) for habit in habits]
    common = ["--data", "data", "--image-size", "32", "--backbone", "filterbank", "--out", out]
    status = run.main([*common, "--methods", ",".join(names), "--force"])
    cells = {cell.spec.method: cell for cell in Store(Path(out)).cells()}
    return status, {habit: cells[name] for habit, name in zip(habits, names, strict=True)}


@pytest.mark.usefixtures("_small")
def test_a_run_says_the_same_in_the_failed_cell(capsys: pytest.CaptureFixture[str]) -> None:
    expected = {**SENTENCES, **BEHAVES}
    status, cells = evaluate(*expected, *HARMLESS, "padim")
    shown = capsys.readouterr().err
    assert status == 1
    for habit, sentence in expected.items():
        cell = cells[habit]
        assert cell.status == "failed", habit
        assert said_of(sentence, 7, 4) in cell.error
        assert cell.failure in shown
        assert cell.log is None
    for habit in (*HARMLESS, "padim"):
        assert (cells[habit].status, list(cells[habit].warnings)) == ("ok", [])


@pytest.mark.usefixtures("_small")
def test_what_draws_elsewhere_is_repeated_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    status, first = evaluate(*DRAWS, "padim")
    assert status == 0
    lines = capsys.readouterr().err.splitlines()
    for habit, generator in DRAWS.items():
        notice = f"{name_of(habit)} s0: {DRAWN.format(generator)}"
        assert lines.count(f"warning: cup: {notice}") == 1
        assert notice in first[habit].warnings
    assert not any("draws" in line for line in first["padim"].warnings)
    torch.manual_seed(3)
    _, again = evaluate("padim", *reversed(DRAWS), out="again")
    for habit, cell in first.items():
        assert again[habit].metrics == cell.metrics
    (results,) = result_sets(Path("out"))
    warnings = dict(map(tuple, evaluating_facts(results)))["warnings"]
    assert all(f"cup: {name_of(habit)} s0: draws from" in warnings for habit in DRAWS)


def evaluating_facts(results: Any) -> list[list[str]]:
    from benchmarks.report.facts import facts

    return facts(results, [])


@pytest.mark.usefixtures("_small")
def test_an_error_inside_the_method_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise TypeError("inside")

    monkeypatch.setattr(BrokenMethod, "score", broken)
    _, cells = evaluate("caches")
    assert cells["caches"].error == "TypeError: inside"
    assert "in broken" in Path("out", str(cells["caches"].log)).read_text()


@pytest.mark.usefixtures("_small")
def test_the_projects_methods_are_not_scored_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[str] = []

    def noted(method: object, *arguments: object) -> None:
        scored.append(type(method).__name__)

    monkeypatch.setattr(evaluating.checks, "check_again", noted)
    evaluate("padim", "spade-5", "patchcore-1", "caches")
    assert scored == ["BrokenMethod"]


def test_scoring_again_takes_a_single_image() -> None:
    features = make_features(1, 0, (2,))
    method = third_party.Parameters().create().fit(features, torch.Generator())
    check_again(method, method.score(features), features)


def test_global_generators_go_on_as_if_nothing_had_been_drawn() -> None:
    def draw() -> list[float]:
        return [random.random(), float(np.random.rand()), float(torch.rand(1)), random.gauss()]

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = draw()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    with seeded_generators(5) as drawn:
        inside = draw()
    assert drawn == {"Python's", "NumPy's", "torch's"}
    assert draw() == expected
    with seeded_generators(5) as drawn:
        assert draw() == inside
    with seeded_generators(2**32 - 1):
        assert draw() != inside
    with seeded_generators(5) as drawn:
        np.random.default_rng().random()
        torch.rand(1, generator=torch.Generator())
    assert drawn == set()

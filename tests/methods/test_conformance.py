"""Every registered variant conforms, so does a third party's, and a misbehaving one is caught."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Self

import pytest
import torch

import methods
from methods import conformance, registry
from methods.base import MEMORY, Features, NotFittedError, Scores, State
from methods.conformance import ConformanceError, Subject, check_method
from methods.testing.pretended import pretended_cuda
from tests.helpers import third_party


@pytest.mark.parametrize(
    "name",
    [
        *methods.names(),
        "patchcore-25[patch_size=5,squared=true]",
        "patchcore-10[levels=1+2+3,reweight=3]",
        "spade[gallery_neighbours=3,neighbours=4]",
        "padim[dims=7]",
    ],
)
def test_variant_conforms(name: str) -> None:
    check_method(name)


@dataclass(frozen=True)
class Broken(third_party.Parameters):
    """The third-party method with one habit broken."""

    habit: str = ""

    def create(self) -> third_party.MeanDistance:
        return BrokenMethod(self)


class BrokenMethod(third_party.MeanDistance):
    parameters: Broken

    def fit(self, features: Features, generator: torch.Generator) -> Self:
        remembered = self._mean
        super().fit(features, generator)
        assert self._mean is not None
        match self.parameters.habit:
            case "remembers":
                self._mean = self._mean if remembered is None else (self._mean + remembered) / 2
            case "draws":
                self._mean = self._mean + torch.rand(1)
            case "shares":
                seed = generator.initial_seed()
                shift = features.shared("shift", lambda: torch.full((1,), float(seed)))
                self._mean = self._mean + shift - seed
            case "reaches":
                (first, *_) = features._levels[2]
                self._mean = torch.as_tensor(first[: len(features)]).mean(dim=(0, 2, 3))
            case "writes":
                features.read(2).mul_(2)
            case "saves":
                self._mean = self._mean if features.memory > 1 else self._mean.half().float()
            case "other":
                return type(self)(self.parameters)
            case "needs two":
                assert len(features) > 1
        return self

    def score(self, features: Features) -> Scores:  # noqa: PLR0911 one habit a return
        if self.parameters.habit == "unfitted" and self._mean is None:
            return Scores(torch.zeros(len(features), 2, 2))
        if self.parameters.habit == "accepts" and self._mean is not None:
            level = features.read(2).nan_to_num()
            return Scores((level - self._mean[:, None, None]).norm(dim=1))
        scores = super().score(features)
        assert isinstance(scores.maps, torch.Tensor)
        assert self._mean is not None
        match self.parameters.habit:
            case "learns":
                self._mean = self._mean + 0.01
            case "normalises":
                return Scores(scores.maps / scores.maps.max())
            case "reversed":
                return Scores(-scores.maps)
            case "shape":
                return Scores(scores.maps[:, None])
            case "elsewhere" if features.device.type == "cuda":
                return Scores(scores.maps.half().float())
            case "position":
                return Scores(scores.maps * torch.arange(1, len(features) + 1)[:, None, None])
        return scores

    def state(self) -> State:
        if self._mean is None:
            raise NotFittedError("state was called before fit")
        return {"mean": self._mean.half() if self.parameters.habit == "rounds" else self._mean}

    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        self._mean = state["mean"].to(device)
        return self


HABITS = {
    "other": "fit_returns_self",
    "shape": "scores_have_the_promised_shapes",
    "unfitted": "unfitted_raises",
    "draws": "same_seed_same_scores",
    "shares": "sharing_does_not_matter",
    "reaches": "arrays_do_not_matter",
    "remembers": "fitting_twice_forgets_the_first",
    "learns": "scoring_changes_nothing",
    "normalises": "batch_size_does_not_matter",
    "position": "order_does_not_matter",
    "saves": "memory_does_not_matter",
    "writes": "inputs_stay_unchanged",
    "accepts": "not_a_number_is_rejected",
    "needs two": "one_image_is_enough",
    "rounds": "state_is_the_whole_method",
    "reversed": "anomalies_score_higher",
    "elsewhere": "devices_agree",
}


@pytest.fixture(autouse=True)
def _other_packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    group = registry.ENTRY_POINTS
    points = [EntryPoint("mean-distance", "tests.helpers.third_party:VARIANTS", group)]
    points += [EntryPoint(name, f"{__name__}:BROKEN", group) for name in BROKEN]
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: points)
    registry._survey.cache_clear()
    yield
    monkeypatch.undo()
    registry._survey.cache_clear()


BROKEN = {f"broken-{number}": Broken(habit=habit) for number, habit in enumerate(HABITS)}


def test_a_third_partys_method_conforms() -> None:
    check_method("mean-distance")


@pytest.mark.parametrize("habit", HABITS)
def test_each_property_catches_what_breaks_it(habit: str) -> None:
    name = f"broken-{list(HABITS).index(habit)}"
    check = getattr(conformance, HABITS[habit])
    device = "cuda" if habit == "elsewhere" else "cpu"
    with pretended_cuda():
        check(Subject("mean-distance", device))
        with pytest.raises(AssertionError):
            check(Subject(name, device))
        with pytest.raises(ConformanceError, match=name):
            check_method(name, device)


def test_every_property_has_a_method_that_breaks_it() -> None:
    assert {check.__name__ for check in conformance.PROPERTIES} == set(HABITS.values())

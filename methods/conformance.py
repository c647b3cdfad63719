"""The conformance suite: does a method behave as the comparison relies on?

Run it on your own method in one line: `check_method("my-method")`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

from methods import create, resolve
from methods.base import GLOBAL, LAST, Features, Method, NotFittedError, Storable
from methods.checks import ConformanceError, check_finite, check_fitted, check_scores, tensors_of
from methods.components.precision import full_precision
from methods.lazy import torch

TOLERANCE = 1e-4
"""Largest relative difference that the order of floating-point sums may make."""

CHANNELS = {1: 12, 2: 20, 3: 24, 4: 32, LAST: 28, GLOBAL: 28}
SIDES = {1: 16, 2: 8, 3: 4, 4: 2, LAST: 4, GLOBAL: 1}
TRAINING_IMAGES, TEST_IMAGES = 12, 5

MISTAKES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What code raises that isn't prepared for what it is given."""


Tensors = dict[str, torch.Tensor]
"""A method's scores on the CPU, as `methods.checks.tensors_of` names them."""


def check_method(specification: str, device: str = "cpu") -> None:
    """Check every property on small random features.

    Args:
        specification: a registered name, with overrides in brackets if wanted.
        device: where the method works, as "cuda"; `methods.testing.pretended` has one anywhere.

    Raises:
        ConformanceError: the first property that does not hold.
        MethodNameError: the name is not registered.
    """
    for property_ in PROPERTIES:
        try:
            property_(Subject(specification, device))
        except ConformanceError as error:
            raise ConformanceError(f"{specification}: {error}") from error
        except AssertionError as error:
            reason = (property_.__doc__ or "").strip()
            raise ConformanceError(f"{specification}: {reason} {error}".rstrip()) from error


def make_features(count: int, seed: int, levels: tuple[int, ...], device: str = "cpu") -> Features:
    """Return random non-negative features of `count` images, like a backbone's after its ReLU."""
    generator = torch.Generator().manual_seed(seed)
    arrays = {}
    for level in levels:
        shape = (count, CHANNELS[level], SIDES[level], SIDES[level])
        arrays[level] = torch.rand(shape, generator=generator).square()
    return Features(arrays, device=device)


class Subject:
    """A method that is checked, with features of its own: a check may find them changed.

    Attributes:
        specification: its registered name.
        device: where it works.
        training: features of nominal images.
        test: features of other images.
    """

    def __init__(self, specification: str, device: str) -> None:
        self.specification, self.device = specification, device
        levels = resolve(specification).parameters.levels
        self.training = make_features(TRAINING_IMAGES, 1, levels, device)
        self.test = make_features(TEST_IMAGES, 2, levels, device)

    def run(self, training: Features, test: Features, seed: int = 0) -> Tensors:
        """Return the scores of `test` by the method fitted to `training`."""
        return _score(self.fit(training, seed), test)

    def fit(self, training: Features, seed: int = 0) -> Method:
        """Return the method fitted to some features."""
        with full_precision():
            method = create(self.specification)
            fitted = check_fitted(method.fit(training, torch.Generator().manual_seed(seed)))
        if fitted is not method:
            raise ConformanceError("`fit` returned another method: end it with `return self`")
        return fitted


def _score(method: Method, test: Features) -> Tensors:
    with full_precision():
        scores = check_scores(method.score(test), test)
    return {name: tensor.cpu() for name, tensor in tensors_of(scores).items()}


def _same(actual: Tensors, expected: Tensors, relative: float = TOLERANCE) -> None:
    assert actual.keys() == expected.keys()
    for name, tensor in actual.items():
        torch.testing.assert_close(tensor, expected[name], rtol=relative, atol=1e-5, msg=None)


def fit_returns_self(subject: Subject) -> None:
    """`fit` must return the method itself, so that `fit(…).score(…)` reads as one step."""
    subject.fit(subject.training)


def scores_have_the_promised_shapes(subject: Subject) -> None:
    """Maps must be (N, h, w), if any, image scores (N,), all finite: they are ranked as they are.

    A method without maps has image scores.
    """
    for name, tensor in subject.run(subject.training, subject.test).items():
        check_finite(name, tensor)


def unfitted_raises(subject: Subject) -> None:
    """`score` before `fit` must raise NotFittedError, not return something."""
    try:
        create(subject.specification).score(subject.test)
    except NotFittedError:
        return
    except MISTAKES as error:
        raise AssertionError(f"it raised {type(error).__name__}") from error
    raise AssertionError("it returned something")


def same_seed_same_scores(subject: Subject) -> None:
    """The generator must be the only source of randomness: the same seed, the same numbers."""
    torch.manual_seed(3)
    first = subject.run(subject.training, subject.test)
    torch.manual_seed(4)
    _same(subject.run(subject.training, subject.test), first, relative=0)


def sharing_does_not_matter(subject: Subject) -> None:
    """What is shared with fits before must depend on the seed and on the images as fits do."""
    training, test = subject.training, subject.test
    arrays = {i: training.read(i) for i in training.levels}
    shared = Features(arrays, device=subject.device, share=True)
    for seed, count in ((1, len(shared)), (0, len(shared)), (0, len(shared) - 1)):
        images = range(len(shared) - count, len(shared))
        alone = subject.run(training.select(images), test, seed)
        _same(subject.run(shared.select(images), test, seed), alone, relative=0)


def arrays_do_not_matter(subject: Subject) -> None:
    """Images may be rows of several arrays, in any order: they must be had of features alone."""
    training, test, device = subject.training, subject.test, subject.device
    others = make_features(TRAINING_IMAGES, 6, training.levels, device)
    arrays = [{i: f.read(i) for i in f.levels} for f in (others, training, test)]
    levels = {i: [array[i] for array in arrays] for i in training.levels}
    _, second, third = Features(levels, device=device, share=True).by_array()
    joined = {i: torch.cat([arrays[2][i][1:3], arrays[1][i][3:]]) for i in training.levels}
    expected = subject.run(Features(joined, device=device), test)
    for drawn in ([0, 1], [1, 2]):  # what is shared by the first fit is of other images
        seen = third.select(drawn) + second.select(range(3, TRAINING_IMAGES))
        scores = subject.run(seen, third)
    _same(scores, expected, relative=0)


def fitting_twice_forgets_the_first(subject: Subject) -> None:
    """`fit` must start afresh: a method fitted twice knows only the second training set."""
    other = make_features(TRAINING_IMAGES - 3, 5, subject.training.levels)
    method = create(subject.specification).fit(other, torch.Generator().manual_seed(1))
    method.fit(subject.training, torch.Generator().manual_seed(0))
    _same(_score(method, subject.test), subject.run(subject.training, subject.test))


def scoring_changes_nothing(subject: Subject) -> None:
    """`score` must not learn from test images: asked twice, it answers the same."""
    method = subject.fit(subject.training)
    _same(_score(method, subject.test), _score(method, subject.test), relative=0)


def batch_size_does_not_matter(subject: Subject) -> None:
    """An image's score must not depend on what else is scored: one by one or all at once."""
    method, test = subject.fit(subject.training), subject.test
    whole = _score(method, test)
    singles = [_score(method, test.select([image])) for image in range(len(test))]
    _same({name: torch.cat([single[name] for single in singles]) for name in whole}, whole)


def order_does_not_matter(subject: Subject) -> None:
    """Test images in another order must get the same scores in that order."""
    method, order = subject.fit(subject.training), list(reversed(range(len(subject.test))))
    forwards = _score(method, subject.test)
    backwards = _score(method, subject.test.select(order))
    _same(backwards, {name: tensor[order] for name, tensor in forwards.items()})


def memory_does_not_matter(subject: Subject) -> None:
    """However little memory may be filled, scores must be the same to the last digit."""
    training, test = subject.training, subject.test
    expected = subject.run(training, test)
    _same(subject.run(training.within(1), test.within(1)), expected, relative=0)


def inputs_stay_unchanged(subject: Subject) -> None:
    """Features are shared by all methods: neither `fit` nor `score` may write to them."""
    both = subject.training, subject.test
    before = [{i: f.read(i).clone() for i in f.levels} for f in both]
    subject.run(*both)
    for features, copies in zip(both, before, strict=True):
        for level, copy in copies.items():
            assert torch.equal(features.read(level), copy), f"level {level} was changed"


def not_a_number_is_rejected(subject: Subject) -> None:
    """NaN features must raise ValueError, in training as in test: no rank survives them."""
    for broken_part in ("training", "test"):
        parts = {"training": subject.training, "test": subject.test}
        arrays = {i: parts[broken_part].read(i).clone() for i in subject.test.levels}
        for array in arrays.values():
            array[0, :, 0, 0] = float("nan")
        parts[broken_part] = Features(arrays, device=subject.device)
        try:
            subject.run(parts["training"], parts["test"])
        except ValueError:
            continue
        raise AssertionError(f"NaN in {broken_part} features was accepted")


def one_image_is_enough(subject: Subject) -> None:
    """Low-shot tables start at one training image: it must give finite scores, not an error."""
    for name, tensor in subject.run(subject.training.select([0]), subject.test).items():
        check_finite(name, tensor)


def anomalies_score_higher(subject: Subject) -> None:
    """Higher must mean more anomalous: features far from all nominal ones score above these."""
    method, test = subject.fit(subject.training), subject.test
    # below zero, so that directions differ too: some methods compare nothing else
    shifted = Features({i: test.read(i) - 3.0 for i in test.levels}, device=subject.device)
    nominal, anomalous = _score(method, test), _score(method, shifted)
    for name, tensor in nominal.items():
        assert bool(anomalous[name].min() > tensor.max()), f"{name} do not separate"


def state_is_the_whole_method(subject: Subject) -> None:
    """A method with `state` and `from_state` must score the same, to the last digit, when loaded.

    (Asked only of methods that have both; others can't be saved.)
    """
    method, test = subject.fit(subject.training), subject.test
    if not isinstance(method, Storable):
        return
    state = dict(method.state())
    plain = {name: value for name, value in state.items() if not hasattr(value, "nbytes")}
    stored = {
        name: torch.as_tensor(value).cpu().clone()
        for name, value in state.items()
        if name not in plain
    }
    loaded = cast(Storable, create(subject.specification))
    try:
        loaded.state()
    except NotFittedError:
        loaded.from_state(stored | json.loads(json.dumps(plain)), subject.device)
        _same(_score(loaded, test), _score(method, test), relative=0)
        return
    raise AssertionError("`state` before `fit` must raise NotFittedError; it returned something.")


def devices_agree(subject: Subject) -> None:
    """A device must not change what is anomalous: its scores are the CPU's but for rounding."""
    on_cpu = Subject(subject.specification, "cpu")
    _same(subject.run(subject.training, subject.test), on_cpu.run(on_cpu.training, on_cpu.test))


PROPERTIES: tuple[Callable[[Subject], None], ...] = (
    inputs_stay_unchanged,  # first: what writes to them spoils every other check
    fit_returns_self,
    scores_have_the_promised_shapes,
    unfitted_raises,
    same_seed_same_scores,
    sharing_does_not_matter,
    arrays_do_not_matter,
    fitting_twice_forgets_the_first,
    scoring_changes_nothing,
    batch_size_does_not_matter,
    order_does_not_matter,
    memory_does_not_matter,
    not_a_number_is_rejected,
    one_image_is_enough,
    anomalies_score_higher,
    state_is_the_whole_method,
    devices_agree,
)
"""What is checked, in this order; each one's docstring says why it matters."""

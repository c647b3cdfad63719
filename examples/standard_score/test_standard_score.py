"""The method behaves as the comparison relies on, on a GPU, too."""

import pytest

from methods.conformance import check_method
from methods.testing.pretended import pretended_cuda

NAMES = ["standard-score", "standard-score-coarse"]


@pytest.mark.parametrize("name", NAMES)
def test_conformance(name: str) -> None:
    check_method(name)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_gpu_would_refuse(name: str) -> None:
    with pretended_cuda():
        check_method(name, device="cuda")

"""The method behaves as the comparison relies on."""

import pytest

from methods.conformance import check_method


@pytest.mark.parametrize("name", ["standard-score", "standard-score-coarse"])
def test_conformance(name: str) -> None:
    check_method(name)

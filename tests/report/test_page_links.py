"""The report's address in a real browser: a link shows what its maker saw, whatever was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.page import write_report
from benchmarks.results import result_sets
from tests.helpers.runs import write_run
from tests.report.reading import CATEGORIES, METHODS, cell, opened

CONTROLS = "select, input"

SHOWN = """() => [
  ...[...document.querySelectorAll("select, input")].map(
    (one) => [one.id || one.name || one.value, one.type === "checkbox" ? one.checked : one.value]),
  ...[...document.querySelectorAll("details.folding")].map((one) => [one.id, one.open]),
  document.querySelector("main").innerText,
]"""


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two runs, so that every section and control is there."""
    folder = tmp_path_factory.mktemp("results")
    sets = [
        result_sets(
            write_run(folder / name, [cell(c, m, shift) for c in CATEGORIES for m in METHODS])
        )
        for name, shift in (("before", 0.0), ("after", 0.4))
    ]
    return write_report(sets, folder / "report.html")


@contextmanager
def shown(browser: Any, report: Path, fragment: str = "") -> Iterator[Any]:
    yield from opened(browser, report, fragment)


def choose_another(control: Any) -> bool:
    """Give a control another value as a reader does; say whether there was one."""
    if not control.is_visible() or not control.is_enabled():
        return False
    kind = control.evaluate("one => one.type")
    if kind == "checkbox":
        control.click()
    elif kind == "search":
        control.fill("t")
    elif kind == "select-one":
        others = control.evaluate(
            "one => [...one.options].filter((o) => !o.selected && !o.disabled).map((o) => o.value)"
        )
        if not others:
            return False
        control.select_option(others[-1])
    else:
        return False
    return True


@pytest.mark.slow
def test_a_link_restores_every_control_and_back_undoes_it(browser: Any, two_runs: Path) -> None:
    changed = set()
    with shown(browser, two_runs) as page:
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        count = page.locator(CONTROLS).count()
    for number in range(count):
        with shown(browser, two_runs) as page:
            usual = page.evaluate(SHOWN)
            page.evaluate("document.getElementById('choices').open = true")
            control = page.locator(CONTROLS).nth(number)
            if not choose_another(control):
                continue
            page.wait_for_timeout(300)  # typing settles
            changed.add(number)
            seen, address = page.evaluate(SHOWN), page.evaluate("location.hash")
            assert seen != usual
            assert len(address) > 1
            page.evaluate("hash => { location.hash = '#'; location.hash = hash; }", address)
            page.wait_for_timeout(50)
            assert page.evaluate(SHOWN) == seen
        with shown(browser, two_runs, address) as other:
            assert other.evaluate(SHOWN) == seen
            other.evaluate("location.hash = '#'")
            other.wait_for_timeout(50)
            assert other.evaluate(SHOWN) == usual
    assert len(changed) >= 12


def test_back_and_forward_step_through_what_was_chosen(browser: Any, two_runs: Path) -> None:
    with shown(browser, two_runs) as page:
        metric = page.locator("#metric")
        first, second, third = metric.evaluate("one => [...one.options].map((o) => o.value)")[:3]
        metric.select_option(second)
        metric.select_option(third)
        page.go_back()
        assert metric.input_value() == second
        page.go_back()
        assert metric.input_value() == first
        page.go_forward()
        assert metric.input_value() == second


@pytest.mark.parametrize(
    "fragment",
    [
        "#nowhere",
        "#metric=nonsense&results=%00",
        "#gallery&page=-3&judge=nobody&kind=none%20such",
        "#&&&===&metric",
        "#overview&sort=method-nobody&sort=up&own=NaN",
        "#%E0%A4%A",
        "#image=9999999&failing=nobody&open=x",
        "#__proto__=1&constructor=2",
    ],
)
def test_what_a_page_does_not_have_is_as_usual(browser: Any, two_runs: Path, fragment: str) -> None:
    with shown(browser, two_runs) as page:
        controls = page.evaluate(SHOWN)[:-1]
        page.evaluate("hash => { location.hash = hash; }", fragment)
        page.wait_for_timeout(50)
        assert page.evaluate(SHOWN)[:-1] == controls


def test_what_is_right_of_a_partly_wrong_fragment_counts(browser: Any, two_runs: Path) -> None:
    with shown(browser, two_runs) as page:
        page.evaluate("location.hash = '#metric=pixel_auroc&theme=purple&intervals=yes'")
        page.wait_for_timeout(50)
        assert page.locator("#metric").input_value() == "pixel_auroc"
        assert page.locator("#intervals").is_checked()
        assert page.locator("#theme").input_value() == "light dark"

"""A browser, and a report that it shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.page import write_report
from benchmarks.results import result_sets
from tests.helpers.browser import CHROMIUM, started_browser
from tests.helpers.runs import write_run
from tests.report.reading import (
    CATEGORIES,
    METHODS,
    cell,
    opened,
)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs a browser (apt-get install chromium)")
    pytest.importorskip("playwright.sync_api")
    with started_browser() as browser:
        yield browser


@pytest.fixture(scope="package")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of three categories; in the third one method failed."""
    folder = tmp_path_factory.mktemp("results") / "parts"
    cells = [cell(category, method) for category in CATEGORIES for method in METHODS]
    cells[-1] = replace(cells[-1], status="failed", scores=None, maps=None)
    return write_report([result_sets(write_run(folder, cells))], folder / "report.html")


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    yield from opened(browser, report)

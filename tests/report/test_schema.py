"""The page's content is what the schema says, and the script reads that and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from benchmarks.metrics.definitions import METRICS
from benchmarks.report import schema
from benchmarks.report.page import FOLDER, SCRIPTS, write_report
from benchmarks.report.schema import Content
from benchmarks.results import journal, result_sets
from benchmarks.results.journal import Call, Extraction
from tests.helpers.runs import write_run
from tests.report.reading import CATEGORIES, METHODS, cell, opened

PARTS = [part for part in vars(schema).values() if is_typeddict(part)]

PLAIN = {float: (int, float)}
"""JSON's whole numbers are none of another type."""

WATCHED = """
const parse = JSON.parse;
window.missing = [];
const watched = (value) => value === null || typeof value !== "object" ? value : new Proxy(value, {
  get(target, key) {
    const named = typeof key === "string" && !Array.isArray(target);
    if (named && !(key in target)) window.missing.push(key);
    return watched(target[key]);
  },
});
JSON.parse = (text) => {
  const value = parse(text);
  return value && value.sets ? watched(value) : value;
};
"""
"""Notes every name that is read of the content and isn't there."""


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two runs of MVTec AD's names: published values, verdicts, calls, differences."""
    folder = tmp_path_factory.mktemp("results")
    runs = []
    for name, shift in (("before", 0), ("after", 0.8)):
        named: dict[str, Any] = {"dataset": "mvtec_ad", "backbone": "resnet18"}
        cells = [cell(c, m, shift, **named) for c in CATEGORIES for m in METHODS]
        runs.append(write_run(folder / name, cells))
        times = (Extraction("nut", "resnet18", 100, 60, 30.0),)
        started = "2026-01-02T03:04:05+00:00"
        call = Call(started, 50, "mvtec_ad", "resnet18", 224, "cpu", 1, 4, 0, times)
        journal.write(runs[-1], call)
    return write_report([result_sets(run) for run in runs], folder / "report.html")


def content(report: Path) -> Any:
    (text,) = re.findall(r'(?s)id="content">(.*?)</script>', report.read_text("utf-8"))
    return json.loads(text)


def mistakes(value: Any, kind: Any, where: str) -> Iterator[str]:
    """Yield where a value is not of a type: names of dictionaries, lists, numbers and texts."""
    origin, parameters = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        if set(value) != set(hints):
            yield f"{where}: {set(value) ^ set(hints)}"
        for name in set(value) & set(hints):
            yield from mistakes(value[name], hints[name], f"{where}.{name}")
    elif origin in (UnionType, Union):
        inner = [part for part in parameters if part is not type(None)]
        if value is not None:
            yield from mistakes(value, inner[0], where)
        elif len(inner) == len(parameters):
            yield f"{where}: null"
    elif isinstance(value, list) and origin and not issubclass(origin, Mapping):
        for number, element in enumerate(value):
            yield from mistakes(element, parameters[0], f"{where}[{number}]")
    elif isinstance(value, dict) and origin and issubclass(origin, Mapping):
        for name, element in value.items():
            yield from mistakes(element, parameters[1], f"{where}[{name}]")
    elif origin or (kind is not Any and not isinstance(value, PLAIN.get(kind, kind))):
        yield f"{where}: {value!r} is no {kind}"


def test_the_content_is_as_the_schema_says(report: Path, compared: Path) -> None:
    for page in (report, compared):
        assert list(mistakes(content(page), Content, "content")) == []
    whole = content(compared)
    assert whole["pairs"]
    assert whole["sets"][0]["calls"]
    assert whole["sets"][0]["extractions"]


def test_the_schema_is_noticed_where_content_differs(report: Path) -> None:
    spoilt = content(report)
    spoilt["sets"][0]["methods"][1]["seeds"] = "0"
    spoilt["sets"][0]["cells"][0][0]["pace"] = 1
    del spoilt["metrics"][0]["unit"]
    spoilt["title"] = None
    assert sorted(mistakes(spoilt, Content, "content")) == [
        "content.metrics[0]: {'unit'}",
        "content.sets[0].cells[0][0]: {'pace'}",
        "content.sets[0].methods[1].seeds: '0' is no list[int]",
        "content.title: None is no <class 'str'>",
    ]


@pytest.mark.parametrize("part", PARTS)
def test_the_script_reads_every_name_of_the_schema(part: type) -> None:
    script = "\n".join((FOLDER / name).read_text("utf-8") for name in SCRIPTS)
    names = {*get_type_hints(part)} - ({"title"} if part is Content else set())  # HTML has it
    unread = {name for name in names if not re.search(rf'(\.|[{{,] |key: "){name}\b', script)}
    assert unread == set()


def test_the_script_reads_nothing_else(browser: Any, report: Path, compared: Path) -> None:
    names = {"toJSON", "mean", *METRICS, *CATEGORIES, *METHODS}
    for file in (report, compared):
        for page in opened(browser, file, script=WATCHED):
            for box in page.locator("input[type=checkbox]:visible").all():
                box.set_checked(True)
            for select in page.locator("select:visible").all():
                for value in [
                    option.get_attribute("value") for option in select.locator("option").all()
                ]:
                    select.select_option(value)
            page.locator(".card a").first.click()
            assert page.locator("#viewer canvas").count() > 0
            page.keyboard.press("ArrowRight")
            assert {*page.evaluate("window.missing")} - names == set()


def test_the_ranking_is_headed_by_what_its_columns_hold(page: Any) -> None:
    table = page.locator("table.ranking")
    assert table.locator("caption").inner_text() == "Ranking by Image AUROC"
    assert table.locator("thead th").all_inner_texts() == ["method", "%", "95 % interval"]
    first = table.locator("tbody tr").first
    heads = [first.locator("th").inner_text(), *first.locator("td").all_inner_texts()[:2]]
    assert heads[0] in METHODS
    assert re.fullmatch(r"\d+\.\d( \(marked\))?", heads[1].replace("\n", " "))
    assert re.fullmatch(r"\[\d+\.\d, \d+\.\d\]", heads[2])
    ends = [float(end) for end in table.locator("thead small").all_inner_texts()]
    spans = table.locator("tbody td:nth-child(3)").all_inner_texts()
    limits = [float(end) for span in spans for end in span.strip("[]").split(", ")]
    assert ends == [min(limits), max(limits)]
    page.locator("#metric").select_option("false_positives_at_full_recall")
    assert (
        table.locator("thead th").all_inner_texts()[1]
        == METRICS["false_positives_at_full_recall"].unit
    )

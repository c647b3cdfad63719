"""The journal says what each call took: cells, backbone passes, images from the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.backbones import backbone as backbones
from benchmarks.results import journal
from benchmarks.results import store as store_module
from benchmarks.results.journal import Call, Extraction
from benchmarks.run import __main__ as run
from tests.helpers.data_sets import write_dataset

IMAGES = 13
"""Of one category: 6 to train on, 7 to test."""

COMMAND = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--out", "out"]

extractions = st.builds(
    Extraction,
    st.text(),
    st.text(),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.floats(0, 1e6, allow_nan=False),
)
calls = st.builds(
    Call,
    started_utc=st.datetimes().map(lambda t: t.isoformat(timespec="milliseconds") + "+00:00"),
    seconds=st.floats(0, 1e6, allow_nan=False),
    dataset=st.text(),
    backbone=st.text(),
    image_size=st.integers(1, 1000),
    device=st.sampled_from(["cpu", "cuda"]),
    workers=st.integers(1, 64),
    cells=st.integers(0, 1000),
    failed=st.integers(0, 1000),
    extractions=st.lists(extractions, max_size=3).map(tuple),
)


@pytest.fixture
def data(folder: Path, no_figures: None) -> None:
    write_dataset(Path("data"), "cup", "plate")


@given(st.lists(calls, max_size=4, unique_by=lambda call: call.started_utc))
def test_what_is_written_is_read_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, several: list[Call]
) -> None:
    out = tmp_path_factory.mktemp("run")
    paths = [journal.write(out, call) for call in several]
    assert len(set(paths)) == len(several)
    assert journal.read(out) == sorted(several, key=lambda call: call.started_utc)


def test_unreadable_entries_are_named_and_left_out(tmp_path: Path) -> None:
    call = Call("2025-03-04T05:06:07.000+00:00", 1.5, "d", "b", 32, "cpu", 1, 2, 0, ())
    path = journal.write(tmp_path, call)
    assert path.name.startswith("20250304T050607Z-")
    whole = path.read_text()
    for number, content in enumerate([whole[:40], "[]", "{}", whole.replace("cells", "rows")]):
        (tmp_path / "journal" / f"{number}.json").write_text(content)
    (tmp_path / "journal" / "4.json").write_bytes(b"\xff")
    warnings: list[str] = []
    assert journal.read(tmp_path, warnings.append) == [call]
    assert [Path(line.partition(":")[0]).name for line in warnings] == [
        f"{number}.json" for number in range(5)
    ]


@pytest.mark.usefixtures("data")
def test_a_second_run_takes_all_images_from_the_cache() -> None:
    assert run.main([*COMMAND, "--methods", "padim,spade"]) == 0
    assert run.main([*COMMAND, "--methods", "padim,spade"]) == 0  # nothing left: no entry
    assert run.main([*COMMAND, "--methods", "padim", "--seeds", "1"]) == 0
    first, second = journal.read(Path("out"))
    names = ("cup", "plate")
    assert (first.cells, first.failed, second.cells, second.failed) == (4, 0, 2, 0)
    assert [(e.category, e.images, e.passed) for e in first.extractions] == [
        (name, IMAGES, IMAGES) for name in names
    ]
    assert [(e.category, e.images, e.passed) for e in second.extractions] == [
        (name, IMAGES, 0) for name in names
    ]
    assert {e.backbone for e in (*first.extractions, *second.extractions)} == {"filterbank"}
    assert first.seconds > sum(e.seconds for e in first.extractions) > 0


@pytest.mark.usefixtures("data")
def test_the_file_holds_exactly_what_is_documented() -> None:
    assert run.main([*COMMAND, "--methods", "padim", "--device", "cpu"]) == 0
    (path,) = Path("out/journal").iterdir()
    content = json.loads(path.read_text())
    assert content.pop("seconds") > 0
    started, extracted = content.pop("started_utc"), content.pop("extractions")
    assert started < json.loads(next(Path("out/cells").glob("*/cup*")).read_text())["started_utc"]
    assert content == {
        "dataset": "data",
        "backbone": "filterbank",
        "image_size": 32,
        "device": "cpu",
        "workers": 1,
        "cells": 2,
        "failed": 0,
        "card": "",
    }
    assert {tuple(one) for one in extracted} == {
        ("category", "backbone", "images", "passed", "seconds")
    }


@pytest.mark.usefixtures("data")
def test_members_of_one_name_share_an_extraction() -> None:
    command = [*COMMAND, "--methods", "padim", "--categories", "cup"]
    command[command.index("filterbank")] = "filterbank+filterbank"
    assert run.main(command) == 0
    (call,) = journal.read(Path("out"))
    assert call.backbone == "filterbank+filterbank"
    assert [(e.images, e.passed) for e in call.extractions] == [(2 * IMAGES, IMAGES)]


@pytest.mark.slow
@pytest.mark.usefixtures("data")
def test_workers_bring_their_extractions_back_once() -> None:
    command = [*COMMAND, "--methods", "padim,spade", "--jobs", "2"]
    assert run.main(command) == 0
    (call,) = journal.read(Path("out"))
    assert (call.workers, call.cells) == (2, 4)
    assert sorted((e.category, e.images, e.passed) for e in call.extractions) == [
        ("cup", IMAGES, IMAGES),
        ("plate", IMAGES, IMAGES),
    ]


@pytest.mark.usefixtures("data")
def test_an_interrupted_run_leaves_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    original, seen = store_module.Store.write, []

    def write(store: Any, *arguments: Any) -> Any:
        if len(seen) == 1:
            raise KeyboardInterrupt
        seen.append(arguments)
        return original(store, *arguments)

    monkeypatch.setattr(store_module.Store, "write", write)
    assert run.main([*COMMAND, "--methods", "padim,spade"]) == 130
    (call,) = journal.read(Path("out"))
    assert (call.cells, call.failed) == (1, 0)
    assert [(e.category, e.images, e.passed) for e in call.extractions] == [("cup", IMAGES, IMAGES)]


@pytest.mark.usefixtures("data")
def test_an_extraction_that_breaks_off_counts_what_it_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original, batches = backbones.Backbone.forward, []

    def forward(backbone: Any, images: Any, levels: Any) -> Any:
        # a backbone looks at an all-zero image when it is made, to learn its strides
        if images.any():
            batches.append(len(images))
            if len(batches) == 2:
                raise RuntimeError("out of patience")
        return original(backbone, images, levels)

    monkeypatch.setattr(backbones.Backbone, "forward", forward)
    assert run.main([*COMMAND, "--methods", "padim", "--categories", "cup"]) == 1
    (call,) = journal.read(Path("out"))
    assert (call.cells, call.failed) == (1, 1)
    assert [(e.images, e.passed) for e in call.extractions] == [(6, 6)]

"""What tests share: a folder of their own, and a process left as it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers that each took all cores would wait for one another. Before torch is imported, and
    # for the processes that tests start, too.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _handler_is_kept() -> Iterator[None]:
    """Commands stop at SIGTERM as at Ctrl-C, and leave it as they found it."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder with a cache of its own, away from the user's data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOTAL_RECALL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MVTEC_AD_ROOT", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def large_networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights of the paper's large backbones: a gigabyte, written once."""
    import torch

    from tests.helpers.networks import LARGE, network

    folder = tmp_path_factory.mktemp("large-networks")
    files = {name: folder / f"{name}.pth" for name in LARGE}
    for name, file in files.items():
        torch.save(network(name).state_dict(), file)
    return files


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Let commands draw no figures, which take longer than all the rest.

    Tests marked `figures` get them nevertheless.
    """
    if request.node.get_closest_marker("figures") is None:
        monkeypatch.setattr("benchmarks.figures.writing.write_figures", lambda *_, **__: [])
        monkeypatch.setattr("benchmarks.figures.ahead.Ahead.begin", lambda *_: None)

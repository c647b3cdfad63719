"""What the documents show is what the project does."""

from __future__ import annotations

import re
import shlex
import sys
import types
from pathlib import Path

import pytest
import torch

import methods
from methods.base import Features
from methods.conformance import make_features

ROOT = Path(__file__).parents[1]
COMMAND = re.compile(r"^ *(?:\w+=\S+ )*python -m (benchmarks\.\w+)(.*)$", re.MULTILINE)


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_method_in_contributing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = blocks("CONTRIBUTING.md", "python")
    module = types.ModuleType("mean_distance")
    monkeypatch.setitem(sys.modules, "mean_distance", module)
    exec(compile(source, "CONTRIBUTING.md", "exec"), module.__dict__)
    training, test = make_features(4, 0, (2,)), make_features(2, 1, (2,))
    method = module.VARIANTS["mean-distance"].create().fit(training, torch.Generator())
    assert method.score(test).maps.shape == (2, 8, 8)
    shifted = Features({2: test.read(2) + 3})
    assert method.score(shifted).maps.min() > method.score(test).maps.max()


@pytest.mark.parametrize(
    "document",
    ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))],
)
def test_every_command_parses(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules exist and their parsers take the arguments shown; methods shown are registered."""
    import importlib

    text = (ROOT / document).read_text("utf-8").replace("\\\n", " ")
    for name, rest in COMMAND.findall(text):
        module = importlib.import_module(name)
        if not hasattr(module, "main"):  # a package
            module = importlib.import_module(f"{name}.__main__")
        arguments = shlex.split(rest.split("#")[0].split("`")[0])
        assert hasattr(module, "main")
        if name == "benchmarks.run":
            options = module._parser().parse_args(arguments)
            for specification in methods.split(options.methods):
                if specification != "mean-distance":
                    assert methods.resolve(specification)

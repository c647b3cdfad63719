"""Fonts of this machine for names in scripts that the figures' usual font lacks."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import TypeVar

from benchmarks.console import say
from benchmarks.figures.style import LOOK

Drawn = TypeVar("Drawn")

_LACKING = re.compile(r"Glyph (\d+) ")
"""How matplotlib begins its warning of a character that no font in use has."""

_SCRIPT = "Matplotlib currently does not support"

_BOXES = "Last Resort"
"""Beginning of the name of a font that has every character, all drawn as boxes."""


def drawn_with_fonts(draw: Callable[[], Drawn]) -> tuple[Drawn, frozenset[str]]:
    """Return what `draw` returns, called with the figures' look, and the characters shown as boxes.

    Where the usual font lacks characters that others have, it is called again, with these.
    """
    import matplotlib.style

    lacking, boxes = set[str](), set[str]()
    with matplotlib.style.context(["default", LOOK]):
        with _noting_boxes(lacking):
            drawn = draw()
        if lacking and (others := fonts_with(frozenset(lacking))):
            matplotlib.rcParams["font.family"] = ["DejaVu Sans", *others]
            with _noting_boxes(boxes):
                return draw(), frozenset(boxes)
    return drawn, frozenset(lacking)


def say_boxes(boxes: Collection[str]) -> None:
    """Say, once for all figures, which characters no font here has; nothing where there is none."""
    if boxes:
        say(
            f"warning: no font here has {''.join(sorted(boxes)[:20])}: figures show boxes; install "
            "one, as Noto, and remove the figures to have them drawn again"
        )


@contextmanager
def _noting_boxes(boxes: set[str]) -> Iterator[None]:
    """Add the characters that are drawn as boxes meanwhile, instead of matplotlib's warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", message=f"{_LACKING.pattern}|{_SCRIPT}")
        yield
    for warning in caught:
        if lacking := _LACKING.match(str(warning.message)):
            boxes.add(chr(int(lacking[1])))
        elif not str(warning.message).startswith(_SCRIPT):
            warnings.warn(warning.message, stacklevel=3)


@cache
def fonts_with(characters: frozenset[str]) -> Sequence[str]:
    """Return the fonts of this machine that together have most of these characters."""
    from matplotlib.font_manager import findSystemFonts, fontManager
    from matplotlib.ft2font import FT2Font

    left, chosen = {*characters}, list[str]()
    for file in {*findSystemFonts()} - {font.fname for font in fontManager.ttflist}:
        with suppress(OSError, RuntimeError):  # no font
            fontManager.addfont(file)  # installed after matplotlib last looked
    for font in sorted(fontManager.ttflist, key=lambda f: (f.weight != 400, f.style != "normal")):
        if left and not font.name.startswith(_BOXES):
            with suppress(OSError, RuntimeError):
                face = FT2Font(font.fname)
                held = left.intersection(map(chr, face.get_charmap())) if face.scalable else set()
                left -= held
                chosen += [font.name] * bool(held)
    return chosen

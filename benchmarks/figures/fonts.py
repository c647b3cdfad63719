"""Fonts of this machine for names in scripts that the figures' usual font lacks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_USUAL = "DejaVu Sans"

_BOXES = "Last Resort"
"""Beginning of the name of a font that has every character, all drawn as boxes."""


def use_fonts(figure: Figure) -> frozenset[str]:
    """Have a figure's texts drawn with fonts that have their characters; return those none has."""
    from matplotlib.font_manager import findfont
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    used = {character for text in texts for character in text.get_text()}
    lacking = frozenset(used - _characters(findfont(_USUAL)) - {"\n"})
    if not lacking:
        return lacking
    fonts, boxes = fonts_with(lacking)
    for text in texts:
        text.set_fontfamily([_USUAL, *fonts])
    return boxes


@cache
def fonts_with(characters: frozenset[str]) -> tuple[Sequence[str], frozenset[str]]:
    """Return the fonts of this machine that together have most characters, and what they lack."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    left, chosen = characters, list[str]()
    for file in {*findSystemFonts()} - {font.fname for font in fontManager.ttflist}:
        with suppress(OSError, RuntimeError):  # no font
            fontManager.addfont(file)  # installed after matplotlib last looked
    for font in sorted(fontManager.ttflist, key=lambda f: (f.weight != 400, f.style != "normal")):
        usable = left and not font.name.startswith(_BOXES)
        if usable and (held := left & _characters(font.fname)):
            left -= held
            chosen.append(font.name)
    return chosen, left


@cache
def _characters(file: str) -> frozenset[str]:
    """Return the characters of a scalable font, none of another file."""
    from matplotlib.ft2font import FT2Font

    with suppress(OSError, RuntimeError):
        face = FT2Font(file)
        return frozenset(map(chr, face.get_charmap())) if face.scalable else frozenset()
    return frozenset()

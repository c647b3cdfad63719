"""Names as people read and write them: on one line of a terminal, and in one Unicode form."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable


def printable(text: str, kept: str = "") -> str:
    """Return text with control characters, as some files' names hold, escaped, but for `kept`."""
    return "".join(c if c.isprintable() or c in kept else ascii(c)[1:-1] for c in text)


def composed(text: str) -> str:
    """Return the one form of all texts that look the same, without blanks at its ends."""
    return unicodedata.normalize("NFC", text).strip()


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `: did you mean …?` with the names that look like `word`; empty if none does."""
    close = difflib.get_close_matches(word, list(known), n=3)
    return f": did you mean {', '.join(close)}?" if close else ""

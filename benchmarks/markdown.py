"""Markdown that stays whole, whatever characters names hold."""

from __future__ import annotations


def cell(text: object) -> str:
    """Return the text of one cell of a table, with bars escaped and line breaks replaced."""
    return " ".join(str(text).replace("|", "\\|").splitlines())

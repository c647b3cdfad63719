"""Markdown, whatever the names in it hold."""

from __future__ import annotations


def cell(text: object) -> str:
    """Return what stands in one place of a table: a bar or a new line in it ends nothing."""
    return " ".join(str(text).replace("|", "\\|").splitlines())

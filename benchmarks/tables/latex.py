"""Text as LaTeX shows it."""

from __future__ import annotations

from collections.abc import Sequence

_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{character: f"${character}$" for character in "<>"},
        # A bare bracket is read as an optional argument where one may follow.
        **{character: f"{{{character}}}" for character in "[]"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "≤": r"$\leq$",
        "–": "--",
    }
)


def escape(text: str) -> str:
    """Return `text` as LaTeX shows it."""
    return text.translate(_LATEX)


def latex_row(texts: Sequence[str]) -> str:
    """Return a row of a table, of texts as LaTeX takes them."""
    return " & ".join(texts) + r" \\"

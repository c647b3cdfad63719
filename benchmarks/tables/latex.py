"""Text as LaTeX shows it."""

from __future__ import annotations

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

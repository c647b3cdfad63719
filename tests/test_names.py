"""Names as people read and write them: nothing in them can forge a line of a terminal."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.names import composed, printable


@given(st.text(st.characters()))
def test_what_is_printed_is_one_line_without_control_characters(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown.splitlines() == [shown] * bool(shown)
    assert printable(shown) == shown


def test_what_can_be_printed_stays_and_the_rest_can_still_be_read() -> None:
    assert printable("Größe 中文 naïve") == "Größe 中文 naïve"
    assert printable("a\rb\x1b[31m\x85\u202e") == "a\\rb\\x1b[31m\\x85\\u202e"
    assert printable("a\n\tb", kept="\n") == "a\n\\tb"


@given(st.text())
def test_forms_of_one_text_are_one(text: str) -> None:
    forms = {unicodedata.normalize(form, text) for form in ("NFC", "NFD")}
    assert {composed(form) for form in forms} == {composed(text)}

"""Text from outside: nothing is left that steers a terminal, and letters stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from om3d_core.data.text import MAX_NAME, name_of, one_line, printable


@given(st.text())
def test_only_what_prints_is_left(text):
    assert one_line(text).isprintable() and "  " not in one_line(text)
    assert printable(text).replace("\n", "").isprintable()
    assert len(printable(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("\x9b2Jcleared\x07", "2Jcleared"),
        ("right \u202eto left", "right to left"),
        (" two\n lines\t", "two lines"),
        ("eine Tür, 茶杯, чашка", "eine Tür, 茶杯, чашка"),
    ],
)
def test_one_line(text, line):
    assert one_line(text) == line


def test_printable_keeps_lines_and_indents():
    assert printable("a:\n  \x1bb") == "a:\n   b"


@pytest.mark.parametrize(
    ("label", "name"),
    [("white mug", "white mug"), ("", "#7"), (" \x1b\n", "#7"), ("b" * 999, "b" * MAX_NAME)],
)
def test_a_name_is_the_label_on_one_line_or_the_id(label, name):
    assert name_of(label, 7) == name

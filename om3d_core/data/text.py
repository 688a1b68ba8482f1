"""Text from outside, made fit to be shown: what would steer a terminal is not passed on."""

from __future__ import annotations

MAX_NAME = 80
"""Characters of a name that is shown."""


def printable(text: str) -> str:
    """``text`` with a space for every control or format character but the ends of lines."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def one_line(text: str) -> str:
    """``text`` with every run of white space, control and format characters as one space."""
    return " ".join(printable(text).split())


def name_of(label: str, instance_id: int) -> str:
    """What an instance is called in pictures: its label on one line, else # and its id."""
    return one_line(label)[:MAX_NAME] or f"#{instance_id}"

"""Complaints on the console: only those that last, and each once."""

from __future__ import annotations

from om3d_ros.node.told_once import ToldOnce


def told(*seconds):
    """What is told of complaints, each list of (kind, text) one second after the other."""
    lines = []
    teller = ToldOnce(lines.append)
    for second, complaints in enumerate(seconds):
        teller.take(float(second), dict(complaints))
    return lines


def test_what_lasts_is_told_once():
    assert told(*([("a", f"{i} lost")] for i in range(60))) == ["4 lost"]


def test_what_passes_is_not_told():
    assert told(*([("a", "lost")] if i % 30 < 3 else [] for i in range(60))) == []


def test_what_comes_back_after_a_while_is_told_again():
    there, gone = [[("a", "lost")]] * 6, [[]] * 12
    assert told(*there, *gone, *there) == ["lost", "lost"]
    assert told(*there, *gone[:5], *there) == ["lost"]


def test_kinds_are_told_apart():
    assert told(*[[("a", "x"), ("b", "y")]] * 9) == ["x", "y"]

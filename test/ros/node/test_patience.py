"""Waits that double up to a longest, and begin again when they are renewed."""

from __future__ import annotations

import pytest

from om3d_ros.node import patience
from om3d_ros.node.patience import Patience


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    return now


def ends_at(clock, waiting, seconds):
    """The moments at which a wait ends, looked at every second."""
    began, ends = clock[0], []
    for _ in range(seconds):
        clock[0] += 1.0
        if waiting.ends():
            ends.append(clock[0] - began)
    return ends


def test_waits_double_up_to_the_longest(clock):
    assert ends_at(clock, Patience(2.0, 7.0), 30) == [2.0, 6.0, 13.0, 20.0, 27.0]


def test_it_begins_again(clock):
    waiting = Patience(2.0, 60.0)
    assert ends_at(clock, waiting, 7) == [2.0, 6.0]
    waiting.renew()
    assert ends_at(clock, waiting, 7) == [2.0, 6.0]

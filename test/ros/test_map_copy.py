"""A copy of a map that follows its updates, and what it does about those that it missed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.scenes import make_scene

from om3d_core.errors import InputError
from om3d_ros import map_copy
from om3d_ros.conversions import stamps
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.conversions.map_updates import to_update
from om3d_ros.map_copy import MapCopy
from om3d_ros.node.patience import Patience

HEADER = stamps.header("map", 0)
A, B = "a" * 32, "b" * 32


def revision(number, map_id=A):
    return MapParts.of(replace(make_scene(number), map_id=map_id, revision=number))


def whole(number, map_id=A):
    return to_update(None, revision(number, map_id), HEADER)


def delta(number, map_id=A):
    return to_update(revision(number - 1, map_id), revision(number, map_id), HEADER)


@pytest.fixture
def copy(monkeypatch):
    monkeypatch.setattr(map_copy, "Patience", lambda: Patience(0.0, 0.0))
    return MapCopy()


def is_at(taken, number, newer=True, map_id=A):
    parts, is_newer = taken
    return (parts.map_id, parts.crc32, is_newer) == (
        map_id, revision(number, map_id).crc32, newer)


def test_it_follows(copy):
    assert is_at(copy.take(whole(1)), 1)
    assert is_at(copy.take(delta(2)), 2) and is_at(copy.take(delta(3)), 3)
    assert is_at(copy.take(whole(5)), 5)
    assert not copy.asks()


def test_what_is_known_already_changes_nothing(copy):
    copy.take(whole(3))
    for known in (whole(3), whole(2), delta(3)):
        assert is_at(copy.take(known), 3, newer=False)
    assert not copy.asks()


def test_after_a_gap_it_asks_until_it_has_a_whole_map(copy):
    copy.take(whole(1))
    assert copy.take(delta(3)) is None and copy.take(delta(4)) is None
    assert copy.asks() and copy.asks()
    assert is_at(copy.take(whole(1)), 1, newer=False) and copy.asks()
    assert is_at(copy.take(whole(4)), 4) and not copy.asks()
    assert is_at(copy.take(delta(5)), 5)


def test_asking_again_takes_patience(monkeypatch):
    monkeypatch.setattr(map_copy, "Patience", lambda: Patience(60.0, 60.0))
    copy = MapCopy()
    assert copy.take(delta(2)) is None
    assert copy.asks() and not copy.asks()
    copy.take(whole(2))
    assert copy.take(delta(4)) is None and copy.asks() and not copy.asks()


def test_what_is_known_to_be_there_is_asked_for_unless_it_comes(copy):
    copy.expect(A, 1)
    assert copy.asks() and is_at(copy.take(whole(1)), 1) and not copy.asks()
    copy.expect(A, 1)
    assert not copy.asks()
    copy.expect(A, 2)
    assert copy.asks() and is_at(copy.take(delta(2)), 2) and not copy.asks()


def test_an_update_that_cannot_be_used_is_asked_for_again(copy):
    copy.take(whole(1))
    harmed = delta(2)
    harmed.crc32 ^= 1
    with pytest.raises(InputError, match="crc32"):
        copy.take(harmed)
    assert copy.asks() and is_at(copy.take(whole(1)), 1, newer=False)
    assert is_at(copy.take(delta(2)), 2) and not copy.asks()


def test_of_two_mappers_there_is_a_copy_each(copy):
    copy.take(whole(4), 2)
    assert is_at(copy.take(whole(2, B), 2), 2, map_id=B)
    assert is_at(copy.take(delta(5), 2), 5) and is_at(copy.take(delta(3, B), 2), 3, map_id=B)
    assert is_at(copy.take(delta(4, B), 1), 4, map_id=B)
    assert copy.take(delta(6), 1) is None and copy.asks()

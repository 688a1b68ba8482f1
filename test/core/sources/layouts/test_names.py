"""Names of files: what belongs together, and the times that they tell."""

from __future__ import annotations

from decimal import Decimal

import pytest

from om3d_core.sources.layouts.names import are_stamps, keyed, nearest, stamps_of


def keys_of(tmp_path, *names, **only):
    for name in names:
        (tmp_path / name).touch()
    return list(keyed(tmp_path, (".png",), **only))


@pytest.mark.parametrize(("names", "keys"), [
    (["2.png", "10.png", "001.png"], [(1,), (2,), (10,)]),
    (["frame_0001.png", "frame_0002.PNG", "notes.png"], [(1,), (2,)]),
    (["cam0_7.png", "cam0_8.png"], [(7,), (8,)]),
    (["cam0_7.png"], [(7,)]),
    (["1_1.png", "1_2.png", "2_1.png"], [(1, 1), (1, 2), (2, 1)]),
    (["9.5.png", "10.25.png"], [(Decimal("9.5"),), (Decimal("10.25"),)]),
    (["kitchen.png", "hall.png"], [("hall",), ("kitchen",)]),
    (["1.txt"], []),
])
def test_what_names_tell_apart(tmp_path, names, keys):
    assert keys_of(tmp_path, *names) == keys


def test_endings_and_prefixes_are_no_part_of_it(tmp_path):
    names = ["a-1.color.png", "a-2.color.png", "a-1.depth.png", "b-3.color.png"]
    assert keys_of(tmp_path, *names, ending=".color", prefix="a") == [(1,), (2,)]
    assert keyed(tmp_path / "none", (".png",)) == {}


@pytest.mark.parametrize(("keys", "stamps"), [
    ([(0,), (3,)], [0, 300_000_000]),
    ([(1_690_000_000_123_456_789,)], [1_690_000_000_123_456_789]),
    ([(1_690_000_000_123_456,)], [1_690_000_000_123_456_000]),
    ([(1_690_000_000_123,)], [1_690_000_000_123_000_000]),
    ([(Decimal("1305031102.175304"),)], [1_305_031_102_175_304_000]),
    ([(20_231_107_153_012_123,), (20_231_107_153_012_456,)], [0, 100_000_000]),
    ([(10**29,), (10**29 + 1,)], [0, 100_000_000]),
    ([("hall",), ("kitchen",)], [0, 100_000_000]),
    ([(1, 1), (1, 2)], [0, 100_000_000]),
])
def test_stamps(keys, stamps):
    assert list(stamps_of(keys, 10.0).values()) == stamps


def test_numbers_of_frames_are_no_stamps():
    assert not are_stamps([(1,)]) and not are_stamps([]) and not are_stamps([("hall",)])
    assert are_stamps([(1_690_000_000_123,), (Decimal("0.5"),)])


def test_the_nearest_within_the_slop_and_none_twice():
    among = {0: "a", 12: "b", 30: "c", 31: "d"}
    assert nearest([1, 10, 14, 45], among, 5) == {1: "a", 10: "b"}
    assert nearest([29, 32], among, 5) == {29: "c", 32: "d"}
    assert nearest([1], {}, 5) == {}

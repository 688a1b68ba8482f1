"""Pairing by stamp."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.streams.pairing import pair_stamps


def test_pairs_are_mutually_nearest_within_the_slop() -> None:
    assert pair_stamps([0, 100, 200], [198, 5, 104], 10) == [(0, 1), (1, 2), (2, 0)]
    assert pair_stamps([0, 100], [11], 10) == []
    assert pair_stamps([0, 4], [3], 10) == [(1, 0)]
    assert pair_stamps([7, 7], [7, 7], 0) == [(0, 0)]
    assert pair_stamps([], [1], 5) == pair_stamps([1], [], 5) == []


stamp_lists = st.lists(st.integers(0, 300), max_size=30)


@given(stamp_lists, stamp_lists, st.integers(0, 50))
@settings(max_examples=200, deadline=None)
def test_pairs_against_brute_force(first: list[int], second: list[int], slop: int) -> None:
    pairs = pair_stamps(first, second, slop)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(abs(first[i] - second[j]) <= slop for i, j in pairs)
    for stamp in set(first) & set(second):
        assert any(first[i] == second[j] == stamp for i, j in pairs)
    for i, j in pairs:
        gap = abs(first[i] - second[j])
        assert gap == min(abs(first[i] - s) for s in second)
        assert gap == min(abs(f - second[j]) for f in first)

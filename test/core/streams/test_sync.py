"""Pairing by stamps: nearest partners, each used once, losses counted, memory bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from om3d_core.streams.sync import StampSync

CHANNELS = ("color", "depth", "info")


def sync(slop=5, wait=1000, capacity=50):
    return StampSync(CHANNELS, slop, wait, capacity)


def feed(target, messages):
    """Add (channel, stamp) pairs; return the stamps of the complete sets."""
    found = []
    for channel, stamp in messages:
        complete = target.add(channel, stamp, (channel, stamp))
        if complete is not None:
            found.append((complete[0], tuple(stamp for _, stamp in complete[1])))
    return found


def test_a_set_is_complete_with_its_last_message():
    s = sync()
    assert feed(s, [("color", 100), ("info", 100)]) == []
    assert feed(s, [("depth", 103)]) == [(100, (100, 103, 100))]
    assert s.pending == 0


def test_the_slop_is_a_limit():
    s = sync(slop=5)
    assert feed(s, [("color", 100), ("info", 100), ("depth", 106)]) == []
    assert feed(s, [("depth", 105)]) == [(100, (100, 105, 100))]


def test_the_nearest_partner_wins_and_is_used_once():
    s = sync(slop=10)
    messages = [("depth", 95), ("depth", 102), ("info", 100), ("color", 100)]
    assert feed(s, messages) == [(100, (100, 102, 100))]
    assert feed(s, [("info", 101), ("color", 101)]) == [(101, (101, 95, 101))]
    assert feed(s, [("info", 99), ("color", 99)]) == []


@given(st.permutations([(c, t) for t in range(100, 1000, 100) for c in CHANNELS]))
def test_any_order_of_arrival_gives_the_same_sets(messages):
    expected = {(t, (t, t, t)) for t in range(100, 1000, 100)}
    assert set(feed(sync(), messages)) == expected


def test_duplicates_are_counted_and_dropped():
    s = sync()
    whole = [("color", 100), ("depth", 100), ("info", 100)]
    assert len(feed(s, [*whole, ("color", 100)])) == 1
    assert feed(s, [("depth", 200), ("depth", 200)]) == []
    assert s.duplicates == 2


def test_what_waits_too_long_is_lost_and_its_missing_partner_named():
    s = sync(wait=300)
    feed(s, [("color", 100), ("depth", 100)])
    feed(s, [("color", 200), ("info", 200)])
    feed(s, [("depth", 600)])
    assert s.lost == 2 and s.misses == {"depth": 1, "info": 1} and s.pending == 0


@given(st.lists(st.tuples(st.sampled_from(CHANNELS), st.integers(0, 5000)), max_size=300))
def test_memory_is_bounded_and_every_image_accounted_for(messages):
    s = sync(wait=10_000, capacity=7)
    complete = len(feed(s, messages))
    assert s.pending <= 7
    seen = sum(channel == "color" for channel, _ in messages)
    repeated = seen - complete - s.lost - s.pending
    assert 0 <= repeated <= s.duplicates


def test_clear_forgets_everything():
    s = sync()
    feed(s, [("color", 100), ("depth", 100)])
    s.clear()
    assert s.pending == 0 and s.lost == 1
    assert feed(s, [("info", 100)]) == []
    assert feed(s, [("color", 100), ("depth", 100)]) == [(100, (100, 100, 100))]

"""Pairing by stamps: nearest partners, each used once, losses counted, memory bounded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.streams.sync import StampSync

CHANNELS = ("color", "depth", "info")


def sync(slop=5, wait=1000, capacity=50):
    return StampSync(CHANNELS, slop, wait, capacity)


def stamps_of(complete):
    return [(at, tuple(stamp for _, stamp in messages)) for at, messages in complete]


def feed(target, messages):
    """Add (channel, stamp) pairs; return the stamps of the complete sets."""
    found = []
    for channel, stamp in messages:
        found += stamps_of(target.add(channel, stamp, (channel, stamp)))
    return found


def test_a_set_of_equal_stamps_is_complete_with_its_last_message():
    s = sync()
    assert feed(s, [("color", 100), ("info", 100)]) == []
    assert feed(s, [("depth", 100)]) == [(100, (100, 100, 100))]
    assert s.pending == 0


def test_a_pair_waits_until_nothing_nearer_can_come():
    s = sync(slop=5)
    assert feed(s, [("color", 100), ("info", 100), ("depth", 103)]) == []
    assert feed(s, [("depth", 133)]) == []
    assert feed(s, [("color", 130)]) == [(100, (100, 103, 100))]
    nearer = sync(slop=5)
    assert feed(nearer, [("depth", 96), ("color", 100), ("info", 100)]) == []
    assert feed(nearer, [("depth", 101), ("color", 130)]) == [(100, (100, 101, 100))]


def test_a_pair_waits_no_longer_than_its_time():
    s = sync(slop=5, wait=1000)
    assert feed(s, [("color", 100), ("info", 100), ("depth", 97)]) == []
    assert feed(s, [("depth", 1100)]) == [(100, (100, 97, 100))]
    early = sync(slop=5, wait=1000)
    assert feed(early, [("color", 100), ("info", 100), ("depth", 103), ("depth", 1101)]) == [
        (100, (100, 103, 100))
    ]


def test_a_dropped_image_does_not_shift_the_others():
    """At 60 Hz the slop spans more than a frame: no image may take its neighbor's partner."""
    s = sync(slop=20)
    messages = [(c, t) for t in (0, 17, 33, 50, 67) for c in CHANNELS if (c, t) != ("color", 17)]
    messages.sort(key=lambda m: (m[1], m[0] == "depth"))
    found = feed(s, messages)
    assert found == [(t, (t, t, t)) for t in (0, 33, 50, 67)]
    jitter = sync(slop=20)
    found = feed(jitter, [(c, t + (c == "depth")) for c, t in messages])
    assert found == [(t, (t, t + 1, t)) for t in (0, 33, 50)]


def test_the_slop_is_a_limit():
    s = sync(slop=5)
    assert feed(s, [("color", 100), ("info", 100), ("depth", 106)]) == []
    assert feed(s, [("depth", 105), ("color", 200)]) == [(100, (100, 105, 100))]


def test_the_nearest_partner_wins_and_is_used_once():
    s = sync(slop=10)
    messages = [("depth", 95), ("depth", 102), ("info", 100), ("color", 100), ("color", 105)]
    assert feed(s, messages) == [(100, (100, 102, 100))]
    assert feed(s, [("info", 105), ("depth", 200)]) == [(105, (105, 95, 105))]
    assert feed(s, [("info", 99), ("color", 99)]) == []


def test_the_end_settles_what_waits():
    s = sync(slop=5)
    assert feed(s, [("color", 100), ("info", 100), ("depth", 103), ("color", 300)]) == [
        (100, (100, 103, 100))
    ]
    assert feed(s, [("depth", 301), ("info", 300)]) == []
    assert stamps_of(s.finish()) == [(300, (300, 301, 300))]
    assert s.pending == 0 and s.lost == 0 and s.finish() == []
    assert feed(s, [("color", 400)]) == [] and s.finish() == []
    assert s.lost == 1 and s.misses == {"depth": 1, "info": 1}


stamp_lists = st.lists(st.integers(0, 300), max_size=30, unique=True)


@given(stamp_lists, stamp_lists, st.integers(0, 50))
@settings(max_examples=200, deadline=None)
def test_pairs_against_brute_force(colors, depths, slop):
    """Of all pairs the nearest is taken, then the nearest of the rest, and so on."""
    near = sorted((abs(c - d), c, d) for c in colors for d in depths if abs(c - d) <= slop)
    expected = {}
    for _, c, d in near:
        if c not in expected and d not in expected.values():
            expected[c] = d
    target = StampSync(("color", "depth"), slop, 1000, 50)
    messages = sorted([(t, "color") for t in colors] + [(t, "depth") for t in depths])
    found = feed(target, [(channel, stamp) for stamp, channel in messages])
    found += stamps_of(target.finish())
    assert dict(stamps for _, stamps in found) == expected
    assert target.lost == len(colors) - len(found) == target.misses["depth"]


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

"""Messages that hold until the next: which one at a time, and when it is still awaited."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.streams import held
from om3d_core.streams.held import HeldMessages
from om3d_core.streams.pose_lookup import NOT_YET

SLOP, WAIT = 5, 1000


def filled(*stamps):
    messages = HeldMessages(SLOP, WAIT)
    for stamp in stamps:
        messages.add(stamp, stamp)
    return messages


def test_before_the_first_message_nothing_holds():
    assert filled().at(3) is NOT_YET is filled().at(3, settled=True)


@given(st.integers(-(10**19), 10**19), st.integers(-(10**19), 10**19))
@settings(deadline=None)
def test_a_single_message_holds_at_all_times(stamp, at):
    assert filled(stamp).at(at) == stamp


@given(st.lists(st.integers(0, 300), min_size=1, unique=True), st.integers(0, 300))
@settings(deadline=None)
def test_the_order_of_arrival_does_not_matter(stamps, at):
    there, back = filled(*stamps), filled(*sorted(stamps))
    assert there.at(at, settled=True) == back.at(at, settled=True)
    assert there.at(at) == back.at(at)


def test_the_own_message_then_the_one_before_then_the_first():
    messages = filled(100, 200, 300)
    found = [messages.at(at) for at in (96, 105, 194, 195, 299, 10)]
    assert found == [100, 100, 100, 200, 300, 100]


def test_of_a_topic_that_talks_on_the_next_is_awaited_for_a_while():
    messages = filled(100, 200)
    assert messages.at(240) is NOT_YET and messages.at(240, settled=True) == 200
    assert messages.at(240 + WAIT) is NOT_YET and messages.at(240 + WAIT + 1) == 200
    messages.add(300, 300)
    assert messages.at(240) == 200


def test_after_a_pause_of_all_topics_the_next_is_awaited_too_unless_it_fell_silent():
    messages = filled(100, 200)
    for pause in range(2):
        late = 200 + 10 * WAIT * (1 + pause)
        assert messages.at(late) is NOT_YET
        messages.add(late, late)
        assert messages.at(late) == late
    silent = late + 10 * WAIT
    assert messages.at(silent) is NOT_YET
    assert messages.at(silent + 10 * WAIT) == late


def test_of_two_messages_with_one_stamp_the_last_stays():
    messages = filled(100)
    messages.add(100, "again")
    assert messages.at(100) == "again"


def test_only_the_last_outlives_a_jump_and_the_number_is_bounded():
    messages = filled(*range(0, 100_000, 100))
    assert len(messages._messages) == held.KEPT == len(messages._stamps)
    messages.clear()
    assert messages.at(7) == 99_900
    empty = filled()
    empty.clear()
    assert empty.at(1) is NOT_YET

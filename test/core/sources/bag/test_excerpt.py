"""Parts of a recording, as spans of time and as the frames of a bag."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
from helpers.bag_maker import BagMaker
from helpers.worlds import Recording, tabletop

from om3d_core.data.poses import NS_PER_S
from om3d_core.sources.bag.excerpt import WHOLE, Excerpt
from om3d_core.sources.bag.reader import BagReader
from om3d_core.sources.bag.source import RosbagSource
from om3d_core.sources.bag.writer import write_bag

START_NS = 1_700_000_000_000_000_001
LENGTH_NS = 100 * NS_PER_S


def test_all_is_read_without_bounds():
    assert WHOLE.spans(START_NS, LENGTH_NS) == [(None, None)]


def test_the_first_seconds_are_read_until_they_end():
    assert Excerpt(2.5).spans(START_NS, LENGTH_NS) == [(None, START_NS + 2_500_000_000)]


@pytest.mark.parametrize("duration_s", [0.0, 40.0, 1000.0])
def test_parts_are_as_long_as_asked_do_not_meet_and_reach_both_ends(duration_s):
    spans = Excerpt(duration_s, parts=6, part_s=3.0).spans(START_NS, LENGTH_NS)
    assert [end - start for start, end in spans] == [3 * NS_PER_S] * 6
    gaps = {after[0] - before[1] for before, after in zip(spans, spans[1:], strict=False)}
    assert min(gaps) > 0 and max(gaps) - min(gaps) <= 1
    assert spans[0][0] == START_NS
    read_ns = min(LENGTH_NS, round(duration_s * NS_PER_S) or LENGTH_NS)
    assert spans[-1][1] == START_NS + read_ns


def test_parts_that_fill_all_are_one():
    assert Excerpt(0.0, 6, 17.0).spans(START_NS, LENGTH_NS) == [(None, None)]
    end_ns = START_NS + 12 * NS_PER_S
    assert Excerpt(12.0, 6, 2.0).spans(START_NS, LENGTH_NS) == [(None, end_ns)]


def test_a_single_part_is_the_beginning():
    spans = Excerpt(0.0, 1, 2.0).spans(START_NS, LENGTH_NS)
    assert spans == [(START_NS, START_NS + 2 * NS_PER_S)]


def test_a_bag_is_read_in_parts(tmp_path):
    frames = tabletop(20, 32, 24)
    path = tmp_path / "bag.mcap"
    write_bag(Recording(frames), path)
    source = RosbagSource(path, excerpt=Excerpt(0.0, 3, 0.35))
    found = [frame.stamp_ns for frame in source]
    stamps = [frame.stamp_ns for frame in frames]
    assert found == [stamps[i] for i in (0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19)]
    assert [frame.stamp_ns for frame in source.pick([4, 11])] == [found[4], found[11]]


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_messages_tell_which_part_they_are_from(tmp_path, storage):
    with BagMaker(tmp_path / "bag", storage) as bag:
        for second in range(9):
            bag.info("/info", START_NS + second * NS_PER_S, np.eye(3), 4, 3)
    with closing(BagReader(tmp_path / "bag")) as reader:
        found = [
            ((message.recorded_ns - START_NS) // NS_PER_S, message.part)
            for message in reader.recorded({"/info"}, Excerpt(0.0, 3, 1.5))
        ]
    assert found == [(0, 0), (1, 0), (4, 1), (7, 2), (8, 2)]

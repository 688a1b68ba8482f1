"""Frames from four streams: paired images wait for the pose at their stamp."""

from __future__ import annotations

import numpy as np

from om3d_core.streams.assembler import FrameAssembler
from om3d_core.streams.pose_buffer import PoseBuffer
from om3d_core.streams.pose_lookup import NOT_YET
from om3d_core.streams.settings import SyncSettings

MS, S = 1_000_000, 1_000_000_000
PAIRED, HELD = ("color", "depth"), ("camera_info",)
CHANNELS = PAIRED + HELD


def moved(x):
    pose = np.eye(4)
    pose[0, 3] = x
    return pose


class Live(FrameAssembler):
    """With the poses of a topic."""

    def __init__(self, **sync):
        self.buffer = PoseBuffer(gap_ns=500 * MS, keep_ns=3 * S)
        super().__init__(PAIRED, SyncSettings(**sync), self.buffer, HELD)

    def add_pose(self, stamp, pose):
        return super().add_pose(stamp, lambda: self.buffer.add(stamp, pose))


class Known:
    """Poses of which all is known: only those of whole seconds."""

    def at(self, stamp, settled=False):
        return None if stamp % S else moved(stamp / S)

    def clear(self, now_ns=None):
        raise AssertionError("a recording forgets nothing")


def add_images(target, stamp):
    return [
        posed
        for channel in CHANNELS
        for posed in target.add_message(channel, stamp, channel)
    ]


def test_the_pose_is_interpolated_at_the_stamp_of_the_image():
    a = Live()
    a.add_pose(1 * S, moved(1.0))
    assert add_images(a, 1 * S + 250 * MS) == [] and a.pending == 1
    assert a.add_pose(1 * S + 500 * MS, moved(3.0)) == []
    a.add_pose(1 * S + 700 * MS, moved(9.0))
    (frame,) = a.add_pose(1 * S + 600 * MS, moved(9.0))
    assert np.allclose(frame.map_from_camera, moved(2.0))
    assert frame.messages == CHANNELS
    assert a.pending == 0 and a.paired == 1


def test_a_gap_between_poses_is_not_bridged():
    a = Live(wait_s=1.0)
    a.add_pose(1 * S, moved(1.0))
    add_images(a, 1 * S + 300 * MS)
    assert a.add_pose(1 * S + 600 * MS, moved(2.0)) == []
    a.add_pose(3 * S, moved(2.0))
    assert a.misses == {"depth": 0, "camera_info": 0, "pose": 1} and a.lost == 1


def test_frames_come_in_the_order_of_their_stamps():
    a = Live()
    for stamp in (3 * S, 2 * S + 900 * MS, 2 * S + 950 * MS):
        add_images(a, stamp)
    a.add_pose(2 * S + 800 * MS, moved(0.0))
    assert a.add_pose(3 * S + 10 * MS, moved(1.0)) == []
    ready = a.settle()
    assert [frame.stamp_ns for frame in ready] == [2 * S + 900 * MS, 2 * S + 950 * MS, 3 * S]


def test_after_a_backward_jump_the_stream_goes_on():
    a = Live()
    a.add_pose(100 * S, moved(0.0))
    add_images(a, 100 * S + 1)
    ready = []
    for stamp in (1 * S, 1 * S + 100 * MS):
        ready += a.add_pose(stamp, moved(1.0))
        ready += add_images(a, stamp)
    assert [frame.stamp_ns for frame in ready] == [1 * S, 1 * S + 100 * MS]
    assert a.jumps >= 1 and a.lost == 1


def test_every_color_image_is_accounted_for():
    a = Live(capacity=5)
    for i in range(200):
        stamp = i * 20 * MS
        if i % 3:
            a.add_pose(stamp, moved(0.0))
        for channel in CHANNELS[: 2 + (i % 5 > 0)]:
            a.add_message(channel, stamp, channel)
    assert a.received["color"] == 200 == a.paired + a.lost + a.pending + a.duplicates


def test_a_pose_that_will_never_be_known_is_not_awaited():
    a = FrameAssembler(PAIRED, SyncSettings(wait_s=10.0), Known(), HELD)
    assert add_images(a, 1 * S + 1) == []
    assert a.pending == 0 and a.misses["pose"] == 1
    (frame,) = add_images(a, 2 * S)
    assert np.allclose(frame.map_from_camera, moved(2.0))


def test_messages_pass_through_as_they_are():
    a = FrameAssembler(("color", "depth"), SyncSettings(), Known())
    color, depth = object(), object()
    assert a.add_message("color", 1 * S, color) == []
    (frame,) = a.add_message("depth", 1 * S, depth)
    assert frame.messages[0] is color and frame.messages[1] is depth


def test_the_end_completes_what_can_be_and_gives_up_the_rest():
    a = Live()
    a.add_pose(1 * S, moved(0.0))
    add_images(a, 1 * S - 100 * MS)
    a.add_message("color", 1 * S, "color")
    a.add_message("depth", 1 * S + 5 * MS, "depth")
    assert a.add_message("camera_info", 1 * S, "camera_info") == [] and a.pending == 2
    assert [frame.stamp_ns for frame in a.finish()] == [1 * S]
    assert a.pending == 0 and a.paired == 1 and a.misses["pose"] == 1
    assert a.buffer.at(1 * S - 100 * MS) is NOT_YET and a.finish() == []


def test_the_pose_of_the_very_stamp_may_come_after_later_ones():
    a = Live()
    for stamp in (1 * S, 1 * S + 200 * MS, 1 * S + 300 * MS):
        a.add_pose(stamp, moved(0.0))
    assert add_images(a, 1 * S + 100 * MS) == []
    (frame,) = a.add_pose(1 * S + 100 * MS, moved(5.0))
    assert np.allclose(frame.map_from_camera, moved(5.0))


def test_silence_settles_what_only_waited_for_something_better():
    a = Live()
    a.add_pose(1 * S, moved(1.0))
    a.add_pose(1 * S + 200 * MS, moved(3.0))
    add_images(a, 1 * S + 100 * MS)
    add_images(a, 1 * S + 250 * MS)
    (frame,) = a.settle()
    assert np.allclose(frame.map_from_camera, moved(2.0))
    assert a.pending == 1 and a.lost == 0
    (late,) = a.add_pose(1 * S + 250 * MS, moved(4.0))
    assert np.allclose(late.map_from_camera, moved(4.0)) and a.paired == 2


def without_infos(a, stamps):
    """The frames of whole sets but for the camera_info, with the pose of each image."""
    ready = []
    for stamp in stamps:
        ready += a.add_pose(stamp, moved(0.0))
        for channel in PAIRED:
            ready += a.add_message(channel, stamp, channel)
    return ready


def test_one_camera_info_is_enough_whenever_it_came_and_whatever_its_stamp():
    for stamp in (0, 90 * S, 100 * S + 33 * MS, 10_000 * S):
        a = Live()
        a.add_message("camera_info", stamp, "once")
        ready = without_infos(a, range(100 * S, 103 * S, 33 * MS))
        assert len(ready) == a.received["color"] and a.lost == a.pending == 0
        assert {frame.messages[2] for frame in ready} == {"once"}
    late = Live()
    assert without_infos(late, [100 * S, 100 * S + 33 * MS]) == []
    assert len(late.add_message("camera_info", 0, "once")) == 2


def test_a_camera_info_holds_from_its_stamp_until_the_next():
    a = Live()
    a.add_message("camera_info", 100 * S, "first")
    a.add_message("camera_info", 101 * S, "second")
    ready = without_infos(a, [100 * S + i * 100 * MS for i in range(40)]) + a.settle()
    held = {frame.stamp_ns: frame.messages[2] for frame in ready}
    assert len(held) == 40
    assert all(name == ("first" if at < 101 * S else "second") for at, name in held.items())


def test_the_camera_info_of_an_image_is_awaited_where_each_has_one():
    a = Live()
    for stamp in (100 * S, 100 * S + 33 * MS):
        a.add_message("camera_info", stamp, "old")
    assert without_infos(a, [100 * S + 66 * MS]) == []
    (frame,) = a.add_message("camera_info", 100 * S + 66 * MS, "new")
    assert frame.messages[2] == "new"


def test_a_camera_info_outlives_a_jump_of_the_clock():
    a = Live()
    a.add_message("camera_info", 5000 * S, "once")
    assert len(without_infos(a, [5000 * S])) == 1
    assert len(without_infos(a, [50 * S, 51 * S])) == 2 and a.jumps >= 1


def test_how_far_stamps_are_off_is_told():
    a = Live(wait_s=0.5)
    for i in range(60):
        stamp = 100 * S + i * 100 * MS
        for channel in CHANNELS:
            a.add_message(channel, stamp + 40 * MS * (channel == "depth"), channel)
    assert a.misses["depth"] == a.lost > 0 and a.misses["camera_info"] == 0
    assert a.offsets_ns == {"depth": 40 * MS}
    b = Live(wait_s=0.5)
    b.add_message("camera_info", 0, "info")
    for i in range(60):
        stamp = 100 * S + i * 33 * MS
        b.add_pose(stamp - 7 * S, moved(0.0))
        for channel in PAIRED:
            b.add_message(channel, stamp, channel)
    assert b.misses["pose"] == b.lost > 0 and -7 * S <= b.offsets_ns["pose"] < -6.4 * S


def test_a_set_waits_for_something_else_and_goes_on_without_it_in_the_end():
    there = set()

    def awaits(stamp_ns, messages):
        assert messages == ("color", "depth", "camera_info")
        return stamp_ns not in there

    a = FrameAssembler(PAIRED, SyncSettings(), Known(), HELD, awaits)
    assert add_images(a, 2 * S) == [] and a.pending == 1
    assert a.look_again() == []
    there.add(2 * S)
    assert [frame.stamp_ns for frame in a.look_again()] == [2 * S]
    assert add_images(a, 3 * S) == []
    assert [frame.stamp_ns for frame in a.settle()] == [3 * S] and a.lost == 0

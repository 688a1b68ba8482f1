"""Frames from four streams: paired images wait for the pose at their stamp."""

from __future__ import annotations

import numpy as np

from om3d_core.streams.assembler import FrameAssembler
from om3d_core.streams.pose_buffer import PoseBuffer
from om3d_core.streams.pose_lookup import NOT_YET
from om3d_core.streams.settings import SyncSettings

MS, S = 1_000_000, 1_000_000_000
CHANNELS = ("color", "depth", "camera_info")


def moved(x):
    pose = np.eye(4)
    pose[0, 3] = x
    return pose


class Live(FrameAssembler):
    """With the poses of a topic."""

    def __init__(self, **sync):
        self.buffer = PoseBuffer(gap_ns=500 * MS, keep_ns=3 * S)
        super().__init__(CHANNELS, SyncSettings(**sync), self.buffer)

    def add_pose(self, stamp, pose):
        return super().add_pose(stamp, lambda: self.buffer.add(stamp, pose))


class Known:
    """Poses of which all is known: only those of whole seconds."""

    def at(self, stamp):
        return None if stamp % S else moved(stamp / S)

    def clear(self):
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
    (frame,) = a.add_pose(1 * S + 500 * MS, moved(3.0))
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
    ready = a.add_pose(3 * S, moved(1.0))
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
    a = FrameAssembler(CHANNELS, SyncSettings(wait_s=10.0), Known())
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

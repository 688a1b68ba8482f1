"""Frames from four streams: paired images wait for the pose at their stamp."""

from __future__ import annotations

import numpy as np

from om3d_core.streams.assembler import FrameAssembler
from om3d_core.streams.pose_buffer import PoseBuffer
from om3d_core.streams.settings import PoseSettings, SyncSettings

MS, S = 1_000_000, 1_000_000_000


def moved(x):
    pose = np.eye(4)
    pose[0, 3] = x
    return pose


def assembler(**sync):
    return FrameAssembler(SyncSettings(**sync), PoseSettings(max_gap_s=0.5))


def add_images(target, stamp):
    return [
        posed
        for channel in ("color", "depth", "camera_info")
        for posed in target.add_message(channel, stamp, channel)
    ]


def test_the_pose_is_interpolated_at_the_stamp_of_the_image():
    a = assembler()
    a.add_pose(1 * S, moved(1.0))
    assert add_images(a, 1 * S + 250 * MS) == [] and a.pending == 1
    (frame,) = a.add_pose(1 * S + 500 * MS, moved(3.0))
    assert np.allclose(frame.map_from_camera, moved(2.0))
    assert (frame.color, frame.depth, frame.camera_info) == ("color", "depth", "camera_info")
    assert a.pending == 0 and a.paired == 1


def test_a_gap_between_poses_is_not_bridged():
    a = assembler(wait_s=1.0)
    a.add_pose(1 * S, moved(1.0))
    add_images(a, 1 * S + 300 * MS)
    assert a.add_pose(1 * S + 600 * MS, moved(2.0)) == []
    a.add_pose(3 * S, moved(2.0))
    assert a.misses == {"depth": 0, "camera_info": 0, "pose": 1} and a.lost == 1


def test_frames_come_in_the_order_of_their_stamps():
    a = assembler()
    for stamp in (3 * S, 2 * S + 900 * MS, 2 * S + 950 * MS):
        add_images(a, stamp)
    a.add_pose(2 * S + 800 * MS, moved(0.0))
    ready = a.add_pose(3 * S, moved(1.0))
    assert [frame.stamp_ns for frame in ready] == [2 * S + 900 * MS, 2 * S + 950 * MS, 3 * S]


def test_after_a_backward_jump_the_stream_goes_on():
    a = assembler()
    a.add_pose(100 * S, moved(0.0))
    add_images(a, 100 * S + 1)
    ready = []
    for stamp in (1 * S, 1 * S + 100 * MS):
        ready += a.add_pose(stamp, moved(1.0))
        ready += add_images(a, stamp)
    assert [frame.stamp_ns for frame in ready] == [1 * S, 1 * S + 100 * MS]
    assert a.jumps >= 1 and a.lost == 1


def test_every_color_image_is_accounted_for():
    a = assembler(capacity=5)
    for i in range(200):
        stamp = i * 20 * MS
        if i % 3:
            a.add_pose(stamp, moved(0.0))
        for channel in ("color", "depth", "camera_info")[: 2 + (i % 5 > 0)]:
            a.add_message(channel, stamp, channel)
    assert a.received["color"] == 200 == a.paired + a.lost + a.pending + a.duplicates


def test_the_pose_buffer_keeps_what_it_needs():
    poses = PoseBuffer(gap_ns=S, keep_ns=10 * S)
    for i in range(1000):
        poses.add(i * 100 * MS, moved(float(i)))
    assert len(poses) == 101
    assert poses.at(0) is None and poses.at(200 * S) is None
    assert np.allclose(poses.at(95 * S + 50 * MS), moved(950.5))
    poses.add(95 * S, moved(-1.0))
    assert np.allclose(poses.at(95 * S), moved(950.0))

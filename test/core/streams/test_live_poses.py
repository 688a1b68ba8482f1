"""Poses as they come: by tf alone, or of a pose topic with a mount and a map from tf."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.poses import pose

from om3d_core.data.poses import inverse
from om3d_core.errors import InputError
from om3d_core.streams.live_poses import RENAMED, LivePoses
from om3d_core.streams.live_transforms import LiveTransforms
from om3d_core.streams.pose_lookup import NOT_YET
from om3d_core.streams.settings import PoseSettings

GAP, KEEP = 1000, 5000
MOUNT = pose(0.5, 1.0)


class Poses(LivePoses):
    """Poses of a camera that has tf for itself."""

    def __init__(self, by_tf):
        self.tf = LiveTransforms("/map", PoseSettings(max_gap_s=GAP / 1e9, jump_m=0.0), KEEP)
        super().__init__(self.tf, by_tf, GAP, KEEP)

    def add_transform(self, *link):
        self.tf.add(*link)


def poses(by_tf, camera="camera"):
    found = Poses(by_tf)
    found.see(camera)
    return found


def robot(found):
    """map -> odom (slow), odom -> base (fast), base -> camera (fixed)."""
    for stamp in (0, 900):
        found.add_transform("map", "odom", stamp, pose(10), False)
    for stamp in range(0, 900, 100):
        found.add_transform("odom", "/base", stamp, pose(stamp / 100, 0.001 * stamp), False)
    found.add_transform("base", "/camera", 0, MOUNT, True)


def test_tf_is_interpolated_at_the_stamp_and_never_extrapolated():
    found = poses(by_tf=True)
    robot(found)
    np.testing.assert_allclose(found.at(150), pose(10) @ pose(1.5, 0.15) @ MOUNT, atol=1e-12)
    assert found.at(850) is NOT_YET is found.at(850, settled=True)
    found.add_transform("odom", "base", 900, pose(9, 0.9), False)
    np.testing.assert_allclose(found.at(850), pose(10) @ pose(8.5, 0.85) @ MOUNT, atol=1e-12)
    assert found.at(-1) is NOT_YET and not found.lacks


def test_a_pause_is_not_bridged():
    found = poses(by_tf=True)
    for stamp in (0, GAP + 1):
        found.add_transform("map", "camera", stamp, pose(stamp), False)
    assert found.at(5) is NOT_YET and found.at(0) is not NOT_YET


def test_what_lacks_is_told_by_name():
    found = Poses(by_tf=True)
    assert found.lacks == "" and found.at(0) is NOT_YET
    found.see("eye")
    assert "does not connect 'map' with 'eye'; its frames are none" in found.lacks
    robot(found)
    assert "base, camera, map, odom" in found.lacks and found.at(150) is NOT_YET
    found.add_transform("camera", "eye", 0, pose(1), True)
    assert not found.lacks and found.at(150) is not NOT_YET


def test_a_pose_of_the_camera_in_the_map_needs_no_tf():
    for child in ("", "camera"):
        found = poses(by_tf=False)
        for stamp in range(0, 600, 100):
            found.add_pose("map", child, stamp, pose(stamp))
        np.testing.assert_allclose(found.at(150), pose(150))


def test_a_pose_of_the_robot_needs_the_mount_of_the_camera():
    found = poses(by_tf=False)
    with pytest.raises(InputError, match=r"'camera' in 'map', got those of 'base' in 'map'"):
        found.add_pose("map", "base", 0, pose())
    found.add_transform("base", "camera", 0, MOUNT, True)
    found.add_pose("map", "/base", 100, pose(1))
    np.testing.assert_allclose(found.at(100), pose(1) @ MOUNT)


def test_a_pose_in_odom_needs_odom_in_the_map():
    found = poses(by_tf=False)
    with pytest.raises(InputError, match="does not connect 'map' with 'odom'"):
        found.add_pose("odom", "camera", 0, pose())
    for stamp in (0, 200):
        found.add_transform("map", "odom", stamp, pose(stamp), False)
    found.add_pose("odom", "camera", 100, pose(1))
    np.testing.assert_allclose(found.at(100), pose(100) @ pose(1))


def test_poses_of_other_frames_and_images_of_other_cameras_are_refused():
    found = poses(by_tf=False)
    found.add_pose("map", "camera", 0, pose())
    found.add_transform("camera", "hand", 0, pose(), True)
    with pytest.raises(InputError, match="poses of 'camera' in 'map'"):
        found.add_pose("map", "hand", 1, pose())
    found.add_pose("map", "camera", 1, pose())
    for _ in range(RENAMED - 1):
        with pytest.raises(InputError, match="images of the frame 'camera'"):
            found.see("hand")
    found.see("camera")
    with pytest.raises(InputError):
        found.see("hand")
    for _ in range(RENAMED - 2):
        with pytest.raises(InputError):
            found.see("hand")
    found.see("hand")


def test_images_without_a_frame_are_taken_where_the_pose_topic_tells_the_cameras():
    found = poses(by_tf=False, camera="")
    found.add_pose("map", "base", 0, pose(3))
    np.testing.assert_allclose(found.at(0), pose(3))
    with pytest.raises(InputError, match="header.frame_id"):
        poses(by_tf=True, camera="")


def test_one_transform_of_a_far_future_does_not_blind_the_map():
    found = poses(by_tf=True)
    found.add_transform("map", "camera", 10**15, pose(), False)
    for stamp in (0, 100):
        found.add_transform("map", "camera", stamp, pose(stamp), False)
    np.testing.assert_allclose(found.at(50), pose(50))


def test_what_is_fixed_outlives_a_jump_of_the_clock():
    found = poses(by_tf=True)
    robot(found)
    found.clear()
    assert found.at(150) is NOT_YET and not found.lacks
    robot(found)
    assert found.at(150) is not NOT_YET


def test_where_another_frame_is_for_the_camera():
    found = poses(by_tf=True)
    assert found.camera_from("depth", 0) is None
    robot(found)
    found.add_transform("camera", "depth", 0, pose(0.05), True)
    np.testing.assert_allclose(found.camera_from("depth", 10**9), pose(0.05))
    np.testing.assert_allclose(found.camera_from("base", 0), inverse(MOUNT), atol=1e-12)
    assert found.camera_from("odom", 850) is None

"""Poses, depth and intrinsics that are written otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.recorded_scene import NUMBERS, K, depth_of, pose_of, write_scene
from scipy.spatial.transform import Rotation

from om3d_core.data.frame import Intrinsics
from om3d_core.data.poses import inverse
from om3d_core.errors import InputError
from om3d_core.sources.conventions import AXES, TURNS, depth_of_ray, optical_pose, reordered
from om3d_core.sources.folder import FolderSettings, FolderSource

POSE = pose_of(5)


def test_the_usual_pose_is_as_it_is():
    np.testing.assert_allclose(optical_pose(POSE), POSE, atol=1e-12)


@pytest.mark.parametrize("axes", AXES)
def test_poses_of_other_axes_of_the_inverse_and_in_millimeters(axes):
    stored = inverse(POSE @ inverse(AXES[axes]))
    stored[:3, 3] *= 1000
    found = optical_pose(stored, "camera_from_map", axes, 1000.0)
    np.testing.assert_allclose(found, POSE, atol=1e-9)


def test_forward_is_what_each_convention_calls_forward():
    assert np.array_equal(AXES["opengl"] @ [0, 0, 1, 0], [0, 0, -1, 0])
    assert np.array_equal(AXES["ros"] @ [0, 0, 1, 0], [1, 0, 0, 0])
    assert np.array_equal(AXES["ros"] @ [1, 0, 0, 0], [0, -1, 0, 0])


def test_what_is_not_rigid_is_refused():
    with pytest.raises(InputError, match="rotation"):
        optical_pose(np.diag([2.0, 1, 1, 1]))


def test_units_and_origin_of_positions():
    far = POSE.copy()
    far[0, 3] = 20_000
    assert optical_pose(far, units_per_m=1000.0)[0, 3] == 20
    near = optical_pose(far, origin_m=np.array([19_990.0, 0, 0]))
    np.testing.assert_allclose(near[:3, 3], [10, *far[1:3, 3]])


def test_quaternions_of_the_other_order_are_read_with_their_setting():
    x, y, z, w = Rotation.from_matrix(POSE[:3, :3]).as_quat()
    misread = POSE.copy()
    misread[:3, :3] = Rotation.from_quat([w, x, y, z]).as_matrix()
    np.testing.assert_allclose(optical_pose(misread, quaternions="wxyz"), POSE, atol=1e-12)
    np.testing.assert_allclose(reordered(POSE, "wxyz"), misread, atol=1e-12)


@pytest.mark.parametrize("how", TURNS)
def test_a_pixel_of_a_turned_image_is_where_it_was(how):
    turns = list(TURNS).index(how)
    turned = optical_pose(POSE, turned=how)
    right, down = np.array([1.0, 0, 1, 1]), np.array([0, 1.0, 1, 1])
    seen = {0: right, 1: down, 2: right * [-1, 1, 1, 1], 3: down * [1, -1, 1, 1]}[turns]
    np.testing.assert_allclose(turned @ seen, POSE @ right, atol=1e-9)


def test_two_decimals_of_a_rotation_are_enough():
    rounded = POSE.copy()
    rounded[:3, :3] = np.round(POSE[:3, :3], 2)
    found = optical_pose(rounded)
    np.testing.assert_allclose(found, POSE, atol=0.01)
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-12)


def test_depth_of_a_plane_is_even():
    k = Intrinsics(30, 30, 15.5, 11.5, 32, 24)
    x, y = (np.arange(32) - 15.5) / 30, (np.arange(24) - 11.5) / 30
    distance = (2 * np.sqrt(1 + x**2 + y[:, None] ** 2)).astype(np.float32)
    found = depth_of_ray(distance, k)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 2, atol=1e-6)


def test_a_folder_is_read_as_it_is_meant(tmp_path):
    scene = write_scene(tmp_path / "scene")
    for number in NUMBERS:
        stored = inverse(pose_of(number) @ AXES["opengl"])
        stored[:3, 3] *= 1000
        np.savetxt(scene / f"pose/{number}.txt", stored)
    np.savetxt(scene / "intrinsics.txt", np.diag([1 / 32, 1 / 24, 1]) @ (K + [[0, 0, 0.5]] * 3))
    settings = FolderSettings(
        pose="camera_from_map", camera_axes="opengl", pose_units_per_m=1000.0, depth_along="ray",
        intrinsics_scaling="normalized",
    )
    source = FolderSource(scene, settings)
    (frame,) = source.pick([3])
    np.testing.assert_allclose(frame.map_from_camera, pose_of(NUMBERS[3]), atol=1e-9)
    assert frame.intrinsics.fx == pytest.approx(30) and frame.intrinsics.cx == pytest.approx(16.5)
    assert 0 < frame.depth[12, 1] < depth_of(NUMBERS[3])[12, 1] / 1000

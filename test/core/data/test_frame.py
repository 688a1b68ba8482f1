"""Frames: what they refuse, intrinsics at other sizes, raw depth in meters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from om3d_core.data.frame import MAX_SIDE_PX, Frame, Intrinsics, check_rigid, clean_depth
from om3d_core.errors import InputError

CAMERA = Intrinsics(50.0, 60.0, 15.5, 11.5, 32, 24)
FRAME = Frame(
    np.zeros((24, 32, 3), np.uint8), np.ones((24, 32), np.float32), CAMERA, np.eye(4), 7
)
sizes = st.integers(2, 200)
cameras = st.builds(Intrinsics, st.floats(1, 1000), st.floats(1, 1000), st.floats(-50, 300),
                    st.floats(-50, 300), sizes, sizes)


@given(cameras, sizes, sizes)
@settings(max_examples=100, deadline=None)
def test_a_resized_camera_sees_the_same_part_of_the_picture(camera, width, height):
    """A ray meets both pictures at the same share of their width and height."""
    small = camera.resized(width, height)
    assert (small.width, small.height) == (width, height)
    ray = np.array([0.3, -0.2, 1.0])
    for before, after, old, new in zip(
        camera.matrix @ ray, small.matrix @ ray, (camera.width, camera.height), (width, height),
        strict=False,
    ):
        assert (after + 0.5) / new == pytest.approx((before + 0.5) / old, abs=1e-9)
    back = small.resized(camera.width, camera.height)
    np.testing.assert_allclose(back.matrix, camera.matrix, atol=1e-6)


@given(cameras)
@settings(max_examples=50, deadline=None)
def test_a_matrix_gives_its_camera_back(camera):
    size = camera.width, camera.height
    assert Intrinsics.from_matrix(camera.matrix, *size) == camera
    larger = np.eye(4)
    larger[:3, :3] = camera.matrix
    assert Intrinsics.from_matrix(larger.tolist(), *size) == camera


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"fx": 0.0}, "focal"), ({"fy": -1.0}, "focal"), ({"cx": np.nan}, "finite"),
        ({"fx": np.inf}, "finite"), ({"width": 0}, "size"), ({"height": -3}, "size"),
        ({"width": MAX_SIDE_PX + 1}, "size"),
    ],
)
def test_intrinsics_that_are_none_are_refused(change, named):
    with pytest.raises(InputError, match=named):
        replace(CAMERA, **change)
    with pytest.raises(InputError, match="3x3 or 4x4"):
        Intrinsics.from_matrix(np.eye(2), 4, 4)


def depth_with(value):
    depth = np.ones((24, 32), np.float32)
    depth[3, 4] = value
    return depth


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rgb": np.zeros((24, 32), np.uint8)}, "rgb"),
        ({"rgb": np.zeros((32, 24, 3), np.uint8)}, "rgb"),
        ({"rgb": np.zeros((24, 32, 3), np.float32)}, "rgb"),
        ({"depth": np.ones((12, 16), np.float32)}, "depth"),
        ({"depth": np.ones((24, 32), np.uint16)}, "depth"),
        ({"depth": depth_with(np.nan)}, "depth"),
        ({"depth": depth_with(np.inf)}, "depth"),
        ({"depth": depth_with(-1)}, "depth"),
        ({"map_from_camera": np.eye(3)}, "transform"),
        ({"map_from_camera": np.full((4, 4), np.nan)}, "finite transform"),
        ({"map_from_camera": np.diag([1.0, 1.0, -1.0, 1.0])}, "right-handed"),
        ({"map_from_camera": np.diag([1.1, 1.0, 1.0, 1.0])}, "orthonormal"),
        ({"map_from_camera": np.diag([1.0, 1.0, 1.0, 2.0])}, "last row"),
        ({"stamp_ns": -1}, "stamp"),
    ],
)
def test_what_is_no_frame_is_refused(change, named):
    with pytest.raises(InputError, match=named):
        replace(FRAME, **change)


@given(hnp.arrays(np.float64, 3, elements=st.floats(-4, 4)),
       hnp.arrays(np.float64, 3, elements=st.floats(-100, 100)), st.floats(0, 0.004))
@settings(max_examples=100, deadline=None)
def test_a_pose_that_is_rounded_is_rigid(turns, position, noise):
    pose = np.eye(4)
    for axis, angle in enumerate(turns):
        a, b = (i for i in range(3) if i != axis)
        step = np.eye(3)
        step[a, a] = step[b, b] = np.cos(angle)
        step[a, b], step[b, a] = -np.sin(angle), np.sin(angle)
        pose[:3, :3] = pose[:3, :3] @ step
    pose[:3, 3] = position
    pose[:3, :3] *= 1 + noise
    check_rigid(pose)
    pose[:3, :3] *= 1.05
    with pytest.raises(InputError, match="orthonormal"):
        check_rigid(pose)


@given(hnp.arrays(np.uint16, (4, 5)), st.sampled_from([100.0, 1000.0, 5000.0]), st.floats(0.5, 30))
@settings(max_examples=100, deadline=None)
def test_depth_in_units_becomes_meters_or_nothing(raw, units_per_m, max_depth_m):
    before = raw.copy()
    depth = clean_depth(raw, units_per_m, max_depth_m)
    assert np.array_equal(raw, before) and depth.dtype == np.float32
    for unit, meters in zip(raw.ravel().tolist(), depth.ravel().tolist(), strict=True):
        if meters:
            assert meters == pytest.approx(unit / units_per_m, rel=1e-5)
            assert 0 < meters <= max_depth_m * (1 + 1e-6)
        else:
            assert unit in {0, 65535} or unit / units_per_m > max_depth_m * (1 - 1e-6)


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(width=32)))
@settings(max_examples=100, deadline=None)
def test_any_floats_become_depth_that_a_frame_takes(raw):
    depth = clean_depth(raw, 1.0)
    camera = Intrinsics(5.0, 5.0, 1.5, 1.0, 4, 3)
    Frame(np.zeros((3, 4, 3), np.uint8), depth, camera, np.eye(4), 0)
    kept = np.isfinite(raw) & (raw > 0) & (raw <= 20)
    assert np.array_equal(depth[kept], raw[kept]) and not depth[~kept].any()


@pytest.mark.parametrize(
    ("raw", "units", "named"),
    [
        (np.zeros(4, np.uint16), 1000.0, "shape"),
        (np.zeros((2, 2), np.uint8), 1000.0, "dtype"),
        (np.zeros((2, 2), np.int32), 1000.0, "dtype"),
        (np.zeros((2, 2), np.uint16), 0.0, "scale"),
        (np.zeros((2, 2), np.uint16), float("nan"), "scale"),
        (np.zeros((2, 2), np.uint16), float("inf"), "scale"),
    ],
)
def test_what_is_no_depth_is_refused(raw, units, named):
    with pytest.raises(InputError, match=named):
        clean_depth(raw, units)

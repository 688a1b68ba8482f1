"""Upright boxes: they hold their points, tightly, whichever way is up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from om3d_core.data.boxes import Box, fit_box, level_frame
from om3d_core.errors import InputError

UP = np.array([0.0, 0.0, 1.0])
vectors = hnp.arrays(np.float64, 3, elements=st.floats(-1, 1)).filter(
    lambda v: np.linalg.norm(v) > 0.1
)
ups = vectors.map(lambda v: v / np.linalg.norm(v))
clouds = hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(3)),
                    elements=st.floats(-50, 50, width=32))


def turned(yaw):
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


@given(ups)
@settings(max_examples=100, deadline=None)
def test_a_level_frame_is_a_rotation_that_ends_in_up(up):
    frame = level_frame(up)
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(frame) == pytest.approx(1.0)
    np.testing.assert_allclose(frame[:, 2], up, atol=1e-12)


@given(clouds, ups)
@settings(max_examples=100, deadline=None)
def test_a_box_holds_its_points_and_each_side_touches_one(points, up):
    box = fit_box(points, up)
    np.testing.assert_allclose(box.map_from_box[:, 2], up, atol=1e-9)
    np.testing.assert_allclose(box.map_from_box @ box.map_from_box.T, np.eye(3), atol=1e-9)
    local = (points.astype(np.float64) - box.center) @ box.map_from_box
    np.testing.assert_allclose(local.max(axis=0), box.size / 2, atol=1e-4)
    np.testing.assert_allclose(local.min(axis=0), -box.size / 2, atol=1e-4)
    corners = (box.corners - box.center) @ box.map_from_box
    np.testing.assert_allclose(np.sort(np.unique(np.abs(corners).round(4), axis=0), axis=0),
                               (box.size / 2)[None].round(4), atol=2e-4)


@given(st.floats(0, 7), hnp.arrays(np.float64, 3, elements=st.floats(0.1, 3)),
       hnp.arrays(np.float64, 3, elements=st.floats(-10, 10)))
@settings(max_examples=100, deadline=None)
def test_a_turned_cuboid_keeps_its_size_to_one_percent(yaw, size, center):
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
    points = center + (signs * size) @ turned(yaw).T
    box = fit_box(points, UP)
    assert box.size[2] == pytest.approx(size[2])
    footprint = np.prod(box.size[:2])
    assert np.prod(size[:2]) - 1e-9 <= footprint
    slack = 0.01 * max(size[:2])
    assert np.sort(box.size[:2]) == pytest.approx(np.sort(size[:2]), abs=slack)
    np.testing.assert_allclose(box.center, center, atol=1e-6)


def test_one_point_has_a_box_without_a_size():
    box = fit_box(np.array([[1.0, 2.0, 3.0]]), UP)
    assert box.size.tolist() == [0, 0, 0] and box.corners.shape == (8, 3)
    np.testing.assert_allclose(box.corners, np.broadcast_to([1.0, 2.0, 3.0], (8, 3)))


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.zeros(3), np.zeros((4, 2))])
def test_what_is_no_cloud_is_refused(points):
    with pytest.raises(InputError, match=r"\(n, 3\) points"):
        fit_box(points, UP)


def test_shapes_of_a_box_are_checked():
    with pytest.raises(InputError, match="shapes"):
        Box(np.zeros(3), np.zeros(2), np.eye(3))

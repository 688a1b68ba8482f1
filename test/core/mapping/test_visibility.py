"""Visibility: the fast passes equal the plain definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.frame import Intrinsics
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import InputError
from om3d_core.mapping.visibility import VisibilitySettings, observe, visible_pixels

CAMERA = Intrinsics(40.0, 42.0, 15.5, 11.5, 32, 24)
SETTINGS = VisibilitySettings(depth_tolerance_m=0.1)


def plain_pixel(point, depth, map_from_camera):
    """The definition, one point at a time, in double precision."""
    x, y, z = (np.linalg.inv(map_from_camera) @ [*point, 1.0])[:3]
    if z <= 0:
        return -1
    u = int(np.floor(CAMERA.fx * x / z + CAMERA.cx + 0.5))
    v = int(np.floor(CAMERA.fy * y / z + CAMERA.cy + 0.5))
    if not (0 <= u < CAMERA.width and 0 <= v < CAMERA.height):
        return -1
    if depth[v, u] <= 0 or abs(depth[v, u] - z) > SETTINGS.depth_tolerance_m:
        return -1
    return v * CAMERA.width + u


def pose(rng):
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q[:, 0] *= np.sign(np.linalg.det(q))
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = q, rng.normal(size=3)
    return result


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_visible_pixels_equal_the_definition(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(scale=1.5, size=(400, 3)).astype(np.float32)
    depth = rng.choice([0.0, 0.7, 1.0, 1.5], size=(24, 32)).astype(np.float32)
    transform = pose(rng)
    got = visible_pixels(points, depth, CAMERA, transform, SETTINGS)
    expected = np.array([plain_pixel(p, depth, transform) for p in points])
    assert (got != expected).mean() <= 0.01  # single precision at pixel and depth borders
    assert ((got >= 0) | (got == -1)).all()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_counts_and_boxes_equal_the_definition(seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(-1, 32 * 24, size=200).astype(np.int32)
    members = [rng.choice(200, size=rng.integers(0, 60), replace=False) for _ in range(7)]
    masks = InstanceMasks.from_lists(members, 200)
    seen, points = observe(pixels, masks, 32, 24), observe(pixels, masks, 32, 24, "points")
    assert np.array_equal(seen.boxes, points.boxes)
    for i, member in enumerate(members):
        distinct = np.unique(pixels[member])
        distinct = distinct[distinct >= 0]
        assert seen.pixels[i] == len(distinct)
        assert points.pixels[i] == (pixels[member] >= 0).sum()
        if len(distinct):
            y, x = np.divmod(distinct, 32)
            assert seen.boxes[i].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
        else:
            assert seen.boxes[i].tolist() == [0, 0, 0, 0]


def test_nothing_is_seen_without_depth_or_behind_the_camera():
    points = np.array([[0, 0, 1], [0, 0, -1], [0, 0, 0.05], [0, 0, 0]], np.float32)
    no_depth = np.zeros((24, 32), np.float32)
    assert visible_pixels(points, no_depth, CAMERA, np.eye(4), SETTINGS).tolist() == [-1] * 4
    near = np.full((24, 32), 0.04, np.float32)
    got = visible_pixels(points, near, CAMERA, np.eye(4), SETTINGS)
    assert (got >= 0).tolist() == [False, False, True, False]


def test_depth_of_another_size_is_refused():
    with pytest.raises(InputError, match="expected depth of 32x24, got 16x12"):
        visible_pixels(
            np.zeros((1, 3), np.float32), np.zeros((12, 16), np.float32), CAMERA, np.eye(4),
            SETTINGS,
        )


def test_an_empty_cloud_and_no_masks():
    none = visible_pixels(
        np.zeros((0, 3), np.float32), np.ones((24, 32), np.float32), CAMERA, np.eye(4), SETTINGS
    )
    assert len(observe(none, InstanceMasks.empty(0), 32, 24).pixels) == 0

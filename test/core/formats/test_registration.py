"""Depth of a camera beside color, as color sees it."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.poses import pose
from helpers.worlds import depth_from_beside, tabletop

from om3d_core.data.frame import Intrinsics
from om3d_core.errors import InputError
from om3d_core.formats.calibration import Calibration
from om3d_core.formats.registration import register, reproject

BESIDE = pose(0.06, 0.02)
WIDE = Intrinsics(110.0, 110.0, 79.0, 61.0, 160, 120)


@pytest.fixture(scope="module")
def frame():
    return tabletop(1)[0]


@pytest.fixture(scope="module")
def depth(frame):
    return depth_from_beside([frame], BESIDE, WIDE)[0]


def test_depth_lies_where_color_sees_it(frame, depth):
    rgb, seen, k = register(
        frame.rgb, Calibration(frame.intrinsics), depth, Calibration(WIDE), BESIDE
    )
    scale = WIDE.fx / frame.intrinsics.fx
    assert seen.shape == rgb.shape[:2] == (round(120 * scale), round(160 * scale))
    assert k == frame.intrinsics.resized(k.width, k.height)
    true = depth_from_beside([frame], np.eye(4), k)[0]
    there = np.zeros(true.shape, bool)
    there[3:-3, 6:-6] = true[3:-3, 6:-6] > 0
    assert (seen[there] > 0).mean() > 0.97
    off = np.abs(seen - true)[there]
    assert np.median(off) < 0.007 and np.percentile(off, 95) < 0.04
    as_it_came = depth_from_beside([frame], BESIDE, k)[0]
    assert np.median(np.abs(as_it_came - true)[there]) > 0.015


def test_the_nearest_of_a_pixel_stays_and_what_lies_behind_the_camera_is_not_seen():
    k = Intrinsics(10.0, 10.0, 2.0, 2.0, 5, 5)
    depth = np.zeros((5, 5), np.float32)
    depth[2, 2], depth[2, 3] = 2.0, 1.0
    moved = np.eye(4)
    moved[0, 3] = -0.1
    seen = reproject(depth, k, moved, k)
    assert seen[2, 2] == 1.0 and np.count_nonzero(seen) == 1
    behind = np.eye(4)
    behind[2, 3] = -5.0
    assert not reproject(depth, k, behind, k).any()


def test_gaps_between_neighbors_of_one_surface_are_closed_and_others_stay():
    k = Intrinsics(1.0, 1.0, 0.0, 0.0, 5, 1)
    for row, expected in (
        ([1.0, 0.0, 1.02, 0.0, 2.0], [1.0, 1.01, 1.02, 0.0, 2.0]),
        ([1.0, 3.0, 1.0, 0.5, 1.0], [1.0, 1.0, 1.0, 0.5, 1.0]),
        ([0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]),
    ):
        seen = reproject(np.float32([row]), k, np.eye(4), k)
        np.testing.assert_allclose(seen, [expected], atol=1e-6)


def test_color_of_another_size_than_its_calibration_is_refused(frame, depth):
    with pytest.raises(InputError, match="camera_info"):
        register(frame.rgb[:50], Calibration(frame.intrinsics), depth, Calibration(WIDE), BESIDE)


def test_depth_without_any_value_gives_none(frame):
    _, seen, _ = register(
        frame.rgb, Calibration(frame.intrinsics), np.zeros((60, 80), np.float32),
        Calibration(WIDE), BESIDE,
    )
    assert not seen.any()

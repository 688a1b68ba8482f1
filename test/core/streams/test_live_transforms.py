"""A localization that corrects itself: what counts as a jump, and what follows it."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.poses import pose

from om3d_core.data.poses import inverse
from om3d_core.streams.live_transforms import LiveTransforms
from om3d_core.streams.pose_lookup import NOT_YET
from om3d_core.streams.settings import PoseSettings

SECOND = 1_000_000_000


def tf(**settings):
    return LiveTransforms("map", PoseSettings(**settings), 10 * SECOND)


def localized(found, *places, link=("map", "odom")):
    """Where the odometry is in the map, a place a second; whether each is a jump."""
    return [found.add(*link, n * SECOND, place, False) for n, place in enumerate(places)]


def test_a_jump_moves_what_is_kept_and_is_told_once():
    found, wrong, right = tf(), pose(0.0, 0.1), pose(1.0, 0.4)
    assert localized(found, wrong, wrong, right, right) == [False, False, True, False]
    (jump,) = found.corrections
    np.testing.assert_allclose(jump @ wrong, right, atol=1e-12)
    for stamp in (0, SECOND // 2, SECOND * 3 // 2, 3 * SECOND):
        at = found.tree.lookup("map", "odom", stamp)
        np.testing.assert_allclose(at, right, atol=1e-12)


@pytest.mark.parametrize(("place", "jumps"), [
    (pose(0.29), False), (pose(0.31), True), (pose(0.0, 0.14), False), (pose(0.0, -0.16), True),
])
def test_how_far_a_jump_is(place, jumps):
    assert localized(tf(), pose(), place) == [False, jumps]


def test_small_corrections_are_the_localization_at_work():
    found = tf()
    assert not any(localized(found, *(pose(0.1 * n) for n in range(9)))) and not found.corrections
    np.testing.assert_allclose(found.tree.lookup("map", "odom", 0), pose(), atol=1e-12)


def test_only_the_frame_of_the_odometry_jumps_and_only_if_that_is_wanted():
    assert not any(localized(tf(), pose(), pose(5.0), link=("map", "base_link")))
    assert not any(localized(tf(), pose(), pose(5.0), link=("world", "odom")))
    assert not any(localized(tf(jump_m=0.0, jump_rad=0.0), pose(), pose(5.0, 2.0)))
    assert any(localized(tf(odom_frame="/slow"), pose(), pose(5.0), link=("/map", "slow")))


def test_a_transform_that_is_late_is_no_jump():
    found = tf()
    localized(found, pose(), pose(), pose(2.0))
    assert not found.add("map", "odom", SECOND // 2, pose(0.1), False)
    assert len(found.corrections) == 1


def test_jumps_follow_each_other():
    found = tf()
    localized(found, pose(0.0, 0.2), pose(1.0), pose(-1.0, 1.0))
    first, second = found.corrections
    np.testing.assert_allclose(second @ first @ pose(0.0, 0.2), pose(-1.0, 1.0), atol=1e-12)
    np.testing.assert_allclose(inverse(second) @ pose(-1.0, 1.0), pose(1.0), atol=1e-12)


def test_what_came_of_the_time_after_a_jump_of_the_clock_stays():
    """As when a bag is played in a loop: transforms may come before the images that tell."""
    found = tf()
    for stamp in (8 * SECOND, 9 * SECOND):
        for link in (("map", "odom"), ("odom", "base")):
            found.add(*link, stamp, pose(9.0), False)
    found.add("odom", "base", SECOND, pose(1.0), False)
    found.forget_motion(SECOND)
    assert found.tree.motion_of("odom") is None
    np.testing.assert_allclose(found.tree.lookup("odom", "base", SECOND), pose(1.0))
    assert found.tree.lookup("odom", "base", 9 * SECOND) is NOT_YET
    found.forget_motion(None)
    assert found.tree.motion_of("base") is None

"""The tree of frames: chains composed at the moment asked for."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from helpers.poses import pose

from om3d_core.data.poses import inverse
from om3d_core.errors import InputError
from om3d_core.streams.trajectory import RecordedMotion
from om3d_core.streams.transform_tree import TransformTree


def tree() -> TransformTree:
    """map -> odom -> base (moving) -> arm (fixed) and base -> camera (fixed)."""
    result = TransformTree(partial(RecordedMotion, gap_ns=1000))
    result.add("map", "odom", 0, pose(10), True)
    for i in range(3):
        result.add("/odom", "/base", 100 * i, pose(i, 0.2 * i), False)
    result.add("base", "camera", 0, pose(0.5, 1.0), True)
    result.add("base", "arm", 0, pose(-1), True)
    return result


def test_chain_is_composed_at_the_moment_asked_for() -> None:
    found = tree().lookup("map", "camera", 150)
    assert found is not None
    np.testing.assert_allclose(found, pose(10) @ pose(1.5, 0.3) @ pose(0.5, 1.0), atol=1e-12)


def test_lookup_down_and_across_and_of_itself() -> None:
    across = tree().lookup("arm", "camera", 0)
    assert across is not None
    np.testing.assert_allclose(across, inverse(pose(-1)) @ pose(0.5, 1.0), atol=1e-12)
    down = tree().lookup("camera", "map", 100)
    up = tree().lookup("map", "camera", 100)
    assert down is not None and up is not None
    np.testing.assert_allclose(down @ up, np.eye(4), atol=1e-12)
    assert np.array_equal(tree().lookup("camera", "camera", 7), np.eye(4))


def test_lookup_out_of_time_and_out_of_the_tree() -> None:
    assert tree().lookup("map", "camera", 5000) is None
    assert not tree().connected("map", "lidar")
    with pytest.raises(InputError, match="arm, base, camera, map, odom"):
        tree().lookup("map", "lidar", 0)


def test_cycle_of_frames_ends() -> None:
    ring = TransformTree(RecordedMotion)
    for parent, child in (("a", "b"), ("b", "c"), ("c", "a")):
        ring.add(parent, child, 0, pose(1), True)
    assert ring.connected("a", "b")
    with pytest.raises(InputError):
        ring.add("a", "a", 0, pose(), True)
    with pytest.raises(InputError):
        ring.add("", "a", 0, pose(), True)


def test_transforms_added_after_a_lookup_count() -> None:
    frames = tree()
    assert frames.lookup("map", "base", 250) is None
    frames.add("odom", "base", 300, pose(3), False)
    assert frames.lookup("map", "base", 250) is not None

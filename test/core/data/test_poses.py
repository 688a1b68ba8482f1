"""Transforms, interpolation over time, the tree of frames, and pairing by stamp."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from om3d_core.data.frame import check_rigid
from om3d_core.data.poses import (
    Trajectory,
    TransformTree,
    inverse,
    nearest_rigid,
    quaternion_of,
    transform_from,
)
from om3d_core.errors import InputError
from om3d_core.streams.pairing import pair_stamps


def pose(x: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    result = np.eye(4)
    result[:3, :3] = Rotation.from_rotvec([0, 0, yaw]).as_matrix()
    result[0, 3] = x
    return result


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_quaternion_round_trip(values: list[float]) -> None:
    norm = np.linalg.norm(values)
    if norm < 1e-3:
        return
    transform = transform_from([1, 2, 3], np.array(values) / norm)
    check_rigid(transform)
    again = transform_from(transform[:3, 3], quaternion_of(transform))
    np.testing.assert_allclose(again, transform, atol=1e-12)


@pytest.mark.parametrize(
    ("translation", "quaternion"),
    [
        ([0, 0, np.nan], [0, 0, 0, 1]),
        ([0, 0, 0], [0, 0, 0, 0]),
        ([0, 0, 0], [0, 0, np.inf, 1]),
        ([0, 0, 0], [np.nan] * 4),
        ([0, 0, 0], [0, 0, 0, 2]),
        ([0, 0], [0, 0, 0, 1]),
        ([0, 0, 0], [0, 0, 1]),
    ],
)
def test_no_transform_from_nonsense(translation: list[float], quaternion: list[float]) -> None:
    with pytest.raises(InputError):
        transform_from(translation, quaternion)


def test_nearest_rigid_removes_rounding_and_refuses_the_rest() -> None:
    exact = pose(1.0, 0.3)
    rounded = np.round(exact, 4)
    fixed = nearest_rigid(rounded)
    np.testing.assert_allclose(fixed[:3, :3] @ fixed[:3, :3].T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(fixed, exact, atol=1e-4)
    with pytest.raises(InputError):
        nearest_rigid(2 * exact)


def test_inverse() -> None:
    np.testing.assert_allclose(inverse(pose(2, 1)) @ pose(2, 1), np.eye(4), atol=1e-15)


def test_interpolation_is_linear_and_takes_the_short_way() -> None:
    path = Trajectory([100, 200], [pose(0, np.pi - 0.1), pose(1, -np.pi + 0.1)])
    middle = path.at(150)
    assert middle is not None
    np.testing.assert_allclose(middle, pose(0.5, np.pi), atol=1e-12)
    quarter = path.at(125)
    assert quarter is not None
    np.testing.assert_allclose(quarter, pose(0.25, np.pi - 0.05), atol=1e-12)


def test_recorded_poses_come_back_bit_for_bit() -> None:
    poses = [pose(i, 0.1 * i) for i in range(5)]
    path = Trajectory([400, 0, 300, 100, 200], [poses[i] for i in (4, 0, 3, 1, 2)])
    for i in range(5):
        assert np.array_equal(path.at(100 * i), poses[i])


def test_no_extrapolation_and_no_bridge_over_gaps() -> None:
    path = Trajectory([100, 200, 900], [pose(0), pose(1), pose(2)], tolerance_ns=10, gap_ns=300)
    assert path.at(89) is None and path.at(911) is None
    assert np.array_equal(path.at(90), pose(0)) and np.array_equal(path.at(910), pose(2))
    assert path.at(500) is None and path.at(150) is not None
    assert np.array_equal(path.at(900), pose(2))


def test_single_pose_and_repeated_stamps() -> None:
    assert np.array_equal(Trajectory([5], [pose(1)]).at(5), pose(1))
    assert np.array_equal(Trajectory([5, 5], [pose(1), pose(2)]).at(5), pose(1))
    with pytest.raises(InputError):
        Trajectory([], np.zeros((0, 4, 4)))


def test_large_stamps_keep_their_nanoseconds() -> None:
    start = 1_700_000_000_000_000_000
    found = Trajectory([start, start + 4], [pose(0), pose(4)]).at(start + 1)
    assert found is not None and found[0, 3] == pytest.approx(1.0, abs=1e-12)


def tree() -> TransformTree:
    """map -> odom -> base (moving) -> arm (fixed) and base -> camera (fixed)."""
    result = TransformTree(tolerance_ns=0, gap_ns=1000)
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
    ring = TransformTree()
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


def test_pairs_are_mutually_nearest_within_the_slop() -> None:
    assert pair_stamps([0, 100, 200], [198, 5, 104], 10) == [(0, 1), (1, 2), (2, 0)]
    assert pair_stamps([0, 100], [11], 10) == []
    assert pair_stamps([0, 4], [3], 10) == [(1, 0)]
    assert pair_stamps([7, 7], [7, 7], 0) == [(0, 0)]
    assert pair_stamps([], [1], 5) == pair_stamps([1], [], 5) == []


stamp_lists = st.lists(st.integers(0, 300), max_size=30)


@given(stamp_lists, stamp_lists, st.integers(0, 50))
@settings(max_examples=200, deadline=None)
def test_pairs_against_brute_force(first: list[int], second: list[int], slop: int) -> None:
    pairs = pair_stamps(first, second, slop)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(abs(first[i] - second[j]) <= slop for i, j in pairs)
    for stamp in set(first) & set(second):
        assert any(first[i] == second[j] == stamp for i, j in pairs)
    for i, j in pairs:
        gap = abs(first[i] - second[j])
        assert gap == min(abs(first[i] - s) for s in second)
        assert gap == min(abs(f - second[j]) for f in first)

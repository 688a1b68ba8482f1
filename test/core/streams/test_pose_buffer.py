"""Poses of the last seconds: interpolated, awaited, or never to be known."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.streams import pose_buffer
from om3d_core.streams.pose_buffer import PoseBuffer
from om3d_core.streams.pose_lookup import NOT_YET

MS, S = 1_000_000, 1_000_000_000


def moved(x):
    pose = np.eye(4)
    pose[0, 3] = x
    return pose


def filled(*stamps, gap=S, keep=10 * S):
    poses = PoseBuffer(gap, keep)
    for stamp in stamps:
        poses.add(stamp, moved(stamp / S))
    return poses


def test_poses_in_any_order_are_interpolated():
    poses = filled(3 * S, 2 * S, 4 * S)
    for at in (2 * S, 2 * S + 250 * MS, 3 * S + 500 * MS, 4 * S):
        assert np.allclose(poses.at(at, settled=True), moved(at / S))


def test_a_pose_is_interpolated_once_the_exact_one_had_time_to_come():
    poses = filled(1 * S, 1 * S + 200 * MS, 1 * S + 300 * MS)
    assert poses.at(1 * S + 100 * MS) is NOT_YET
    poses.add(1 * S + 400 * MS, moved(1.4))
    assert np.allclose(poses.at(1 * S + 100 * MS), moved(1.1))
    poses.add(1 * S + 100 * MS, moved(7.0))
    assert np.allclose(poses.at(1 * S + 100 * MS), moved(7.0))


def test_what_may_still_come_is_not_yet():
    assert PoseBuffer(S, 10 * S).at(5 * S) is NOT_YET
    poses = filled(20 * S, 23 * S)
    for before, within_a_gap, after in [(15 * S, 21 * S, 24 * S)]:
        assert [poses.at(at) for at in (before, within_a_gap, after)] == [NOT_YET] * 3
    poses.add(22 * S, moved(22.0))
    poses.add(21 * S, moved(21.0))
    assert np.allclose(poses.at(21 * S + 500 * MS, settled=True), moved(21.5))


def test_what_is_forgotten_is_never_known():
    poses = filled(*range(0, 100 * S, S))
    assert len(poses) == 11
    assert poses.at(88 * S) is None and np.allclose(poses.at(89 * S), moved(89.0))
    poses.add(50 * S, moved(0.0))
    assert len(poses) == 11 and poses.at(50 * S) is None


def test_of_two_poses_with_one_stamp_the_first_stays():
    poses = filled(1 * S)
    poses.add(1 * S, moved(-7.0))
    assert np.allclose(poses.at(1 * S), moved(1.0)) and len(poses) == 1


def test_the_number_of_poses_is_bounded(monkeypatch):
    monkeypatch.setattr(pose_buffer, "MAX_POSES", 5)
    poses = filled(*range(1, 100), keep=S)
    assert len(poses) == 5 and np.allclose(poses.at(95), moved(95 / S))


@pytest.mark.parametrize("stamps", [(), (1 * S, 2 * S)])
def test_clear_forgets_all(stamps):
    poses = filled(*stamps)
    poses.clear()
    assert len(poses) == 0 and poses.at(1 * S) is NOT_YET

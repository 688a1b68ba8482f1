"""Which poses are too uncertain to map by, and which of a camera that is too fast."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.poses import pose

from om3d_core.errors import InputError
from om3d_core.streams.pose_gate import MotionGate, check_certain
from om3d_core.streams.settings import PoseSettings

GATE = PoseSettings(max_position_std_m=0.2, max_rotation_std_rad=0.1)


def covariance(position_std=0.01, rotation_std=0.01, axis=1):
    matrix = np.diag([1e-6] * 6)
    matrix[axis, axis] = position_std**2
    matrix[3 + axis, 3 + axis] = rotation_std**2
    return matrix.ravel()


@pytest.mark.parametrize("axis", range(3))
def test_certain_poses_pass_and_others_are_refused_by_what_is_uncertain(axis):
    check_certain(covariance(0.19, 0.09, axis), GATE)
    with pytest.raises(InputError, match=r"position to 0.2 m \(pose.max_position_std_m\)"):
        check_certain(covariance(position_std=0.21, axis=axis), GATE)
    with pytest.raises(InputError, match=r"rotation to 0.1 rad \(pose.max_rotation_std_rad\)"):
        check_certain(covariance(rotation_std=0.11, axis=axis), GATE)


def test_each_limit_holds_alone():
    check_certain(covariance(9.0, 0.09), PoseSettings(max_rotation_std_rad=0.1))
    check_certain(covariance(0.19, 9.0), PoseSettings(max_position_std_m=0.2))


@pytest.mark.parametrize("unknown", [np.zeros(36), np.r_[-1.0, np.zeros(35)]])
def test_where_nothing_is_known_the_pose_passes(unknown):
    check_certain(unknown, GATE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5])
def test_variances_that_are_none_are_refused_only_by_a_gate(value):
    broken = covariance()
    broken[7] = value
    check_certain(broken, PoseSettings())
    with pytest.raises(InputError):
        check_certain(broken, GATE)


def test_a_camera_that_moves_too_fast_is_refused_until_it_is_slow_again():
    gate, tenth = MotionGate(PoseSettings(max_speed_m_s=1.0, max_turn_rad_s=0.5)), 100_000_000
    gate.check(0, pose())
    gate.check(tenth, pose(0.09, 0.04))
    with pytest.raises(InputError, match=r"at most 1 m/s \(pose.max_speed_m_s\), got 8.9 m/s"):
        gate.check(2 * tenth, pose(0.98, 0.04))
    gate.check(3 * tenth, pose(1.0, 0.04))
    with pytest.raises(InputError, match=r"at most 0.5 rad/s \(pose.max_turn_rad_s\)"):
        gate.check(4 * tenth, pose(1.0, 0.1))
    gate.check(4 * tenth, pose(9.0))


def test_by_default_any_motion_passes():
    gate = MotionGate(PoseSettings())
    for stamp in (0, 1):
        gate.check(stamp, pose(1000.0 * stamp, 3.0 * stamp))

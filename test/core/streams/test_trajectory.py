"""Poses over time: interpolation, ends and gaps."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.poses import pose

from om3d_core.errors import InputError
from om3d_core.streams.trajectory import Trajectory


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

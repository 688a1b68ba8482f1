"""Rigid transforms: from quaternions, inverted, made exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from om3d_core.data.frame import check_rigid
from om3d_core.data.poses import inverse, nearest_rigid, quaternion_of, transform_from
from om3d_core.errors import InputError


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

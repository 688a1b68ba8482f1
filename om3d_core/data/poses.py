"""Rigid transforms: from quaternions, inverted, made exact."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from om3d_core.data.frame import ROTATION_TOLERANCE, check_near, check_rigid
from om3d_core.errors import expect

NS_PER_S = 1_000_000_000
QUATERNION_TOLERANCE = 0.1
Transform = npt.NDArray[np.float64]


def transform_from(
    translation_m: Iterable[float], quaternion_xyzw: Iterable[float]
) -> npt.NDArray[np.float64]:
    """The (4, 4) transform of a translation and a quaternion x, y, z, w, as ROS messages hold."""
    translation = np.array(list(translation_m), np.float64)
    quaternion = np.array(list(quaternion_xyzw), np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(np.linalg.norm(quaternion))
    expect(
        translation.shape == (3,) and bool(np.isfinite(translation).all()),
        "a finite translation x, y, z",
        translation,
    )
    expect(
        quaternion.shape == (4,) and abs(norm - 1.0) < QUATERNION_TOLERANCE,
        "a unit quaternion x, y, z, w",
        quaternion,
    )
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_quat(quaternion / norm).as_matrix()
    transform[:3, 3] = translation
    return transform


def quaternion_of(transform: Transform) -> npt.NDArray[np.float64]:
    """The unit quaternion x, y, z, w of a (4, 4) rigid transform or a (3, 3) rotation."""
    return np.asarray(Rotation.from_matrix(transform[:3, :3]).as_quat(), np.float64)


def nearest_rigid(matrix: Transform, tolerance: float = ROTATION_TOLERANCE) -> Transform:
    """A (4, 4) transform that is rigid but for rounding, made exactly so (SVD projection).

    Raises InputError where the matrix is not close to a rigid transform, as :func:`check_rigid`.
    """
    check_rigid(matrix, tolerance)
    u, _, vt = np.linalg.svd(matrix[:3, :3])
    rigid = matrix.copy()
    rigid[:3, :3] = u @ vt
    return rigid


def inverse(transform: Transform) -> Transform:
    """The inverse of a (4, 4) rigid transform."""
    result = np.eye(4)
    result[:3, :3] = transform[:3, :3].T
    result[:3, 3] = -transform[:3, :3].T @ transform[:3, 3]
    return result


def rotation_angle_rad(transform: Transform) -> float:
    """The angle of the rotation of a (4, 4) rigid transform, 0 to pi."""
    cosine = (float(np.trace(transform[:3, :3])) - 1.0) / 2.0
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)))


def camera_pose(transform: Transform) -> Transform:
    """The rigid (4, 4) pose nearest to ``transform``; raises :class:`InputError` for one that no
    frame takes."""
    pose = nearest_rigid(transform)
    check_near(pose)
    return pose

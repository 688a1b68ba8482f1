"""Poses, depth and intrinsics as others write them, brought to what a Frame has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Intrinsics
from om3d_core.data.poses import Transform, inverse, nearest_rigid

POSES = ("map_from_camera", "camera_from_map")
AXES = {
    "optical": np.eye(4),
    "opengl": np.diag([1.0, -1.0, -1.0, 1.0]),
    "ros": np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64),
}
"""``own_from_optical``, by what the axes of a camera are: x right, y down, z forward; x right, y
up, z backward (OpenGL, Blender, ARKit); x forward, y left, z up (a body, REP 103)."""
QUATERNIONS = ("xyzw", "wxyz")
TURNS = {
    "none": np.eye(4),
    "clockwise": np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64),
    "upside_down": np.diag([-1.0, -1.0, 1.0, 1.0]),
    "counterclockwise": np.array(
        [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64
    ),
}
"""``camera_from_turned``, by how images were turned after they were taken."""
FLIPS = {
    "none": (slice(None), slice(None)),
    "left_right": (slice(None), slice(None, None, -1)),
    "up_down": (slice(None, None, -1), slice(None)),
}
"""Which pixels of a depth image (H, W), by how it was flipped against color and pose."""
DEPTHS = ("axis", "ray")
TWO_DECIMALS = 0.03
"""How far a rotation that was written with two decimals may be off."""


def optical_pose(
    stored: Transform,
    kind: str = POSES[0],
    axes: str = "optical",
    units_per_m: float = 1.0,
    origin_m: npt.NDArray[np.float64] | None = None,
    quaternions: str = QUATERNIONS[0],
    turned: str = "none",
) -> Transform:
    """map_from_camera (4, 4) of optical axes, in meters, of a pose as it is stored.

    kind: one of :data:`POSES`. axes: a key of :data:`AXES`. origin_m: (3,) what is taken off the
    position. quaternions: the order in which that of the pose, read as ``xyzw``, was stored.
    turned: a key of :data:`TURNS`.
    Raises :class:`InputError` for one that is not rigid.
    """
    pose = nearest_rigid(stored, TWO_DECIMALS)
    if quaternions != QUATERNIONS[0]:
        pose = reordered(pose, QUATERNIONS[0])
    pose[:3, 3] /= units_per_m
    if kind == "camera_from_map":
        pose = inverse(pose)
    pose = np.asarray(pose @ AXES[axes] @ TURNS[turned], np.float64)
    if origin_m is not None:
        pose[:3, 3] -= origin_m
    return pose


def reordered(pose: Transform, read_as: str) -> Transform:
    """A pose (4, 4) whose quaternion was read in one order of :data:`QUATERNIONS`, as if it had
    been read in the other."""
    from scipy.spatial.transform import Rotation

    quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat()
    turned = pose.copy()
    by = -1 if read_as == QUATERNIONS[0] else 1
    turned[:3, :3] = Rotation.from_quat(np.roll(quaternion, by)).as_matrix()
    return turned


def depth_of_ray(
    distance: npt.NDArray[np.float32], intrinsics: Intrinsics
) -> npt.NDArray[np.float32]:
    """Depth (H, W) along the optical axis, of distances (H, W) along the rays of the pixels."""
    x = (np.arange(intrinsics.width) - intrinsics.cx) / intrinsics.fx
    y = (np.arange(intrinsics.height) - intrinsics.cy) / intrinsics.fy
    return (distance / np.sqrt(1 + x**2 + y[:, None] ** 2)).astype(np.float32)

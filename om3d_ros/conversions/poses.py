"""geometry_msgs poses to (4, 4) transforms and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseStamped,
    PoseWithCovarianceStamped,
    Quaternion,
    Transform,
    TransformStamped,
    Vector3,
)
from nav_msgs.msg import Odometry
from tf2_msgs.msg import TFMessage

from om3d_core.data.boxes import Box
from om3d_core.data.poses import quaternion_of, transform_from
from om3d_core.errors import expect
from om3d_core.query.relations import Viewpoint
from om3d_ros.conversions.stamps import header

POSE_TOPICS: dict[str, tuple[type[Any], str]] = {
    "odometry": (Odometry, "odometry"),
    "pose": (PoseStamped, "pose"),
    "pose_with_covariance": (PoseWithCovarianceStamped, "pose"),
}
"""The type and the name of the topic of poses, by ``pose.source``."""


def to_matrix(pose: Pose) -> npt.NDArray[np.float64]:
    """The (4, 4) rigid transform of a pose; raises InputError unless it is finite and unit."""
    p, q = pose.position, pose.orientation
    return transform_from((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))


def of_transform(transform: Transform) -> npt.NDArray[np.float64]:
    """The (4, 4) rigid transform of a message; raises as :func:`to_matrix`."""
    p, q = transform.translation, transform.rotation
    return transform_from((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))


def from_matrix(matrix: npt.NDArray[np.float64]) -> Pose:
    """The pose of a (4, 4) rigid transform."""
    return _pose(matrix[:3, 3], quaternion_of(matrix))


def to_xyz(message: Point | Vector3) -> npt.NDArray[np.float64]:
    """(3,) of a point or vector; raises InputError unless it is finite."""
    xyz = np.array([message.x, message.y, message.z])
    expect(bool(np.isfinite(xyz).all()), "finite x, y, z", xyz)
    return xyz


def to_transforms(
    parent: str, child: str, stamp_ns: int, parent_from_child: npt.NDArray[np.float64]
) -> TFMessage:
    """The message of /tf for one (4, 4) rigid transform."""
    x, y, z, w = quaternion_of(parent_from_child).tolist()
    transform = Transform(
        translation=vector(parent_from_child[:3, 3]), rotation=Quaternion(x=x, y=y, z=z, w=w)
    )
    return TFMessage(transforms=[TransformStamped(
        header=header(parent, stamp_ns), child_frame_id=child, transform=transform
    )])


def point(xyz: npt.NDArray[np.float64]) -> Point:
    """A point from (3,) meters."""
    x, y, z = map(float, xyz)
    return Point(x=x, y=y, z=z)


def vector(xyz: npt.NDArray[np.float64]) -> Vector3:
    """A vector from (3,)."""
    x, y, z = map(float, xyz)
    return Vector3(x=x, y=y, z=z)


def box_pose(box: Box) -> Pose:
    """The pose of a box's center and axes."""
    return _pose(box.center, box.quaternion)


def standing_pose(position: Iterable[float], yaw_rad: float) -> Pose:
    """The pose at x, y, z that is turned about z."""
    turned = np.array([0.0, 0.0, math.sin(yaw_rad / 2), math.cos(yaw_rad / 2)])
    return _pose(np.array(list(position)), turned)


def to_box(pose: Pose, size: Vector3) -> Box:
    """The box of a pose of its center and axes and its full extent in meters."""
    matrix = to_matrix(pose)
    return Box(matrix[:3, 3], to_xyz(size), matrix[:3, :3])


def to_viewpoint(message: PoseStamped, frame_id: str) -> Viewpoint | None:
    """Where one stands and looks (along x) in the frame ``frame_id``; None for an empty frame.

    An orientation of zeros tells no direction. Raises InputError for a pose in another frame, or
    one that is not finite and unit.
    """
    told, q = message.header.frame_id, message.pose.orientation
    if not told:
        return None
    expect(told == frame_id, f"viewpoint in the frame {frame_id} of the map", repr(told[:80]))
    if not any((q.x, q.y, q.z, q.w)):
        return Viewpoint(to_xyz(message.pose.position))
    map_from_viewer = to_matrix(message.pose)
    return Viewpoint(map_from_viewer[:3, 3], map_from_viewer[:3, 0])


def _pose(position: npt.NDArray[np.float64], quaternion: npt.NDArray[np.float64]) -> Pose:
    x, y, z, w = quaternion.tolist()
    return Pose(position=point(position), orientation=Quaternion(x=x, y=y, z=z, w=w))

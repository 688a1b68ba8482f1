"""Solids to moveit_msgs/PlanningScene, where the package moveit_msgs is installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from geometry_msgs.msg import Point, Pose, Quaternion
from shape_msgs.msg import SolidPrimitive

from om3d_ros.conversions.solids import Solid
from om3d_ros.conversions.stamps import header as make_header


def to_difference(put: Mapping[str, Solid], gone: Iterable[str], frame_id: str) -> Any:
    """A difference that puts solids by name, in the place of what has that name, and removes
    others; it says nothing of the robot. The label is the key of the object's type."""
    from moveit_msgs.msg import CollisionObject, PlanningScene

    scene = PlanningScene(is_diff=True)
    scene.robot_state.is_diff = True
    header = make_header(frame_id, 0)
    for name in gone:
        scene.world.collision_objects.append(CollisionObject(
            header=header, id=name, operation=CollisionObject.REMOVE
        ))
    for name, solid in put.items():
        made = CollisionObject(
            header=header, id=name, pose=_pose(solid), operation=CollisionObject.ADD,
            primitives=[SolidPrimitive(type=SolidPrimitive.BOX, dimensions=list(solid.size))],
            primitive_poses=[Pose()],
        )
        made.type.key = solid.label
        scene.world.collision_objects.append(made)
    return scene


def _pose(solid: Solid) -> Pose:
    (x, y, z), (qx, qy, qz, qw) = solid.center, solid.quaternion
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))

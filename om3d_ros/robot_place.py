"""Where the robot is now, by the newest transforms of tf."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import TransformStamped
from tf2_msgs.msg import TFMessage

from om3d_core.data.poses import Transform
from om3d_core.errors import Om3dError
from om3d_core.streams.transform_tree import MAX_FRAMES, TransformTree
from om3d_ros.conversions.poses import of_transform
from om3d_ros.node.outcomes import FrameError


class RobotPlace:
    """The place of ``robot_frame`` in ``map_frame``; transforms that are none go to reject.

    What comes is only kept, the newest of each frame: tf comes often and is rarely asked for.
    """

    def __init__(self, map_frame: str, robot_frame: str, reject: Callable[[Exception], None]):
        self._map_frame, self._robot_frame = map_frame, robot_frame
        self._reject = reject
        self._newest: dict[str, tuple[TransformStamped, bool]] = {}

    def take(self, message: TFMessage, fixed: bool) -> None:
        """Take the transforms of ``/tf``, or ``fixed`` ones of ``/tf_static``."""
        for item in message.transforms:
            if item.child_frame_id in self._newest or len(self._newest) < MAX_FRAMES:
                self._newest[item.child_frame_id] = item, fixed

    def xy(self) -> npt.NDArray[np.float64]:
        """(2,) meters in the map frame; raises :class:`FrameError` where tf does not tell."""
        tree = self._tree()
        known = tree.connected(self._map_frame, self._robot_frame)
        pose = tree.lookup(self._map_frame, self._robot_frame, 0) if known else None
        if not isinstance(pose, np.ndarray):
            raise FrameError(
                f"expected tf to connect {self._map_frame!r} with {self._robot_frame!r}"
                f" (goal.robot_frame), got frames {', '.join(tree.frames) or 'none'}"
            )
        return pose[:2, 3]

    def _tree(self) -> TransformTree:
        tree = TransformTree(_Still)
        for item, fixed in self._newest.values():
            try:
                pose = of_transform(item.transform)
                tree.add(item.header.frame_id, item.child_frame_id, 0, pose, fixed)
            except Om3dError as error:
                self._reject(error)
        return tree


class _Still:
    """One transform, for whatever time one asks."""

    def __init__(self) -> None:
        self._pose: Transform | None = None

    def add(self, stamp_ns: int, pose: Transform) -> None:
        self._pose = pose

    def at(self, stamp_ns: int, settled: bool = False) -> Transform | None:
        return self._pose

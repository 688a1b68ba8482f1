"""Where the robot is now, by the newest transforms of tf."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from tf2_msgs.msg import TFMessage

from om3d_core.data.poses import Transform
from om3d_core.errors import Om3dError
from om3d_core.streams.transform_tree import TransformTree
from om3d_ros.conversions.poses import of_transform
from om3d_ros.node.outcomes import FrameError


class RobotPlace:
    """The place of ``robot_frame`` in ``map_frame``; transforms that are none go to reject."""

    def __init__(self, map_frame: str, robot_frame: str, reject: Callable[[Exception], None]):
        self._map_frame, self._robot_frame = map_frame, robot_frame
        self._reject = reject
        self._tree = TransformTree(_Newest)

    def take(self, message: TFMessage, fixed: bool) -> None:
        """Take the transforms of ``/tf``, or ``fixed`` ones of ``/tf_static``."""
        for item in message.transforms:
            try:
                self._tree.add(
                    item.header.frame_id, item.child_frame_id, 0, of_transform(item.transform),
                    fixed,
                )
            except Om3dError as error:
                self._reject(error)

    def xy(self) -> npt.NDArray[np.float64]:
        """(2,) meters in the map frame; raises :class:`FrameError` where tf does not tell."""
        known = self._tree.connected(self._map_frame, self._robot_frame)
        pose = self._tree.lookup(self._map_frame, self._robot_frame, 0) if known else None
        if not isinstance(pose, np.ndarray):
            raise FrameError(
                f"expected tf to connect {self._map_frame!r} with {self._robot_frame!r}"
                f" (goal.robot_frame), got frames {', '.join(self._tree.frames) or 'none'}"
            )
        return pose[:2, 3]


class _Newest:
    """The transform that came last, for whatever time one asks."""

    def __init__(self) -> None:
        self._pose: Transform | None = None

    def add(self, stamp_ns: int, pose: Transform) -> None:
        self._pose = pose

    def at(self, stamp_ns: int, settled: bool = False) -> Transform | None:
        return self._pose

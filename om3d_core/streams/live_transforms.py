"""tf as it comes: the last seconds of it, and the jumps of a localization that corrects itself."""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np

from om3d_core.data.poses import NS_PER_S, Transform, inverse, rotation_angle_rad
from om3d_core.streams.pose_buffer import PoseBuffer
from om3d_core.streams.settings import PoseSettings
from om3d_core.streams.transform_tree import Motion, TransformTree

BACK_NS = NS_PER_S
"""The stamps of a frame that go further back than that begin anew: a clock jumped."""
IN_ORDER = 1
"""Transforms of one frame come in order: the first later one will do."""


class LiveTransforms:
    """The frames of tf, of the last ``keep_ns``, for the poses of one or several cameras.

    Where the odometry's frame is in the map is what a localization tells. If that jumps (settings
    ``pose.jump_m``, ``pose.jump_rad``), the robot was all along where the new place says: what is
    kept of the past follows, and the jump is in :attr:`corrections`. Frames are named without a
    leading slash.
    """

    def __init__(self, map_frame: str, settings: PoseSettings, keep_ns: int):
        self.map_frame = map_frame.lstrip("/")
        self._odom_frame = settings.odom_frame.lstrip("/")
        self._jump_m, self._jump_rad = settings.jump_m, settings.jump_rad
        self.tree = TransformTree(partial(_Transforms, settings.max_gap_ns, keep_ns, IN_ORDER))
        self.corrections: list[Transform] = []
        """Each (4, 4), from where something was thought to be in the map to where it is."""

    def add(
        self, parent: str, child: str, stamp_ns: int, parent_from_child: Transform, fixed: bool
    ) -> bool:
        """Take one transform and say whether it is a jump of the localization.

        Raises :class:`InputError` unless it names two frames.
        """
        link = parent.lstrip("/"), child.lstrip("/")
        jump = None
        if link == (self.map_frame, self._odom_frame) and not fixed:
            jump = self._jump(stamp_ns, parent_from_child)
        self.tree.add(parent, child, stamp_ns, parent_from_child, fixed)
        if jump is not None:
            self.corrections.append(jump)
        return jump is not None

    def forget_motion(self, now_ns: int | None) -> None:
        """Forget the stamped transforms of before a jump of the clock to ``now_ns``; all of them
        if that is not known."""
        def is_of_now(motion: Motion) -> bool:
            newest = cast("_Transforms", motion).newest
            return now_ns is not None and newest is not None and newest[0] <= now_ns + BACK_NS

        self.tree.forget_motion(is_of_now)

    def _jump(self, stamp_ns: int, map_from_odom: Transform) -> Transform | None:
        """The jump to a new place of the odometry, which the former ones then follow."""
        kept = cast("_Transforms | None", self.tree.motion_of(self._odom_frame))
        newest = None if kept is None else kept.newest
        if kept is None or newest is None or stamp_ns <= newest[0]:
            return None
        jump = map_from_odom @ inverse(newest[1])
        shift = float(np.linalg.norm(map_from_odom[:3, 3] - newest[1][:3, 3]))
        far = 0 < self._jump_m < shift
        if not far and not 0 < self._jump_rad < rotation_angle_rad(jump):
            return None
        kept.move(jump)
        return jump


class _Transforms(PoseBuffer):
    """The stamped transforms of one frame; one from long before the newest begins anew, as the
    clock of who sent it went back, or one was far ahead."""

    def add(self, stamp_ns: int, map_from_camera: Transform) -> None:
        if self.newest is not None and self.newest[0] - stamp_ns > BACK_NS:
            self.clear()
        super().add(stamp_ns, map_from_camera)

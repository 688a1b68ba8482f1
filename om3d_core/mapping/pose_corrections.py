"""Keyframes follow a localization that corrects itself."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import reduce

import numpy as np

from om3d_core.data.frame import Frame
from om3d_core.data.poses import Transform, camera_pose
from om3d_core.mapping.mapper import Mapper


class PoseCorrections:
    """Where keyframes were thought to be in the map when their frames were put together, and
    where they are by what was learned since.

    Only what was added through it moves, not what was loaded. May be used from any thread;
    :meth:`apply` is for the one that refreshes the mapper.
    """

    def __init__(self) -> None:
        self._jumps: list[Transform] = []
        self._known: dict[int, int] = {}
        self._lock = threading.Lock()

    def learn(self, jump: Transform) -> None:
        """Take the next correction (4, 4): from where things were thought to be to where they
        are."""
        with self._lock:
            self._jumps.append(jump)

    def add(self, mapper: Mapper, frame: Frame, known: int) -> bool:
        """Offer ``mapper`` a frame whose pose was told after the first ``known`` corrections; say
        whether it was kept. Raises as :meth:`Mapper.add_frame`."""
        with self._lock:
            if known < len(self._jumps):
                pose = camera_pose(self._since(known) @ frame.map_from_camera)
                frame = replace(frame, map_from_camera=pose)
            kept = mapper.add_frame(frame)
            if kept:
                self._known[frame.stamp_ns] = max(known, len(self._jumps))
            return kept

    def apply(self, mapper: Mapper) -> int:
        """Move the keyframes to where they are by all corrections; say how many moved."""
        with self._lock:
            n = len(self._jumps)
            poses = {
                stamp: camera_pose(self._since(self._known[stamp]) @ pose)
                for stamp, pose in zip(*mapper.keyframe_poses(), strict=True)
                if self._known.get(stamp, n) < n
            }
            mapper.set_poses(poses)
            self._known = dict.fromkeys(self._known, n)
            return len(poses)

    def forget(self) -> None:
        """The keyframes are others now."""
        with self._lock:
            self._known.clear()

    def _since(self, known: int) -> Transform:
        """All corrections after the first ``known``, as one."""
        return reduce(lambda done, jump: jump @ done, self._jumps[known:], np.eye(4))

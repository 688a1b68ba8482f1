"""Poses over time, interpolated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

from om3d_core.data.poses import NS_PER_S, Transform
from om3d_core.errors import expect


class Trajectory:
    """Stamped poses, interpolated linearly in translation and along the shortest rotation.

    tolerance_ns: how far beyond the first and the last pose these still hold.
    gap_ns: the longest pause between two poses that is bridged.
    """

    def __init__(
        self,
        stamps_ns: npt.ArrayLike,
        transforms: npt.ArrayLike,
        tolerance_ns: int = 0,
        gap_ns: int = NS_PER_S,
    ) -> None:
        stamps = np.asarray(stamps_ns, np.int64)
        poses = np.asarray(transforms, np.float64)
        expect(len(stamps) > 0, "at least one pose", 0)
        expect(poses.shape == (len(stamps), 4, 4), "one (4, 4) pose a stamp", poses.shape)
        self._stamps, first = np.unique(stamps, return_index=True)
        self._poses = poses[first]
        self._tolerance_ns, self._gap_ns = tolerance_ns, gap_ns

    def at(self, stamp_ns: int) -> Transform | None:
        """The (4, 4) pose at a time, or None where no recorded pose is near enough."""
        after = int(np.searchsorted(self._stamps, stamp_ns))
        if after < len(self._stamps) and self._stamps[after] == stamp_ns:
            return np.array(self._poses[after])
        if after in {0, len(self._stamps)}:
            end = min(after, len(self._stamps) - 1)
            near = abs(int(self._stamps[end]) - stamp_ns) <= self._tolerance_ns
            return np.array(self._poses[end]) if near else None
        start, stop = int(self._stamps[after - 1]), int(self._stamps[after])
        if stop - start > self._gap_ns:
            return None
        share = (stamp_ns - start) / (stop - start)
        return _between(self._poses[after - 1], self._poses[after], share)


class RecordedMotion:
    """Stamped poses of a recording as they are read, all of which are known when one is asked for.
    """

    def __init__(self, tolerance_ns: int = 0, gap_ns: int = NS_PER_S):
        self._tolerance_ns, self._gap_ns = tolerance_ns, gap_ns
        self._stamps: list[int] = []
        self._poses: list[Transform] = []
        self._trajectory: Trajectory | None = None

    def add(self, stamp_ns: int, pose: Transform) -> None:
        """Take a pose (4, 4); of two with one stamp the first stays."""
        self._stamps.append(stamp_ns)
        self._poses.append(pose)
        self._trajectory = None

    def at(self, stamp_ns: int, settled: bool = True) -> Transform | None:
        """The pose at a time, or None where no recorded pose is near enough; all is settled."""
        if self._trajectory is None and self._stamps:
            self._trajectory = Trajectory(
                self._stamps, np.stack(self._poses), self._tolerance_ns, self._gap_ns
            )
        return None if self._trajectory is None else self._trajectory.at(stamp_ns)


def _between(first: Transform, second: Transform, share: float) -> Transform:
    rotations = Rotation.from_matrix(np.stack([first[:3, :3], second[:3, :3]]))
    pose = np.eye(4)
    pose[:3, :3] = Slerp([0.0, 1.0], rotations)(share).as_matrix()
    pose[:3, 3] = (1.0 - share) * first[:3, 3] + share * second[:3, 3]
    return pose

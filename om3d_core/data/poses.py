"""Poses over time: rigid transforms from quaternions, interpolation, and a tree of frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

from om3d_core.data.frame import check_rigid
from om3d_core.errors import InputError, expect

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
    """The unit quaternion x, y, z, w of a (4, 4) rigid transform."""
    return np.asarray(Rotation.from_matrix(transform[:3, :3]).as_quat(), np.float64)


def nearest_rigid(matrix: Transform) -> Transform:
    """A (4, 4) transform that is rigid but for rounding, made exactly so (SVD projection).

    Raises InputError where the matrix is not close to a rigid transform.
    """
    check_rigid(matrix)
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


def _between(first: Transform, second: Transform, share: float) -> Transform:
    rotations = Rotation.from_matrix(np.stack([first[:3, :3], second[:3, :3]]))
    pose = np.eye(4)
    pose[:3, :3] = Slerp([0.0, 1.0], rotations)(share).as_matrix()
    pose[:3, 3] = (1.0 - share) * first[:3, 3] + share * second[:3, 3]
    return pose


@dataclass
class TransformTree:
    """Named coordinate frames, each held by its parent at fixed or at stamped transforms.

    Frames are named without a leading slash. A fixed transform beats stamped ones.
    """

    tolerance_ns: int = 0
    gap_ns: int = NS_PER_S
    _parents: dict[str, str] = field(default_factory=dict)
    _fixed: dict[str, Transform] = field(default_factory=dict)
    _stamped: dict[str, list[tuple[int, Transform]]] = field(default_factory=dict)
    _trajectories: dict[str, Trajectory] = field(default_factory=dict)

    def add(
        self, parent: str, child: str, stamp_ns: int, parent_from_child: Transform, fixed: bool
    ) -> None:
        """Record where ``child`` is in ``parent``. A new parent replaces the former one."""
        parent, child = parent.lstrip("/"), child.lstrip("/")
        expect(bool(parent and child) and parent != child, "two frame names", (parent, child))
        if self._parents.get(child) != parent:
            self._parents[child] = parent
            self._stamped.pop(child, None)
            self._fixed.pop(child, None)
        if fixed:
            self._fixed[child] = parent_from_child
        else:
            self._stamped.setdefault(child, []).append((stamp_ns, parent_from_child))
            self._trajectories.pop(child, None)

    @property
    def frames(self) -> list[str]:
        """The names of all frames, sorted."""
        return sorted(set(self._parents) | set(self._parents.values()))

    def connected(self, target: str, source: str) -> bool:
        """Whether a chain of transforms leads from ``source`` to ``target``."""
        return not set(self._ancestors(target)).isdisjoint(self._ancestors(source))

    def lookup(self, target: str, source: str, stamp_ns: int) -> Transform | None:
        """The (4, 4) ``target_from_source`` at a time, or None where it is not known.

        Raises InputError if no chain of transforms connects the two.
        """
        if not self.connected(target, source):
            raise InputError(
                f"expected frames {target!r} and {source!r} to be connected, got frames "
                f"{', '.join(self.frames) or 'none'}"
            )
        targets, sources = self._ancestors(target), self._ancestors(source)
        common = next(name for name in sources if name in targets)
        common_from_source = self._climb(sources[: sources.index(common)], stamp_ns)
        common_from_target = self._climb(targets[: targets.index(common)], stamp_ns)
        if common_from_source is None or common_from_target is None:
            return None
        return inverse(common_from_target) @ common_from_source

    def _ancestors(self, name: str) -> list[str]:
        """``name``, its parent, and so on to the root; a cycle ends where it closes."""
        chain = [name.lstrip("/")]
        while (parent := self._parents.get(chain[-1])) is not None and parent not in chain:
            chain.append(parent)
        return chain

    def _climb(self, chain: list[str], stamp_ns: int) -> Transform | None:
        result = np.eye(4)
        for child in chain:
            step = self._parent_from(child, stamp_ns)
            if step is None:
                return None
            result = step @ result
        return result

    def _parent_from(self, child: str, stamp_ns: int) -> Transform | None:
        if child in self._fixed:
            return self._fixed[child]
        if child not in self._trajectories:
            stamps, poses = zip(*self._stamped[child], strict=True)
            self._trajectories[child] = Trajectory(stamps, poses, self.tolerance_ns, self.gap_ns)
        return self._trajectories[child].at(stamp_ns)

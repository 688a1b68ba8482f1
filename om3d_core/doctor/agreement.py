"""Whether frames agree: of the depth of one, the share that lies on the depth of its neighbors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame, Intrinsics

NEAR_M = 0.05
NEIGHBORS, MIN_PAIRS = 3, 3
MOST_COLUMNS, MOST_POINTS, MIN_POINTS, MIN_COMMON = 320, 1000, 50, 60
FAR_M, FAR_MEDIANS = 6.0, 1.5
STILL_RAD, STILL_MEDIANS = 0.05, 0.02
SAME_RAD, SAME_M = 1e-3, 1e-3
TYPICAL_DEPTH_M, DISTANCE_WEIGHT = 2.0, 0.3


@dataclass(frozen=True, eq=False)
class Look:
    """The geometry of a frame, thinned to at most :data:`MOST_COLUMNS` columns of pixels.

    depth: (h, w) float32 in meters, 0 where there is none. intrinsics: of its size.
    map_from_camera: (4, 4), optical axes.
    """

    depth: npt.NDArray[np.float32]
    intrinsics: Intrinsics
    map_from_camera: npt.NDArray[np.float64]

    @classmethod
    def of(cls, frame: Frame) -> Look:
        """Every n-th pixel of the frame."""
        k, n = frame.intrinsics, max(1, -(-frame.intrinsics.width // MOST_COLUMNS))
        depth = frame.depth[::n, ::n].copy()
        thin = Intrinsics(k.fx / n, k.fy / n, k.cx / n, k.cy / n, *depth.shape[::-1])
        return cls(depth, thin, frame.map_from_camera)

    def points(self, far_m: float) -> npt.NDArray[np.float64]:
        """(4, N) homogeneous points in the map of at most :data:`MOST_POINTS` pixels."""
        found = np.flatnonzero((self.depth > 0) & (self.depth < far_m))
        found = found[:: max(1, len(found) // MOST_POINTS)]
        v, u = np.divmod(found, self.depth.shape[1])
        z, k = self.depth.ravel()[found].astype(np.float64), self.intrinsics
        rays = np.stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z, np.ones(len(z))])
        return np.asarray(self.map_from_camera @ rays)

    def near(
        self, points: npt.NDArray[np.float64], near_m: float
    ) -> tuple[float, float] | None:
        """Of the points (4, N) of the map that fall on depth of this frame, the share within
        ``near_m`` of it, and the same of those that are not hidden behind it.

        None where fewer than :data:`MIN_COMMON` fall on its depth.
        """
        k, pose = self.intrinsics, self.map_from_camera
        x, y, z = pose[:3, :3].T @ (points[:3] - pose[:3, 3:])
        x, y, z = x[z > 0.05], y[z > 0.05], z[z > 0.05]
        u, v = np.rint(x / z * k.fx + k.cx), np.rint(y / z * k.fy + k.cy)
        inside = (u >= 0) & (v >= 0) & (u < k.width) & (v < k.height)
        seen = self.depth[v[inside].astype(int), u[inside].astype(int)]
        there = seen > 0
        if there.sum() < MIN_COMMON:
            return None
        behind = z[inside][there] - seen[there]
        near = int((np.abs(behind) < near_m).sum())
        return near / len(behind), near / max(1, int((behind < near_m).sum()))


@dataclass(frozen=True)
class Agreement:
    """share: the median over ``pairs`` pairs of neighbors; unhidden: the same of what the
    neighbor's surfaces do not hide, which is lower than half in no right recording. NaN where
    there are no pairs."""

    share: float
    unhidden: float
    pairs: int

    @property
    def judged(self) -> bool:
        """Whether there are pairs enough to tell."""
        return self.pairs >= MIN_PAIRS


NOT_JUDGED = Agreement(float("nan"), float("nan"), 0)


def median_depth_m(looks: Sequence[Look]) -> float:
    """The median of the depth there is, of every 16th pixel where that is enough; else NaN."""
    for step in (4, 1):
        depth = np.concatenate([look.depth[::step, ::step].ravel() for look in looks])
        if (depth > 0).any():
            return float(np.median(depth[depth > 0]))
    return float("nan")


def agreement(looks: Sequence[Look], near_m: float = NEAR_M) -> Agreement:
    """How well frames agree with the nearest by view, each with :data:`NEIGHBORS` of them.

    Healthy recordings have shares of 0.72 to 0.99, sparse ones 0.44 and more, as much of a frame
    is hidden in the next; wrong ones less than 0.5.

    Frames from almost the same place agree however poses and depth are misread, so they are no
    neighbors unless the camera never moves.
    """
    median_m = median_depth_m(looks) if looks else float("nan")
    if np.isnan(median_m):
        return NOT_JUDGED
    far_m = max(FAR_M, FAR_MEDIANS * median_m)
    points = [look.points(far_m) for look in looks]
    compared = [
        looks[j].near(points[i], near_m)
        for i, others in enumerate(_neighbors(looks, median_m))
        for j in others
        if points[i].shape[1] >= MIN_POINTS
    ]
    told = [shares for shares in compared if shares is not None]
    if not told:
        return NOT_JUDGED
    share, unhidden = np.median(np.array(told), axis=0).tolist()
    return Agreement(share, unhidden, len(told))


def unhidden_share(looks: Sequence[Look], points: npt.NDArray[np.float32]) -> float:
    """How well frames agree with points (N, 3) of a map of the same place: of those that a frame
    shows and does not hide, the share that lies on its depth; the median over the frames. NaN
    where fewer than :data:`MIN_PAIRS` show any.
    """
    homogeneous = np.vstack([points.T.astype(np.float64), np.ones(len(points))])
    compared = (look.near(homogeneous, NEAR_M) for look in looks)
    told = [shares[1] for shares in compared if shares is not None]
    return float(np.median(told)) if len(told) >= MIN_PAIRS else float("nan")


def motions(looks: Sequence[Look]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(N, N) distances in meters and (N, N) angles in rad between the cameras."""
    poses = np.stack([look.map_from_camera for look in looks])
    distance = np.linalg.norm(poses[:, None, :3, 3] - poses[None, :, :3, 3], axis=2)
    trace = np.einsum("iab,jab->ij", poses[:, :3, :3], poses[:, :3, :3])
    return distance, np.arccos(np.clip((trace - 1) / 2, -1, 1))


def is_static(looks: Sequence[Look]) -> bool:
    """Whether all poses are the same."""
    distance, angle = motions(looks)
    return float(distance.max()) < SAME_M and float(angle.max()) < SAME_RAD


def is_still(looks: Sequence[Look]) -> bool:
    """Whether the camera moves too little for frames to tell how they are meant."""
    return bool(_still(*motions(looks), median_depth_m(looks)).all())


def _still(
    distance: npt.NDArray[np.float64], angle: npt.NDArray[np.float64], median_m: float
) -> npt.NDArray[np.bool_]:
    return (angle < STILL_RAD) & (distance < STILL_MEDIANS * median_m)


def _neighbors(looks: Sequence[Look], median_m: float) -> list[list[int]]:
    distance, angle = motions(looks)
    still = _still(distance, angle, median_m)
    if still.all():
        still = np.eye(len(looks), dtype=bool)
    forward = np.stack([look.map_from_camera[:3, 2] for look in looks])
    weight = DISTANCE_WEIGHT * TYPICAL_DEPTH_M / median_m
    cost = np.where(still, np.inf, weight * distance - forward @ forward.T)
    order = np.argsort(cost, axis=1, kind="stable")[:, :NEIGHBORS]
    return [[int(j) for j in row if np.isfinite(cost[i, j])] for i, row in enumerate(order)]

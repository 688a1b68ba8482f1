"""Large planes of a surface, and the direction of up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.proposals.surface.samples import LOTS, Float, Int, Surface, lot

HYPOTHESES = 200
SUBSAMPLE = 6_000
WORKING_SET = 40_000
MAX_MISSES = 3
MAX_PLANES = 24
MIN_COS = float(np.cos(np.deg2rad(25.0)))


@dataclass(frozen=True, eq=False)
class Plane:
    """normal (3,) unit, on the seen side, with normal . x = offset_m; members (k,) samples."""

    normal: Float
    offset_m: float
    members: Int

    def height(self, points: Float) -> Float:
        """(n,) signed distance of the points, meters."""
        result: Float = points @ self.normal - self.offset_m
        return result


def find_planes(surface: Surface, tolerance_m: float, min_area_m2: float) -> list[Plane]:
    """Planes by falling number of members; a sample belongs to at most one.

    Each hypothesis is a sample with its normal (one-point RANSAC); the best is refined by least
    squares. Which samples are drawn depends on their places alone, so that a cloud that grows has
    the same planes where it did not change.
    """
    drawn = lot(surface)
    min_members = max(int(min_area_m2 / surface.voxel_m**2), 50)
    free = np.flatnonzero(np.linalg.norm(surface.normals, axis=1) > 0.5)
    planes: list[Plane] = []
    misses = 0
    while len(free) >= min_members and len(planes) < MAX_PLANES and misses < MAX_MISSES:
        work = _draw(free, drawn, WORKING_SET)
        normal, offset = _best_hypothesis(surface, work, tolerance_m, drawn)
        for scale in (2.0, 1.0, 1.0):
            near = work[_inliers(surface, work, normal, offset, scale * tolerance_m)]
            if len(near) < 10:
                break
            normal, offset = _fit(surface, near)
        chosen = _inliers(surface, free, normal, offset, tolerance_m)
        if int(chosen.sum()) < min_members:
            misses += 1
            continue
        planes.append(Plane(normal, offset, free[chosen]))
        free = free[~chosen]
    return sorted(planes, key=lambda plane: -len(plane.members))


def _best_hypothesis(
    surface: Surface, work: Int, tolerance_m: float, drawn: Int
) -> tuple[Float, float]:
    sample = _draw(work, drawn, SUBSAMPLE)
    seeds = _draw(sample, drawn, HYPOTHESES)
    candidates = surface.normals[seeds]
    offsets = np.einsum("ij,ij->i", candidates, surface.points[seeds])
    close = np.abs(surface.points[sample] @ candidates.T - offsets) < tolerance_m
    close &= np.abs(surface.normals[sample] @ candidates.T) > MIN_COS
    best = int(np.argmax(close.sum(axis=0)))
    return candidates[best], float(offsets[best])


def _draw(among: Int, drawn: Int, most: int) -> Int:
    """Half of ``most`` of the samples ``among``, up to ``most``: of all lots a power of two.

    So the same are drawn when there are a few more.
    """
    halvings = max(int(np.ceil(np.log2(max(len(among), 1) / most))), 0)
    chosen: Int = among[drawn[among] <= LOTS >> halvings]
    if len(chosen) > most:
        chosen = np.sort(chosen[np.argpartition(drawn[chosen], most)[:most]])
    return chosen


def _inliers(
    surface: Surface, among: Int, normal: Float, offset: float, tolerance_m: float
) -> npt.NDArray[np.bool_]:
    close = np.abs(surface.points[among] @ normal - offset) < tolerance_m
    facing = np.abs(surface.normals[among] @ normal) > MIN_COS
    result: npt.NDArray[np.bool_] = close & facing
    return result


def _fit(surface: Surface, members: Int) -> tuple[Float, float]:
    points = surface.points[members]
    center = points.mean(axis=0)
    offsets = points - center
    normal = np.linalg.eigh(offsets.T @ offsets)[1][:, 0]
    if float(surface.normals[members].sum(axis=0) @ normal) < 0:
        normal = -normal
    return normal, float(normal @ center)

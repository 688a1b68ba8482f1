"""The room: floor, walls and ceiling (structure), and the surfaces that carry things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from om3d_core.boxes import level_frame
from om3d_core.proposals.geometric.graph import Float, Int, Surface
from om3d_core.proposals.geometric.planes import Plane

LEVEL_COS = float(np.cos(np.deg2rad(15.0)))
UPRIGHT_COS = float(np.sin(np.deg2rad(12.0)))
CELL_M = 0.04
CLOSING_CELLS = 4
MIN_FLOOR_SIDE_M = 1.5
MIN_LONG_FLOOR_SIDE_M = 3.0
MIN_WALL_M2 = 0.5
MIN_WALL_HEIGHT_M = 1.0
MAX_PART_BEHIND = 0.06
BEHIND_M = 0.1
MIN_SUPPORT_M2 = 0.12
FLOOR_STEP_M = 0.05


@dataclass(frozen=True)
class Footprint:
    """The area covered by points as seen from above: a filled grid in a level frame."""

    level_from_map: Float
    origin: Float
    cells: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, points: Float, up: Float) -> Footprint:
        """The footprint of (n, 3) points, gaps and holes closed; n >= 1."""
        level_from_map = level_frame(up)[:, :2].T
        flat = points @ level_from_map.T
        margin = CLOSING_CELLS + 1
        origin = flat.min(axis=0) - margin * CELL_M
        index = np.floor((flat - origin) / CELL_M).astype(np.int64)
        cells = np.zeros(index.max(axis=0) + margin + 1, bool)
        cells[index[:, 0], index[:, 1]] = True
        cells = ndimage.binary_closing(cells, iterations=CLOSING_CELLS)
        return cls(level_from_map, origin, ndimage.binary_fill_holes(cells))

    def contains(self, points: Float) -> npt.NDArray[np.bool_]:
        """(n,) which of the points lie over, under or in the footprint."""
        index = np.floor((points @ self.level_from_map.T - self.origin) / CELL_M).astype(np.int64)
        inside = ((index >= 0) & (index < self.cells.shape)).all(axis=1)
        result = np.zeros(len(points), bool)
        result[inside] = self.cells[index[inside, 0], index[inside, 1]]
        return result


@dataclass(frozen=True)
class Support:
    """A connected level surface: its plane, its samples and its footprint."""

    plane: Plane
    members: Int
    footprint: Footprint


@dataclass(frozen=True)
class Layout:
    """up (3,); structure: samples of the floor, the ceiling and each wall; supports by falling
    size; plane_of (n,) number of the structure or support of each sample, -1 elsewhere."""

    up: Float
    structure: list[Int]
    supports: list[Support]
    floor: Plane | None
    plane_of: Int


def find_layout(surface: Surface, planes: Sequence[Plane], up: Float) -> Layout:
    """Sort planes into structure, supports and the rest."""
    heights = surface.points @ up
    structure: list[Int] = []
    supports: list[Support] = []
    level = [p for p in planes if float(p.normal @ up) > LEVEL_COS]
    floor, floor_members = _find_floor(surface, level, up, heights)
    if floor is not None:
        structure.append(floor_members)
    for plane in planes:
        if _is_ceiling(surface, plane, up) or _is_wall(surface, plane, up, heights):
            structure.append(plane.members)
    taken = np.zeros(len(surface), bool)
    for members in structure:
        taken[members] = True
    for plane in level:
        free = plane.members[~taken[plane.members]]
        for members in _islands(surface, free, up):
            if len(members) * surface.voxel_m**2 >= MIN_SUPPORT_M2:
                supports.append(
                    Support(plane, members, Footprint.of(surface.points[members], up))
                )
    supports.sort(key=lambda s: (-len(s.members), int(s.members[0])))
    plane_of = np.full(len(surface), -1, np.int64)
    for number, members in enumerate(structure + [s.members for s in supports]):
        plane_of[members] = number
    return Layout(up, structure, supports, floor, plane_of)


def _find_floor(
    surface: Surface, level: Sequence[Plane], up: Float, heights: Float
) -> tuple[Plane | None, Int]:
    """The lowest large level plane with next to nothing below it, and its samples."""
    for plane in sorted(level, key=lambda p: float(np.median(heights[p.members]))):
        base = float(np.median(heights[plane.members]))
        below = float((heights < base - BEHIND_M).mean())
        sides = np.sort(np.ptp(surface.points[plane.members] @ level_frame(up)[:, :2], axis=0))
        large = sides[0] >= MIN_FLOOR_SIDE_M or sides[1] >= MIN_LONG_FLOOR_SIDE_M
        if below <= MAX_PART_BEHIND and large:
            step = [
                p.members for p in level
                if abs(float(np.median(heights[p.members])) - base) < FLOOR_STEP_M
            ]
            return plane, np.unique(np.concatenate(step))
    return None, np.zeros(0, np.int64)


def _is_ceiling(surface: Surface, plane: Plane, up: Float) -> bool:
    if float(plane.normal @ up) > -LEVEL_COS:
        return False
    area = len(plane.members) * surface.voxel_m**2
    return area >= MIN_WALL_M2 and _part_behind(surface, plane) <= MAX_PART_BEHIND


def _is_wall(surface: Surface, plane: Plane, up: Float, heights: Float) -> bool:
    if abs(float(plane.normal @ up)) > UPRIGHT_COS:
        return False
    if len(plane.members) * surface.voxel_m**2 < MIN_WALL_M2:
        return False
    tall = float(np.ptp(heights[plane.members])) >= MIN_WALL_HEIGHT_M
    return tall and _part_behind(surface, plane) <= MAX_PART_BEHIND


def _part_behind(surface: Surface, plane: Plane) -> float:
    return float((plane.height(surface.points) < -BEHIND_M).mean())


def _islands(surface: Surface, members: Int, up: Float) -> list[Int]:
    """The members split where more than a few cells lie between them, seen from above."""
    if not len(members):
        return []
    flat = surface.points[members] @ level_frame(up)[:, :2]
    index = np.floor((flat - flat.min(axis=0)) / CELL_M).astype(np.int64)
    cells = np.zeros(index.max(axis=0) + 1, bool)
    cells[index[:, 0], index[:, 1]] = True
    labels, count = ndimage.label(ndimage.binary_dilation(cells), np.ones((3, 3), bool))
    island = labels[index[:, 0], index[:, 1]]
    return [members[island == i] for i in range(1, count + 1)]

"""The room: floor, walls and ceiling (structure), and the surfaces that carry things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from om3d_core.data.boxes import level_frame
from om3d_core.proposals.surface.planes import Plane
from om3d_core.proposals.surface.samples import Float, Int, Surface

LEVEL_COS = float(np.cos(np.deg2rad(15.0)))
UPRIGHT_COS = float(np.sin(np.deg2rad(12.0)))
CELL_M = 0.04
CLOSING_CELLS = 4
MAX_CELLS = 1 << 22
MIN_FLOOR_SIDE_M = 1.5
MIN_LONG_FLOOR_SIDE_M = 3.0
MIN_WALL_M2 = 0.25
MIN_WALL_LENGTH_M = 1.2
MIN_WALL_HEIGHT_M = 1.0
MAX_PART_BEHIND = 0.03
BEHIND_M = 0.1
MIN_SUPPORT_M2 = 0.12
SAME_COS = 0.97
SAME_OFFSET_M = 0.1
GROW_M = 0.025
GROW_COS = float(np.cos(np.deg2rad(40.0)))
TAKEN = -2


@dataclass(frozen=True, eq=False)
class Footprint:
    """The area covered by points as seen from above: a filled grid in a level frame.

    A cell is 4 cm wide, or as many times twice that as a grid of bounded memory takes.
    """

    level_from_map: Float
    origin: Float
    cells: npt.NDArray[np.bool_]
    cell_m: float = CELL_M

    @classmethod
    def of(cls, points: Float, up: Float) -> Footprint:
        """The footprint of (n, 3) points, gaps and holes closed; n >= 1."""
        level_from_map = level_frame(up)[:, :2].T
        flat = points @ level_from_map.T
        margin, cell_m = CLOSING_CELLS + 1, CELL_M
        sides = np.ptp(flat, axis=0)
        while np.prod(sides / cell_m + 2 * margin + 1) > MAX_CELLS:
            cell_m *= 2.0
        origin = (np.floor(flat.min(axis=0) / cell_m) - margin) * cell_m
        index = np.floor((flat - origin) / cell_m).astype(np.int64)
        cells = np.zeros(index.max(axis=0) + margin + 1, bool)
        cells[index[:, 0], index[:, 1]] = True
        cells = ndimage.binary_closing(cells, iterations=CLOSING_CELLS)
        return cls(level_from_map, origin, ndimage.binary_fill_holes(cells), cell_m)

    def grown(self, cells: int) -> Footprint:
        """The footprint widened by some cells."""
        wider = ndimage.binary_dilation(self.cells, iterations=cells)
        return Footprint(self.level_from_map, self.origin, wider, self.cell_m)

    def longest_side(self, points: Float) -> float:
        """The longer side of the level box around points, meters."""
        return float(np.ptp(points @ self.level_from_map.T, axis=0).max())

    def contains(self, points: Float) -> npt.NDArray[np.bool_]:
        """(n,) which of the points lie over, under or in the footprint."""
        flat = points @ self.level_from_map.T
        index = np.floor((flat - self.origin) / self.cell_m).astype(np.int64)
        inside = ((index >= 0) & (index < self.cells.shape)).all(axis=1)
        result = np.zeros(len(points), bool)
        result[inside] = self.cells[index[inside, 0], index[inside, 1]]
        return result


@dataclass(frozen=True, eq=False)
class Support:
    """A connected level surface: its plane, its samples and its footprint."""

    plane: Plane
    members: Int
    footprint: Footprint


@dataclass(frozen=True, eq=False)
class Layout:
    """up (3,); structure: planes of the floor, the ceiling and each wall; supports by falling
    height; plane_of (n,) number of the structure, or of the support after it, of each sample, -1
    elsewhere."""

    up: Float
    structure: list[list[Plane]]
    supports: list[Support]
    plane_of: Int


def find_layout(surface: Surface, planes: Sequence[Plane], up: Float) -> Layout:
    """Sort planes into structure, supports and the rest."""
    heights = surface.points @ up
    level = [p for p in planes if float(p.normal @ up) > LEVEL_COS]
    floor = _find_floor(surface, level, up, heights)
    built = [floor] if floor is not None else []
    for plane in planes:
        if _is_ceiling(surface, plane, up) or _is_wall(surface, plane, up, heights):
            built.append(plane)
    plane_of = np.full(len(surface), -1, np.int64)
    for plane in planes:
        plane_of[plane.members] = TAKEN
    groups = _coplanar(built)
    for number, group in enumerate(groups):
        for plane in group:
            plane_of[plane.members] = number
    for number, group in enumerate(groups):
        for plane in group:
            plane_of[(plane_of < 0) & _grown(surface, plane)] = number
    supports = []
    for plane in level:
        for members in _islands(surface, plane.members[plane_of[plane.members] < 0], up):
            if len(members) * surface.voxel_m**2 >= MIN_SUPPORT_M2:
                supports.append(Support(plane, members, Footprint.of(surface.points[members], up)))
    supports.sort(key=lambda s: (-float(np.median(heights[s.members])), int(s.members[0])))
    plane_of[plane_of == TAKEN] = -1
    for number, support in enumerate(supports):
        plane_of[support.members] = len(groups) + number
    return Layout(up, groups, supports, plane_of)


def _coplanar(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Group nearly coplanar planes, each with the first that it agrees with."""
    groups: list[list[Plane]] = []
    for plane in planes:
        for group in groups:
            first = group[0]
            if (
                float(first.normal @ plane.normal) > SAME_COS
                and abs(first.offset_m - plane.offset_m) < SAME_OFFSET_M
            ):
                group.append(plane)
                break
        else:
            groups.append([plane])
    return groups


def _grown(surface: Surface, plane: Plane) -> npt.NDArray[np.bool_]:
    """(n,) samples that are noise of a structural plane: close and parallel to it, or behind."""
    height = plane.height(surface.points)
    parallel = np.abs(surface.normals @ plane.normal) > GROW_COS
    result: npt.NDArray[np.bool_] = (height < 0.0) | ((height < GROW_M) & parallel)
    return result


def _find_floor(
    surface: Surface, level: Sequence[Plane], up: Float, heights: Float
) -> Plane | None:
    """The lowest large level plane with next to nothing below it."""
    axes = level_frame(up)[:, :2]
    for plane in sorted(level, key=lambda p: float(np.median(heights[p.members]))):
        base = float(np.median(heights[plane.members]))
        below = float((heights < base - BEHIND_M).mean())
        sides = np.sort(np.ptp(surface.points[plane.members] @ axes, axis=0))
        large = sides[0] >= MIN_FLOOR_SIDE_M or sides[1] >= MIN_LONG_FLOOR_SIDE_M
        if below <= MAX_PART_BEHIND and large:
            return plane
    return None


def _is_ceiling(surface: Surface, plane: Plane, up: Float) -> bool:
    if float(plane.normal @ up) > -LEVEL_COS:
        return False
    area = len(plane.members) * surface.voxel_m**2
    return area >= MIN_WALL_M2 and _part_behind(surface, plane) <= MAX_PART_BEHIND


def _is_wall(surface: Surface, plane: Plane, up: Float, heights: Float) -> bool:
    """Upright and large, with next to nothing behind it."""
    area = len(plane.members) * surface.voxel_m**2
    if abs(float(plane.normal @ up)) > UPRIGHT_COS or area < MIN_WALL_M2:
        return False
    height = float(np.ptp(heights[plane.members]))
    along = np.cross(plane.normal, up)
    length = float(np.ptp(surface.points[plane.members] @ along))
    large = height >= MIN_WALL_HEIGHT_M or length >= MIN_WALL_LENGTH_M
    return large and _part_behind(surface, plane) <= MAX_PART_BEHIND


def _part_behind(surface: Surface, plane: Plane) -> float:
    return float((plane.height(surface.points) < -BEHIND_M).mean())


def _islands(surface: Surface, members: Int, up: Float) -> list[Int]:
    """The members split where more than a few cells lie between them, seen from above."""
    if not len(members):
        return []
    flat = surface.points[members] @ level_frame(up)[:, :2]
    index = np.floor(flat / CELL_M).astype(np.int64)
    index += 1 - index.min(axis=0)
    width = int(index[:, 1].max()) + 3
    keys = index[:, 0] * width + index[:, 1]
    occupied = np.unique(keys)
    cells = np.unique(occupied[:, None] + np.array([0, -1, 1, -width, width]))
    links = []
    for step in (1, width - 1, width, width + 1):
        at = np.minimum(np.searchsorted(cells, cells + step), len(cells) - 1)
        links.append(np.stack([np.arange(len(cells)), at])[:, cells[at] == cells + step])
    a, b = np.concatenate(links, axis=1)
    graph = sparse.coo_matrix((np.ones(len(a), bool), (a, b)), (len(cells), len(cells)))
    island = connected_components(graph, directed=False)[1][np.searchsorted(cells, keys)]
    order = np.argsort(island, kind="stable")
    starts = np.flatnonzero(np.diff(island[order])) + 1
    return np.split(members[order], starts)

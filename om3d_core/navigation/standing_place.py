"""The place where a robot faces an instance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box
from om3d_core.errors import NoRoomError, OutsideGridError, UnreachableError, expect
from om3d_core.navigation.footprint import Footprint
from om3d_core.navigation.free_space import HALF_DIAGONAL, FreeSpace, distances_m
from om3d_core.navigation.occupancy import Mask, Window
from om3d_core.navigation.surroundings import Surroundings

BATCH = 256
DIGITS = 6
"""Lengths that differ by less than a micrometer are equal: rounding chooses no place."""


@dataclass(frozen=True)
class StandingPlace:
    """Where a robot faces an instance, in the map frame.

    position: x, y, z of its middle on the plane of the grid, meters. yaw_rad: about z, x axis of
    the robot to the middle of the box. distance_m: from the middle of the robot to the box in the
    plane. room_m: from there to the nearest obstacle, less half the diagonal of a cell, and at
    most robot_radius_m and max_stand_off_m. in_sight: nothing that is as tall stands in between.
    reachable: whether the robot was said to be somewhere and gets there from it.
    """

    position: tuple[float, float, float]
    yaw_rad: float
    distance_m: float
    room_m: float
    in_sight: bool
    reachable: bool


def place_to_stand(
    space: FreeSpace,
    box: Box,
    surroundings: Surroundings | None = None,
    robot_xy: npt.NDArray[np.float64] | None = None,
    stand_off_m: float | None = None,
) -> StandingPlace:
    """The best place from which a robot faces an upright ``box``.

    A place is the middle of a cell, nearest_m to max_stand_off_m from the footprint of the box,
    whose circle of robot_radius_m and clearance_m lies on free cells whole; surroundings: what
    else of the map stands there. With robot_xy (2,) it is one that the robot reaches. The best of
    these are, in this order, those from which the box is in sight; whose distance is, to a cell,
    nearest to stand_off_m (that of the settings unless given); that are nearest to the robot;
    that have most room; and the first of the grid.

    Raises :class:`OutsideGridError`, :class:`RobotBlockedError`, :class:`NoRoomError` and
    :class:`UnreachableError`, with numbers, and InputError for a stand-off out of range.
    """
    grid, s = space.grid, space.settings
    wanted = min(s.stand_off_m, s.max_stand_off_m) if stand_off_m is None else stand_off_m
    expect(0.0 <= wanted <= s.max_stand_off_m,
           f"stand_off_m of 0 to {s.max_stand_off_m:g} (goal.max_stand_off_m)", wanted)
    expect(bool(np.isfinite(box.corners).all()), "a finite box", box.center)
    expect(robot_xy is None or bool(np.isfinite(robot_xy).all()), "a finite place", robot_xy)
    footprint = Footprint.of(box, grid)
    window = Window.around(*footprint.bounds(s.max_stand_off_m), grid.resolution_m)
    window = window.clipped(grid.cells.shape)
    x, y = window.centers(grid.resolution_m)
    distance = footprint.distances_m(x, y)
    near = (distance >= s.nearest_m) & (distance <= s.max_stand_off_m)
    if not near.any():
        raise _none_near(space, box, footprint)

    reached = near if robot_xy is None else near & space.reached_from(robot_xy, window)
    around = _Around(space, window, footprint, surroundings)
    standing = near & (around.room_m >= s.nearest_m)
    if not standing.any():
        raise NoRoomError(_no_room(space, window, near, around.free))
    if robot_xy is not None and not (standing & reached).any():
        raise UnreachableError(
            f"expected a place that the robot reaches, got {int(standing.sum())} places at the"
            f" object, none connected with ({robot_xy[0]:.2f}, {robot_xy[1]:.2f})"
            f" for a passage of {2 * s.passage_m:.2f} m (goal.half_width_m)"
        )

    rows, columns = np.nonzero(standing & reached)
    place = np.stack([x[0, columns], y[rows, 0]], axis=1)
    away, room = distance[rows, columns], around.room_m[rows, columns]
    off = np.abs(away - max(wanted, s.nearest_m)) / grid.resolution_m
    steps = np.floor(np.round(off, DIGITS) + 0.5)
    drive = np.zeros(len(place))
    if robot_xy is not None:
        drive = np.round(np.linalg.norm(place - grid.to_plane(robot_xy), axis=1), DIGITS)
    order = np.lexsort((-room, drive, steps))
    best, in_sight = around.first_in_sight(place, order)

    position = grid.from_plane(place[best])
    toward = box.center[:2] - position
    return StandingPlace(
        (float(position[0]), float(position[1]), grid.origin_m[2]),
        math.atan2(toward[1], toward[0]),
        float(away[best]), float(room[best]), in_sight, robot_xy is not None,
    )


class _Around:
    """What stands around an instance, in a window of cells and as far beyond as a robot needs."""

    def __init__(
        self,
        space: FreeSpace,
        window: Window,
        footprint: Footprint,
        surroundings: Surroundings | None,
    ):
        grid, s = space.grid, space.settings
        self._resolution_m, self._footprint = grid.resolution_m, footprint
        beyond = math.ceil((s.robot_radius_m + s.max_stand_off_m) / grid.resolution_m) + 1
        self._wide = wide = window.grown(beyond).clipped(grid.cells.shape)
        free, hides = space.free[wide.slices], space.occupied[wide.slices]
        if surroundings is not None and s.robot_height_m:
            heights = surroundings.over(grid, wide)
            free = free & ~heights.stands(s.floor_m, s.robot_height_m)
            hides = heights.hides(hides, s, footprint.center_z_m)
        inner = (
            slice(window.row0 - wide.row0, window.row1 - wide.row0),
            slice(window.column0 - wide.column0, window.column1 - wide.column0),
        )
        self.free: Mask = free[inner]
        room = distances_m(free, grid.resolution_m)[inner].astype(np.float64)
        room -= HALF_DIAGONAL * grid.resolution_m
        self.room_m = np.round(np.minimum(room, s.robot_radius_m + s.max_stand_off_m), DIGITS)
        under = footprint.distances_m(*wide.centers(grid.resolution_m))
        self._hides: Mask = hides & (under > HALF_DIAGONAL * grid.resolution_m)

    def first_in_sight(
        self, places: npt.NDArray[np.float64], order: npt.NDArray[np.int64]
    ) -> tuple[int, bool]:
        """The first of ``places`` (n, 2) in this order with a free line to the box, and True; the
        first of all, and False, if there is none.
        """
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            seen = np.flatnonzero(self._in_sight(places[some]))
            if len(seen):
                return int(some[seen[0]]), True
        return int(order[0]), False

    def _in_sight(self, places: npt.NDArray[np.float64]) -> Mask:
        """Whether no cell on the line from each place to the nearest point of the box hides it."""
        ends = self._footprint.nearest(places)
        lengths = np.linalg.norm(ends - places, axis=1)
        steps = max(2, math.ceil(2 * float(lengths.max()) / self._resolution_m) + 1)
        part = np.linspace(0.0, 1.0, steps)[None, :, None]
        line = places[:, None] + part * (ends - places)[:, None]
        cells = np.floor(line / self._resolution_m).astype(np.int64)
        rows, columns = cells[..., 1] - self._wide.row0, cells[..., 0] - self._wide.column0
        height, width = self._hides.shape
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        hidden = self._hides[np.where(inside, rows, 0), np.where(inside, columns, 0)] & inside
        result: Mask = ~hidden.any(axis=1)
        return result


def _none_near(space: FreeSpace, box: Box, footprint: Footprint) -> Exception:
    """Why no cell is as near to the box as a place has to be."""
    s, grid = space.settings, space.grid
    if s.max_stand_off_m < s.nearest_m:
        return NoRoomError(
            f"expected goal.max_stand_off_m of at least {s.nearest_m:g}, goal.robot_radius_m and"
            f" goal.clearance_m, got {s.max_stand_off_m:g}"
        )
    at = f"({box.center[0]:.2f}, {box.center[1]:.2f})"
    said = f"cells of the grid {s.nearest_m:.2f} to {s.max_stand_off_m:.2f} m from the object"
    if grid.cell_of(footprint.center) is None:
        return OutsideGridError(f"expected {said}, got none: it is at {at}, outside of the grid")
    return NoRoomError(
        f"expected {said}, got none for its box of {footprint.size[0]:.2f} x"
        f" {footprint.size[1]:.2f} m at {at} and cells of {grid.resolution_m:g} m"
    )


def _no_room(space: FreeSpace, window: Window, near: Mask, free: Mask) -> str:
    """How many of the cells ``near`` fail at what; free: by the grid and the surroundings."""
    s, free_by_grid = space.settings, space.free[window.slices]
    occupied = near & space.occupied[window.slices]
    unknown = near & ~free_by_grid & ~occupied
    return (
        f"expected a place {s.nearest_m:.2f} to {s.max_stand_off_m:.2f} m from the object, got"
        f" none: of {near.sum()} cells {occupied.sum()} are occupied, {unknown.sum()} unknown,"
        f" {(near & free_by_grid & ~free).sum()} under things of the map (goal.floor_m,"
        f" goal.robot_height_m) and {(near & free).sum()} nearer than {s.nearest_m:.2f} m to an"
        " obstacle (goal.robot_radius_m, goal.clearance_m, goal.max_stand_off_m)"
    )

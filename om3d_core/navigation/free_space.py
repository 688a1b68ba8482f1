"""Where a robot has room by an occupancy grid, and what it reaches."""

from __future__ import annotations

import math
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from om3d_core.errors import OutsideGridError, RobotBlockedError
from om3d_core.navigation.occupancy import Mask, OccupancyGrid, Window
from om3d_core.navigation.settings import StandingSettings

HALF_DIAGONAL = math.sqrt(0.5)


class FreeSpace:
    """The free cells of a grid and, computed once, where the robot can drive.

    Like Nav2's planners it drives where the middle of its cell is ``passage_m`` from the middle
    of any cell that is not free, from each cell to its eight neighbors. Beyond the grid nothing
    is free.
    """

    def __init__(self, grid: OccupancyGrid, settings: StandingSettings):
        self.grid, self.settings = grid, settings
        self.occupied: Mask = grid.cells > settings.occupied_above
        self.unknown: Mask = grid.cells < 0
        self.free: Mask = ~self.occupied
        if not settings.unknown_is_free:
            self.free &= ~self.unknown

    def reached_from(self, xy: npt.NDArray[np.float64], window: Window) -> Mask:
        """The cells of ``window``, which is in the grid, that a robot at ``xy`` (2,) reaches.

        It begins at all places where it fits whose circle holds it, so that it may stand nearer
        to a wall than it could drive. Raises :class:`OutsideGridError` and
        :class:`RobotBlockedError`.
        """
        grid, reach_m = self.grid, self.settings.passage_m
        plane, at = grid.to_plane(xy), f"({xy[0]:.2f}, {xy[1]:.2f})"
        if grid.cell_of(plane) is None:
            raise OutsideGridError(f"expected the robot on the grid, got it at {at} outside")
        reach_m = max(reach_m, HALF_DIAGONAL * grid.resolution_m)
        near = Window.around(plane - reach_m, plane + reach_m, grid.resolution_m)
        near = near.clipped(grid.cells.shape)
        x, y = near.centers(grid.resolution_m)
        held = np.hypot(x - plane[0], y - plane[1]) <= reach_m
        regions = self._regions[near.slices][held]
        begun = np.unique(regions[regions > 0])
        if not len(begun):
            raise RobotBlockedError(
                f"expected the robot where it fits, got it at {at}: every place within"
                f" {reach_m:.2f} m of it is nearer than {self.settings.passage_m:.2f} m to a cell"
                " that is not free (goal.half_width_m, goal.robot_radius_m)"
            )
        return np.isin(self._regions[window.slices], begun)

    @cached_property
    def _regions(self) -> npt.NDArray[np.int32]:
        """(H, W) number of the connected part in which the robot drives, 0 where it does not."""
        room_m = distances_m(self.free, self.grid.resolution_m)
        passable = room_m >= self.settings.passage_m
        return np.asarray(cv2.connectedComponents(passable.view(np.uint8), connectivity=8)[1])


def distances_m(free: Mask, resolution_m: float) -> npt.NDArray[np.float32]:
    """(H, W) meters from the middle of each cell to that of the nearest one that is not free.

    Euclidean, exact; all around lie cells that are not free.
    """
    ringed = np.pad(free, 1).view(np.uint8)
    far = cv2.distanceTransform(ringed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    result: npt.NDArray[np.float32] = far[1:-1, 1:-1] * np.float32(resolution_m)
    return result

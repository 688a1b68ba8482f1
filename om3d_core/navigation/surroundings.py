"""What the map holds around an instance, by the cells of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.navigation.occupancy import Mask, OccupancyGrid, Window
from om3d_core.navigation.settings import StandingSettings

SIGHT_M = 0.1
"""How much height a line of sight takes at least; a cloud has gaps."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The points of a map, of which some are the instance's own.

    points: (P, 3) floating, meters in the map frame. own: indices of the instance's.
    """

    points: npt.NDArray[np.floating]
    own: npt.NDArray[np.integer]

    def over(self, grid: OccupancyGrid, window: Window) -> Heights:
        """The others over the cells of ``window``."""
        x, y = window.centers(grid.resolution_m)
        low = np.array([x[0, 0], y[0, 0]]) - 0.5 * grid.resolution_m
        size = np.array(window.shape[::-1]) * grid.resolution_m
        corners = grid.from_plane(low + size * [[0, 0], [0, 1], [1, 0], [1, 1]])
        inside = np.ones(len(self.points), np.bool_)
        inside[self.own] = False
        for axis in (0, 1):
            along = self.points[:, axis]
            inside &= (along >= corners[:, axis].min()) & (along <= corners[:, axis].max())
        points = self.points[inside]
        column, row = np.floor((grid.to_plane(points[:, :2]) - low) / grid.resolution_m).T
        height, width = window.shape
        kept = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        cells = (row[kept] * width + column[kept]).astype(np.int64)
        return Heights(window.shape, cells, points[kept, 2] - grid.origin_m[2])


@dataclass(frozen=True, eq=False)
class Heights:
    """Points over a window of cells.

    cells: (n,) the cell of each, counted row by row. heights_m: (n,) over the plane.
    """

    shape: tuple[int, int]
    cells: npt.NDArray[np.int64]
    heights_m: npt.NDArray[np.floating]

    def stands(self, above_m: float, up_to_m: float) -> Mask:
        """The cells (H, W) over which there is a point between two heights."""
        return self._hit((self.heights_m > above_m) & (self.heights_m <= up_to_m))

    def hides(self, occupied: Mask, settings: StandingSettings, object_z_m: float) -> Mask:
        """The cells behind which a camera at robot_height_m does not see the height object_z_m.

        These are the cells over which the map holds a point between the two heights, and the
        occupied ones over which it holds none at all.
        """
        low, high = sorted((object_z_m, settings.robot_height_m))
        tall = self.stands(max(low, settings.floor_m), max(high, low + SIGHT_M))
        return tall | (occupied & ~self._hit(np.ones(len(self.cells), np.bool_)))

    def _hit(self, chosen: Mask) -> Mask:
        hit = np.zeros(self.shape[0] * self.shape[1], np.bool_)
        hit[self.cells[chosen]] = True
        return hit.reshape(self.shape)

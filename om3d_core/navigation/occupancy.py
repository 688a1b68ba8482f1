"""An occupancy grid: which cells of the ground are free."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.errors import expect

Mask = npt.NDArray[np.bool_]
MAX_CELLS = 33_554_432
MAX_ORIGIN_M = 1_000_000
MIN_RESOLUTION_M, MAX_RESOLUTION_M = 0.005, 10.0


@dataclass(frozen=True, eq=False)
class OccupancyGrid:
    """Square cells on a level plane of the map.

    cells: (H, W) int8, negative where unknown, else 0 (free) to 100 (occupied); columns run along
    the x axis of the grid, rows along its y axis. origin_m: x, y, z of the outer corner of the
    first cell in the map frame. yaw_rad: from the map's x axis to that of the grid, about z.
    """

    cells: npt.NDArray[np.int8]
    resolution_m: float
    origin_m: tuple[float, float, float]
    yaw_rad: float

    def __post_init__(self) -> None:
        got = (self.cells.shape, self.cells.dtype)
        expect(self.cells.ndim == 2 and self.cells.dtype == np.int8, "cells (H, W) int8", got)
        expect(0 < self.cells.size <= MAX_CELLS, f"1 to {MAX_CELLS} cells", self.cells.size)
        expect(
            MIN_RESOLUTION_M <= self.resolution_m <= MAX_RESOLUTION_M,
            f"a resolution of {MIN_RESOLUTION_M} to {MAX_RESOLUTION_M} m a cell",
            self.resolution_m,
        )
        expect(
            all(abs(value) <= MAX_ORIGIN_M for value in self.origin_m),
            f"an origin within {MAX_ORIGIN_M} m", self.origin_m,
        )
        expect(math.isfinite(self.yaw_rad), "a finite yaw", self.yaw_rad)

    def to_plane(self, xy: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Points (..., 2) of the map frame along the axes of the grid, meters from its origin."""
        moved = np.asarray(xy, np.float64) - self.origin_m[:2]
        result: npt.NDArray[np.float64] = moved @ self._map_from_plane
        return result

    def from_plane(self, xy: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The inverse of :meth:`to_plane`."""
        turned = np.asarray(xy, np.float64) @ self._map_from_plane.T
        result: npt.NDArray[np.float64] = turned + self.origin_m[:2]
        return result

    def cell_of(self, plane: npt.NDArray[np.float64]) -> tuple[int, int] | None:
        """Row and column of the cell at a point (2,) of :meth:`to_plane`; None outside."""
        column, row = plane / self.resolution_m
        height, width = self.cells.shape
        if 0 <= row < height and 0 <= column < width:
            return int(row), int(column)
        return None

    @property
    def _map_from_plane(self) -> npt.NDArray[np.float64]:
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return np.array([[c, -s], [s, c]])


@dataclass(frozen=True)
class Window:
    """The cells of rows row0 to row1 and columns column0 to column1, ends excluded; they may lie
    outside of a grid.
    """

    row0: int
    row1: int
    column0: int
    column1: int

    @classmethod
    def around(
        cls,
        low: npt.NDArray[np.float64],
        high: npt.NDArray[np.float64],
        resolution_m: float,
    ) -> Window:
        """The cells that the rectangle from ``low`` to ``high`` (2,) of the plane touches."""
        (c0, r0), (c1, r1) = np.floor(low / resolution_m), np.floor(high / resolution_m)
        return cls(int(r0), int(r1) + 1, int(c0), int(c1) + 1)

    def clipped(self, shape: tuple[int, ...]) -> Window:
        """The part of it in a grid of ``shape``; may be empty."""
        height, width = shape
        return Window(
            min(max(self.row0, 0), height), min(max(self.row1, 0), height),
            min(max(self.column0, 0), width), min(max(self.column1, 0), width),
        )

    def grown(self, cells: int) -> Window:
        """It with ``cells`` more on every side."""
        return Window(
            self.row0 - cells, self.row1 + cells, self.column0 - cells, self.column1 + cells
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return max(self.row1 - self.row0, 0), max(self.column1 - self.column0, 0)

    @property
    def slices(self) -> tuple[slice, slice]:
        """To cut it out of a grid that holds it."""
        return slice(self.row0, self.row1), slice(self.column0, self.column1)

    def centers(
        self, resolution_m: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """x (1, W) and y (H, 1) of the middles of its cells in the plane, meters."""
        x = np.arange(self.column0, self.column1, dtype=np.float64) + 0.5
        y = np.arange(self.row0, self.row1, dtype=np.float64) + 0.5
        return x[None, :] * resolution_m, y[:, None] * resolution_m

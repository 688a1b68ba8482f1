"""The rectangle that an upright box covers of a grid's plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box
from om3d_core.navigation.occupancy import OccupancyGrid


@dataclass(frozen=True, eq=False)
class Footprint:
    """A rectangle in the plane of a grid.

    center: (2,) and center_z_m over the plane; size: (2,) meters along its own axes; angle_rad:
    of the first of them.
    """

    center: npt.NDArray[np.float64]
    center_z_m: float
    size: npt.NDArray[np.float64]
    angle_rad: float

    @classmethod
    def of(cls, box: Box, grid: OccupancyGrid) -> Footprint:
        """That of ``box``, whose up is taken for the z axis of the map frame."""
        along = box.map_from_box[:2, 0]
        return cls(
            grid.to_plane(box.center[:2]),
            float(box.center[2]) - grid.origin_m[2],
            box.size[:2],
            math.atan2(along[1], along[0]) - grid.yaw_rad,
        )

    def bounds(
        self, margin_m: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Lowest and highest x, y (2,) of all that is within ``margin_m`` of it."""
        half = np.abs(self._plane_from_box) @ (self.size / 2) + margin_m
        return self.center - half, self.center + half

    def distances_m(
        self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Meters from points, given by x and y that go together, to it; 0 inside."""
        (c, s), half = self._axis, self.size / 2
        dx, dy = x - self.center[0], y - self.center[1]
        along = np.maximum(np.abs(c * dx + s * dy) - half[0], 0.0)
        across = np.maximum(np.abs(c * dy - s * dx) - half[1], 0.0)
        result: npt.NDArray[np.float64] = np.sqrt(along * along + across * across)
        return result

    def nearest(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The point of it (n, 2) that is nearest to each of ``points`` (n, 2)."""
        local = (points - self.center) @ self._plane_from_box
        clipped = np.clip(local, -self.size / 2, self.size / 2)
        result: npt.NDArray[np.float64] = self.center + clipped @ self._plane_from_box.T
        return result

    @property
    def _axis(self) -> tuple[float, float]:
        return math.cos(self.angle_rad), math.sin(self.angle_rad)

    @property
    def _plane_from_box(self) -> npt.NDArray[np.float64]:
        c, s = self._axis
        return np.array([[c, -s], [s, c]])

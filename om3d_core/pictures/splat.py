"""A z-buffered renderer of oriented points: each is a disk in its tangent plane.

Source of the method: surface splatting (Zwicker et al. 2001) without blending; the nearest disk
owns a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Intrinsics, check_rigid
from om3d_core.errors import expect

NEAR_M = 0.05
MAX_RADIUS_PX = 24.0


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """A virtual camera: intrinsics, and map_from_camera (4, 4) in optical axes."""

    intrinsics: Intrinsics
    map_from_camera: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        check_rigid(self.map_from_camera)

    @property
    def position(self) -> npt.NDArray[np.float64]:
        """(3,) where the camera is, meters in the map frame."""
        return self.map_from_camera[:3, 3]

    def to_camera(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """(P, 3) map points in the camera frame, meters."""
        result: npt.NDArray[np.float64] = (
            points.astype(np.float64) - self.position
        ) @ self.map_from_camera[:3, :3]
        return result

    def to_pixels(self, camera_points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(P, 2) pixels of camera points with positive depth."""
        k = self.intrinsics
        scaled = camera_points[:, :2] / camera_points[:, 2:]
        return scaled * (k.fx, k.fy) + (k.cx, k.cy)

    def resized(self, width: int, height: int) -> Viewpoint:
        """The same view at another image size."""
        return Viewpoint(self.intrinsics.resized(width, height), self.map_from_camera)


@dataclass(frozen=True, eq=False)
class Raster:
    """What each pixel shows. index: (H, W) int32 point, -1 for none. depth: (H, W) float32 meters,
    infinity for none."""

    index: npt.NDArray[np.int32]
    depth: npt.NDArray[np.float32]


def rasterize(cloud: Cloud, view: Viewpoint, radius_m: float, *, cull: bool = False) -> Raster:
    """Draw disks of ``radius_m`` around the points; at equal depth the lower index wins.

    A disk is at least one pixel. Points without a normal face the camera. ``cull`` leaves out the
    points whose normal looks away, so that one sees into a room through its near walls.
    """
    expect(radius_m > 0, "a positive radius in meters", radius_m)
    k = view.intrinsics
    index = np.full((k.height, k.width), -1, np.int32)
    depth = np.full((k.height, k.width), np.inf, np.float32)
    points = view.to_camera(cloud.points).astype(np.float32)
    normals = (cloud.normals @ view.map_from_camera[:3, :3].astype(np.float32)).astype(np.float32)
    lens = np.array([k.fx, k.fy, k.cx, k.cy], np.float32)
    _draw(points, normals, lens, np.float32(radius_m), cull, index, depth)
    return Raster(index, depth)


@numba.njit(cache=True, nogil=True)
def _draw(points, normals, lens, radius, cull, index, depth):  # type: ignore[no-untyped-def]
    height, width = depth.shape
    fx, fy, cx, cy = lens
    for i in range(len(points)):
        x, y, z = points[i]
        if not z > NEAR_M:
            continue
        nx, ny, nz = normals[i]
        facing = nx * x + ny * y + nz * z
        if nx == 0 and ny == 0 and nz == 0:
            nx, ny, nz, facing = np.float32(0), np.float32(0), np.float32(-1), -z
        if cull and facing > 0:
            continue
        u, v = fx * x / z + cx, fy * y / z + cy
        reach_x = min(fx * radius / z, MAX_RADIUS_PX)
        reach_y = min(fy * radius / z, MAX_RADIUS_PX)
        middle_x, middle_y = int(np.floor(u + 0.5)), int(np.floor(v + 0.5))
        x1, x2 = min(int(np.ceil(u - reach_x)), middle_x), max(int(u + reach_x), middle_x)
        y1, y2 = min(int(np.ceil(v - reach_y)), middle_y), max(int(v + reach_y), middle_y)
        squared = radius * radius
        for row in range(max(y1, 0), min(y2, height - 1) + 1):
            ray_y = (np.float32(row) - cy) / fy
            for column in range(max(x1, 0), min(x2, width - 1) + 1):
                ray_x = (np.float32(column) - cx) / fx
                at = z
                if row != middle_y or column != middle_x:
                    toward = nx * ray_x + ny * ray_y + nz
                    dx, dy = ray_x * facing - x * toward, ray_y * facing - y * toward
                    dz = facing - z * toward
                    if dx * dx + dy * dy + dz * dz >= squared * toward * toward:
                        continue
                    at = facing / toward
                if at < depth[row, column]:
                    depth[row, column] = at
                    index[row, column] = i

"""Light on rasterized points, and smooth edges by rendering larger and shrinking."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.pictures.splat import Raster, Viewpoint, rasterize

SUPERSAMPLING = 2
AMBIENT = 0.5
LIGHT_IN_CAMERA = np.array([-0.35, -0.75, -0.56])
EDGE_STRENGTH = 2.5
EDGE_REACH_PX = 3
EDGE_FLOOR = 0.45
BACKGROUND_TOP = np.array([34.0, 40.0, 50.0])
BACKGROUND_BOTTOM = np.array([14.0, 17.0, 22.0])


@dataclass(frozen=True, eq=False)
class Rendering:
    """A picture rgb (H, W, 3) uint8, and the raster that it was shrunk from."""

    rgb: npt.NDArray[np.uint8]
    raster: Raster


def render(
    cloud: Cloud, colors: npt.NDArray[np.floating], view: Viewpoint, radius_m: float
) -> Rendering:
    """Draw the points in ``colors`` (P, 3) 0..255 under a lamp near the camera.

    Depth steps are darkened (eye-dome lighting, Boucheny 2009).
    """
    import cv2

    k = view.intrinsics
    large = view.resized(k.width * SUPERSAMPLING, k.height * SUPERSAMPLING)
    raster = rasterize(cloud, large, radius_m, cull=True)
    lamp = view.map_from_camera[:3, :3] @ (LIGHT_IN_CAMERA / np.linalg.norm(LIGHT_IN_CAMERA))
    facing = np.clip(cloud.normals @ lamp.astype(np.float32), 0, 1)
    facing[~cloud.normals.any(axis=1)] = 1
    lit = colors * (AMBIENT + (1 - AMBIENT) * facing)[:, None]
    lit = np.clip(lit, 0, 255).astype(np.uint8)
    image = background(large.intrinsics.width, large.intrinsics.height)
    log_depth = np.log2(raster.depth)
    _compose(raster.index, log_depth, lit, image)
    small = cv2.resize(image, (k.width, k.height), interpolation=cv2.INTER_AREA)
    return Rendering(np.asarray(small, np.uint8), raster)


def background(width: int, height: int) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8, a dark vertical gradient."""
    rise = np.linspace(0, 1, height)[:, None]
    rows = BACKGROUND_TOP * (1 - rise) + BACKGROUND_BOTTOM * rise
    return np.repeat(np.rint(rows).astype(np.uint8)[:, None], width, axis=1)


@numba.njit(cache=True, nogil=True)
def _compose(index, log_depth, colors, image):  # type: ignore[no-untyped-def]
    height, width = index.shape
    for row in range(height):
        for column in range(width):
            point = index[row, column]
            if point < 0:
                continue
            own, step, near = log_depth[row, column], 0.0, 0
            for turn in range(8):
                dy = (-1, -1, -1, 0, 0, 1, 1, 1)[turn] * EDGE_REACH_PX
                dx = (-1, 0, 1, -1, 1, -1, 0, 1)[turn] * EDGE_REACH_PX
                y, x = row + dy, column + dx
                if 0 <= y < height and 0 <= x < width and index[y, x] >= 0:
                    step += max(0.0, own - log_depth[y, x])
                    near += 1
            shade = max(EDGE_FLOOR, np.exp(-EDGE_STRENGTH * step)) if near else 1.0
            for channel in range(3):
                image[row, column, channel] = np.uint8(colors[point, channel] * shade)

"""Depth of one camera as another camera beside it sees it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Intrinsics
from om3d_core.data.poses import Transform
from om3d_core.formats.calibration import Calibration
from om3d_core.formats.image_files import resize_color

NEAREST_M = 1e-3
EDGE = 0.05
"""Neighbors whose depths differ by a larger share lie on different things."""


def register(
    rgb: npt.NDArray[np.uint8],
    color: Calibration,
    depth: npt.NDArray[np.float32],
    depth_camera: Calibration,
    color_from_depth: Transform,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], Intrinsics]:
    """Color (H, W, 3), and the depth (h, w) in meters of a camera of its own, as one pinhole
    camera in the place of color sees both, and the intrinsics of that.

    Its pixels are as far apart as the coarser of the two cameras'. color_from_depth: (4, 4).
    Raises :class:`InputError` unless color has the size of its calibration.
    """
    straight, k_depth = depth_camera.rectified_depth(depth)
    rgb = color.rectified_color(rgb)
    k = color.intrinsics
    scale = min(1.0, k_depth.fx / k.fx)
    k = k.resized(max(1, round(k.width * scale)), max(1, round(k.height * scale)))
    seen = reproject(straight, k_depth, color_from_depth, k)
    return resize_color(rgb, k.width, k.height), seen, k


def reproject(
    depth: npt.NDArray[np.float32], k_depth: Intrinsics, to_from_depth: Transform, k: Intrinsics
) -> npt.NDArray[np.float32]:
    """A depth image (h, w) as a camera of intrinsics ``k`` sees it, (k.height, k.width) float32.

    Of what falls on one pixel the nearest stays. A pixel that nothing fell on, or only what lies
    behind, between two opposite neighbors on one surface, is of that surface.
    """
    v, u = np.nonzero(depth > 0)
    z = depth[v, u].astype(np.float64)
    rays = np.stack([(u - k_depth.cx) / k_depth.fx, (v - k_depth.cy) / k_depth.fy], 1)
    points = np.column_stack([rays * z[:, None], z]) @ to_from_depth[:3, :3].T
    points += to_from_depth[:3, 3]
    points = points[points[:, 2] > NEAREST_M]
    x = np.rint(points[:, 0] / points[:, 2] * k.fx + k.cx)
    y = np.rint(points[:, 1] / points[:, 2] * k.fy + k.cy)
    inside = (x >= 0) & (x < k.width) & (y >= 0) & (y < k.height)
    cells = y[inside].astype(np.int64) * k.width + x[inside].astype(np.int64)
    nearest = np.full(k.height * k.width, np.inf, np.float32)
    np.minimum.at(nearest, cells, points[inside, 2].astype(np.float32))
    seen = nearest.reshape(k.height, k.width)
    for axis in (0, 1):
        _close_gaps(seen, axis)
    seen[np.isinf(seen)] = 0.0
    return seen


def _close_gaps(seen: npt.NDArray[np.float32], axis: int) -> None:
    """Give pixels between two neighbors along ``axis`` on one surface their mean, in place."""
    image = np.moveaxis(seen, axis, 0)
    before, at, after = image[:-2], image[1:-1], image[2:]
    with np.errstate(invalid="ignore"):
        mean = (before + after) / 2
        gap = (np.abs(before - after) < EDGE * mean) & (at > (1 + EDGE) * mean)
    at[gap] = mean[gap]

"""Which points of a cloud a depth image sees, and how much of each instance.

One pass over the points projects and depth-tests them; one pass over the masks' members counts
the distinct pixels of each instance and their box. Time is O(P + nnz) a frame and memory one
integer a point and one a pixel, whatever the number of instances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Intrinsics
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import expect
from om3d_core.settings import Settings, setting


@dataclass(frozen=True)
class VisibilitySettings(Settings):
    """When a point counts as seen. The defaults repair what OpenMask3D leaves open."""

    depth_tolerance_m: float = setting(
        0.05, "largest difference between measured depth and a point's depth (m)",
        low=0.0, high=1.0,
    )
    pixel: str = setting(
        "nearest", "the pixel of a point: the nearest, or truncated towards zero as in OpenMask3D,"
        " which is half a pixel off and takes in points up to a pixel outside the image",
        choices=("nearest", "truncated"),
    )
    require_front: bool = setting(
        True, "a point must lie before the camera; OpenMask3D accepts points behind it where"
        " depth is missing",
    )
    require_depth: bool = setting(
        True, "the pixel must have a depth; OpenMask3D takes missing depth for zero meters",
    )
    count: str = setting(
        "pixels", "how much of an instance a frame sees, by which views are ranked: distinct"
        " pixels as in the code of OpenMask3D, or points as in its paper",
        choices=("pixels", "points"),
    )
    double_precision: bool = setting(
        False, "project in double precision, as OpenMask3D does, at half the speed"
    )


@dataclass(frozen=True, eq=False)
class Observation:
    """What one frame sees of N instances.

    pixels: (N,) int32 distinct visible pixels, or visible points if those are counted. boxes:
    (N, 4) int32 x1, y1, x2, y2 (exclusive) around them, zeros where nothing is visible.
    """

    pixels: npt.NDArray[np.int32]
    boxes: npt.NDArray[np.int32]


def visible_pixels(
    points: npt.NDArray[np.floating],
    depth: npt.NDArray[np.float32],
    intrinsics: Intrinsics,
    map_from_camera: npt.NDArray[np.float64],
    settings: VisibilitySettings,
) -> npt.NDArray[np.int32]:
    """(P,) flat index ``y * W + x`` of the pixel that sees each point, -1 where none does.

    A point is seen when it lies before the camera, falls on a pixel of the image with valid
    depth, and that depth differs from its own by at most the tolerance; the settings can drop
    the first and the third condition (OpenMask3D, PointProjector).

    points: (P, 3) meters in the map frame. depth: (H, W) meters, 0 where there is none.
    """
    height, width = depth.shape
    expect(
        (height, width) == (intrinsics.height, intrinsics.width),
        f"depth of {intrinsics.width}x{intrinsics.height}",
        f"{width}x{height}",
    )
    kind: type[np.floating] = np.float64 if settings.double_precision else np.float32
    camera_from_map = np.linalg.inv(map_from_camera)
    pixel_from_map = (intrinsics.matrix @ camera_from_map[:3]).astype(kind)
    out = np.empty(len(points), np.int32)
    _project(
        points.astype(kind, copy=False),
        depth.astype(kind, copy=False),
        pixel_from_map,
        kind(settings.depth_tolerance_m),
        settings.pixel == "truncated",
        settings.require_front,
        settings.require_depth,
        out,
    )
    return out


def observe(
    pixels: npt.NDArray[np.int32],
    masks: InstanceMasks,
    width: int,
    height: int,
    count: str = "pixels",
) -> Observation:
    """Count and box the visible pixels of each mask, given :func:`visible_pixels`.

    count: ``pixels``, each once however many points fall on it, or ``points``.
    """
    n = len(masks)
    counts, boxes = np.zeros(n, np.int32), np.zeros((n, 4), np.int32)
    owner = np.full(width * height, -1, np.int32)
    _count(pixels, masks.indptr, masks.indices, width, count == "pixels", owner, counts, boxes)
    return Observation(counts, boxes)


@numba.njit(cache=True, nogil=True)
def _project(  # type: ignore[no-untyped-def]
    points, depth, pixel_from_map, tolerance, truncate, require_front, require_depth, out
):
    height, width = depth.shape
    m = pixel_from_map
    zero, half = m.dtype.type(0.0), m.dtype.type(0.5)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        out[i] = -1
        w = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
        if require_front and not w > zero:
            continue
        u, v = zero, zero
        if w != zero:
            u = (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) / w
            v = (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) / w
        if truncate:
            inside = u > -1 and v > -1 and u < width and v < height
        else:
            u, v = u + half, v + half
            inside = u >= 0 and v >= 0 and u < width and v < height
        if not inside:
            continue
        column, row = np.int32(u), np.int32(v)
        measured = depth[row, column]
        if require_depth and not measured > zero:
            continue
        if abs(measured - w) <= tolerance:
            out[i] = row * width + column


@numba.njit(cache=True, nogil=True)
def _count(  # type: ignore[no-untyped-def]
    pixels, indptr, indices, width, distinct, owner, counts, boxes
):
    for i in range(len(counts)):
        count = 0
        x1, y1, x2, y2 = 1 << 30, 1 << 30, -1, -1
        for j in range(indptr[i], indptr[i + 1]):
            pixel = pixels[indices[j]]
            if pixel < 0 or (distinct and owner[pixel] == i):
                continue
            owner[pixel] = i
            count += 1
            row = pixel // width
            column = pixel - row * width
            x1, x2 = min(x1, column), max(x2, column)
            y1, y2 = min(y1, row), max(y2, row)
        counts[i] = count
        if count:
            boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3] = x1, y1, x2 + 1, y2 + 1

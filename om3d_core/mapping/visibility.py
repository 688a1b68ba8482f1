"""Which points of a cloud a depth image sees, and how much of each instance.

One pass over the points projects and depth-tests them; one pass over the masks' members counts
the distinct pixels of each instance and their box. Time is O(P + nnz) a frame and memory one
integer a point and one a pixel, whatever the number of instances.
"""

from __future__ import annotations

from dataclasses import dataclass

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

    def of(self, rows: npt.NDArray[np.int64]) -> Observation:
        """What it sees of some of the instances."""
        return Observation(self.pixels[rows], self.boxes[rows])


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
    from om3d_core.mapping.visibility_kernels import project

    height, width = depth.shape
    expect(
        (height, width) == (intrinsics.height, intrinsics.width),
        f"depth of {intrinsics.width}x{intrinsics.height}",
        f"{width}x{height}",
    )
    kind: type[np.floating] = np.float64 if settings.double_precision else np.float32
    camera_from_map = np.linalg.inv(map_from_camera)
    pixel_from_map = (intrinsics.matrix @ camera_from_map[:3]).astype(kind)
    truncated = settings.pixel == "truncated"
    any_depth, zero = kind(-np.inf), kind(0.0)
    out = np.empty(len(points), np.int32)
    project(
        np.ascontiguousarray(points, kind).reshape(-1),
        np.ascontiguousarray(depth, kind),
        pixel_from_map,
        kind(settings.depth_tolerance_m),
        np.nextafter(kind(-1.0), zero) if truncated else zero,
        zero if truncated else kind(0.5),
        zero if settings.require_front else any_depth,
        zero if settings.require_depth else any_depth,
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
    from om3d_core.mapping.visibility_kernels import count as count_pixels

    n = len(masks)
    counts, boxes = np.zeros(n, np.int32), np.zeros((n, 4), np.int32)
    owner = np.full(width * height, -1, np.int32)
    count_pixels(
        pixels, masks.indptr, masks.indices, width, count == "pixels", owner, counts, boxes
    )
    return Observation(counts, boxes)

"""Points on what frames see, and blobs of them: clouds and masks of any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Frame
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import expect

MAX_DEPTH_M = 4.0


def surface_points(
    frames: Sequence[Frame], n: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """(n, 3) meters in the map frame: random pixels with depth, as many of each frame.

    They come in the order of fused clouds: by x, then y, then z.
    """
    seen = [(f, np.flatnonzero((f.depth > 0) & (f.depth <= MAX_DEPTH_M))) for f in frames]
    seen = [(frame, pixels) for frame, pixels in seen if len(pixels)]
    expect(bool(seen), "a frame with depth", "none")
    shares = np.diff(np.linspace(0, n, len(seen) + 1).round().astype(int))
    parts = [_lifted(f, rng.choice(p, share)) for (f, p), share in zip(seen, shares, strict=True)]
    points = np.concatenate(parts).astype(np.float32)
    return points[np.lexsort(points.T[::-1])]


def blobs(
    points: npt.NDArray[np.float32], n: int, rng: np.random.Generator
) -> InstanceMasks:
    """``n`` masks that part the points: those nearest to each of ``n`` random ones."""
    from scipy.spatial import cKDTree

    centers = points[rng.choice(len(points), n, replace=False)]
    owner = cKDTree(centers).query(points)[1]
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(1, n))
    return InstanceMasks.from_lists(np.split(order, starts), len(points))


def _lifted(frame: Frame, pixels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The points (n, 3) of flat pixels, meters in the map frame."""
    k = frame.intrinsics
    v, u = np.divmod(pixels, k.width)
    z = frame.depth[v, u].astype(np.float64)
    camera = np.stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z], axis=1)
    rotation, translation = frame.map_from_camera[:3, :3], frame.map_from_camera[:3, 3]
    result: npt.NDArray[np.float64] = camera @ rotation.T + translation
    return result

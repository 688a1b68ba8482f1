"""What is compared with, plainly in NumPy: the published way from points to chosen views.

Source: OpenMask3D (Takmaz et al. 2023) and OpenMask3D++. Every point is projected in float64,
the pixels of each mask are marked in a boolean array (frames, masks, height, width), marks are
counted, and the frames with most marks are the views. Only sorting is stable here, so that equal
counts have one order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def project(points: Doubles, pixel_from_map: Doubles) -> tuple[Doubles, Doubles]:
    """(P, 2) real pixels u, v and (P,) depths of points (P, 3); pixel_from_map: (3, 4).

    Points of depth 0 stay at pixel 0, 0. One thread: those of a matrix product wait for each
    other on a busy machine.
    """
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    x = np.einsum("pj,ij->pi", homogeneous, pixel_from_map)
    uv = np.zeros((len(points), 2))
    away = x[:, 2] != 0
    uv[away] = x[away, :2] / x[away, 2:]
    return uv, x[:, 2]


def visible_points(
    points: Doubles, depth: Doubles, pixel_from_map: Doubles, tolerance_m: float
) -> tuple[Ints, Flags]:
    """(P, 2) pixels u, v, truncated towards zero, and (P,) whether the frame sees the point.

    depth: (H, W) meters. It is seen where the pixel lies in the image and its depth, missing ones
    read as 0, is within the tolerance of the point's. What is behind the camera is not left out.
    """
    height, width = depth.shape
    uv, z = project(points, pixel_from_map)
    pixels = uv.astype(np.int64)
    u, v = pixels.T
    inside = (u >= 0) & (v >= 0) & (u < width) & (v < height)
    seen = np.zeros(len(points), bool)
    seen[inside] = np.abs(depth[v[inside], u[inside]] - z[inside]) <= tolerance_m
    return pixels, seen


def mark_frame(
    points: Doubles,
    depth: Doubles,
    pixel_from_map: Doubles,
    tolerance_m: float,
    masks: Flags,
    into: Flags,
) -> None:
    """Mark what a frame sees of each mask; masks: (P, M); into: (M, H, W), one frame's pixels."""
    pixels, seen = visible_points(points, depth, pixel_from_map, tolerance_m)
    for mask in range(masks.shape[1]):
        u, v = pixels[masks[:, mask] & seen].T
        into[mask, v, u] = True


def count_marks(marked: Flags) -> Ints:
    """(F, M) marked pixels of (F, M, H, W)."""
    counts: Ints = marked.sum(axis=(2, 3), dtype=np.int64)
    return counts


def most_visible(counts: Ints, k: int) -> Ints:
    """(k, M) frames with most pixels of each mask, of counts (F, M)."""
    return np.argsort(-counts, axis=0, kind="stable")[:k]


def most_diverse(counts: Ints, rotations: Doubles, k: int, preselection: int) -> Ints:
    """(k, M) frames whose rotations lie far apart, out of the ``preselection`` most visible.

    rotations: (F, 3, 3). Greedy; where all are near, a frame is taken again (OpenMask3D++).
    """
    n = len(rotations)
    angles = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            trace = np.trace(rotations[i].T @ rotations[j])
            angles[i, j] = np.arccos(np.clip((trace - 1) / 2, -1.0, 1.0))
    candidates = most_visible(counts, preselection)
    chosen = np.zeros((k, counts.shape[1]), np.int64)
    for mask in range(counts.shape[1]):
        own = candidates[:, mask]
        picked = [0]
        while len(picked) < k:
            nearest = np.min([angles[own[p], own] for p in picked], axis=0)
            picked.append(int(np.argmax(nearest)))
        chosen[:, mask] = own[picked]
    return chosen


def count_and_box(
    points: Doubles,
    depth: Doubles,
    pixel_from_map: Doubles,
    tolerance_m: float,
    members: Sequence[npt.NDArray[np.integer]],
) -> tuple[Ints, Ints]:
    """Distinct visible pixels (N,) and their boxes (N, 4) of N instances, by om3d's own rules.

    The point's pixel is the nearest, it has a depth, and the point lies before the camera.
    members: the points of each instance.
    """
    height, width = depth.shape
    uv, z = project(points, pixel_from_map)
    u, v = np.floor(uv + 0.5).astype(np.int64).T
    inside = (z > 0) & (u >= 0) & (v >= 0) & (u < width) & (v < height)
    flat = np.full(len(points), -1)
    at = depth[v[inside], u[inside]]
    seen = (at > 0) & (np.abs(at - z[inside]) <= tolerance_m)
    flat[inside] = np.where(seen, v[inside] * width + u[inside], -1)
    counts, boxes = np.zeros(len(members), np.int64), np.zeros((len(members), 4), np.int64)
    for i, own in enumerate(members):
        pixels = flat[own]
        pixels = np.unique(pixels[pixels >= 0])
        if len(pixels):
            rows, columns = pixels // width, pixels % width
            counts[i] = len(pixels)
            boxes[i] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return counts, boxes

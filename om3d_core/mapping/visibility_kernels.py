"""The loops of :mod:`om3d_core.mapping.visibility`, compiled; numba takes a second to import."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def project(  # type: ignore[no-untyped-def]
    points, depth, pixel_from_map, tolerance, truncate, require_front, require_depth, out
):
    """Flat index of the pixel that sees each point, -1 where none does, into ``out`` (P,)."""
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
def count(  # type: ignore[no-untyped-def]
    pixels, indptr, indices, width, distinct, owner, counts, boxes
):
    """Visible pixels (distinct, or one a point) of each mask into ``counts``, and their boxes.

    owner: (H W,) scratch, -1 at first.
    """
    for i in range(len(counts)):
        found = 0
        x1, y1, x2, y2 = 1 << 30, 1 << 30, -1, -1
        for j in range(indptr[i], indptr[i + 1]):
            pixel = pixels[indices[j]]
            if pixel < 0 or (distinct and owner[pixel] == i):
                continue
            owner[pixel] = i
            found += 1
            row = pixel // width
            column = pixel - row * width
            x1, x2 = min(x1, column), max(x2, column)
            y1, y2 = min(y1, row), max(y2, row)
        counts[i] = found
        if found:
            boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3] = x1, y1, x2 + 1, y2 + 1

"""The loops of :mod:`om3d_core.mapping.visibility`, compiled; numba takes a second to import."""

from __future__ import annotations

import numba
import numpy as np

CHUNK, FAR, NONE = 1024, np.int32(1 << 30), np.int32(-1)


@numba.njit(cache=True, nogil=True)
def project(  # type: ignore[no-untyped-def]
    points, depth, pixel_from_map, tolerance, low, shift, front, least, out
):
    """Flat index of the pixel that sees each point, -1 where none does, into ``out`` (P,).

    A point is seen by the pixel of its u, v + shift, truncated, if these are at least ``low``, its
    own depth is more than ``front``, and the measured one more than ``least``. points: (3 P,)
    x, y, z. The loops have no branches and do one thing each, so that they are vectorized.
    """
    depths = np.empty(CHUNK, pixel_from_map.dtype)
    measured = np.empty(CHUNK, depth.dtype)
    for start in range(0, len(out), CHUNK):
        part = points[3 * start : 3 * (start + CHUNK)]
        pixels = out[start : start + CHUNK]
        _aim(part, depth.shape, pixel_from_map, low, shift, front, pixels, depths)
        _gather(depth.reshape(-1), pixels, measured)
        _compare(measured, depths, tolerance, least, pixels)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _aim(  # type: ignore[no-untyped-def]
    points, shape, pixel_from_map, low, shift, front, pixels, depths
):
    """The pixel of each point and its depth."""
    m = pixel_from_map
    ux, uy, uz, u0 = m[0, 0], m[0, 1], m[0, 2], m[0, 3]
    vx, vy, vz, v0 = m[1, 0], m[1, 1], m[1, 2], m[1, 3]
    wx, wy, wz, w0 = m[2, 0], m[2, 1], m[2, 2], m[2, 3]
    zero, height, width = m.dtype.type(0.0), m.dtype.type(shape[0]), m.dtype.type(shape[1])
    columns = np.int32(shape[1])
    for i in range(len(pixels)):
        x, y, z = points[3 * i], points[3 * i + 1], points[3 * i + 2]
        w = wx * x + wy * y + wz * z + w0
        u = (ux * x + uy * y + uz * z + u0) / w
        v = (vx * x + vy * y + vz * z + v0) / w
        u = (u if w != zero else zero) + shift
        v = (v if w != zero else zero) + shift
        inside = (u >= low) & (v >= low) & (u < width) & (v < height) & (w > front)
        u, v = (u if inside else zero), (v if inside else zero)
        pixels[i] = np.int32(v) * columns + np.int32(u) if inside else NONE
        depths[i] = w


@numba.njit(cache=True, nogil=True)
def _gather(values, at, out):  # type: ignore[no-untyped-def]
    """The value at each index, the first at -1; unsigned, so that none counts from the end."""
    for i in range(len(at)):
        out[i] = values[np.uint32(max(at[i], np.int32(0)))]


@numba.njit(cache=True, nogil=True)
def _compare(measured, depths, tolerance, least, pixels):  # type: ignore[no-untyped-def]
    """Set to -1 the pixels whose measured depth is not that of their point."""
    for i in range(len(pixels)):
        seen = (abs(measured[i] - depths[i]) <= tolerance) & (measured[i] > least)
        pixels[i] = pixels[i] if seen else NONE


@numba.njit(cache=True, nogil=True)
def count(  # type: ignore[no-untyped-def]
    pixels, indptr, indices, width, distinct, owner, counts, boxes
):
    """Visible pixels (distinct, or one a point) of each mask into ``counts``, and their boxes.

    owner: (H W,) scratch, -1 at first.
    """
    part = np.empty(CHUNK, np.int32)
    for mask in range(len(counts)):
        found, box = 0, (FAR, FAR, NONE, NONE)
        for start in range(indptr[mask], indptr[mask + 1], CHUNK):
            members = indices[start : min(start + CHUNK, indptr[mask + 1])]
            seen = part[: len(members)]
            _gather(pixels, members, seen)
            box = _widened(box, seen, width)
            found += _claim(seen, mask, owner, distinct)
        counts[mask] = found
        if found:
            x1, y1, x2, y2 = box
            boxes[mask, 0], boxes[mask, 1] = x1, y1
            boxes[mask, 2], boxes[mask, 3] = x2 + 1, y2 + 1


@numba.njit(cache=True, nogil=True)
def _widened(box, pixels, width):  # type: ignore[no-untyped-def]
    """A box of x1, y1, x2, y2 (inclusive) extended by pixels."""
    x1, y1, x2, y2 = box
    a_row, columns = 1.0 / width, np.int32(width)
    for i in range(len(pixels)):
        seen = pixels[i] >= 0
        row = np.int32((pixels[i] + 0.5) * a_row)
        column = np.int32(pixels[i] - row * columns)
        x1, y1 = min(x1, column if seen else FAR), min(y1, row if seen else FAR)
        x2, y2 = max(x2, column if seen else NONE), max(y2, row if seen else NONE)
    return x1, y1, x2, y2


@numba.njit(cache=True, nogil=True)
def _claim(pixels, mask, owner, distinct):  # type: ignore[no-untyped-def]
    """How many of the pixels, if ``distinct`` of those that the mask does not own; it does then.
    """
    new = 0
    for i in range(len(pixels)):
        pixel = np.uint32(max(pixels[i], np.int32(0)))
        seen, before = pixels[i] >= 0, owner[pixel]
        new += seen & ((before != mask) | (not distinct))
        owner[pixel] = mask if seen else before
    return new

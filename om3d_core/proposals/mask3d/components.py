"""The connected parts of a set of points: what DBSCAN with one minimum sample finds."""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from om3d_core.errors import expect

MAX_CELLS = 2**62


def connected_components(
    points: npt.NDArray[np.floating], reach_m: float
) -> npt.NDArray[np.int64]:
    """(N,) component of each of (N, 3) points, numbered by their first point.

    Two points are connected if a chain of steps of at most ``reach_m`` leads from one to the
    other; this equals DBSCAN (Ester et al. 1996) with ``min_samples`` 1. Points of one grid cell
    of side reach / sqrt(3) are connected, so only pairs of nearby cells are compared, and only
    while they are in different components.
    """
    expect(points.ndim == 2 and points.shape[1] == 3, "points of shape (N, 3)", points.shape)
    expect(reach_m > 0, "a positive reach", reach_m)
    if not len(points):
        return np.zeros(0, np.int64)
    xyz = np.ascontiguousarray(points, dtype=np.float64)
    # Slightly smaller cells, so that rounding cannot join two points that are too far apart.
    side = reach_m / math.sqrt(3.0) * (1.0 - 1e-9)
    cells = np.floor((xyz - xyz.min(axis=0)) / side)
    extent = cells.max(axis=0) + 1
    expect(bool(np.prod(extent) < MAX_CELLS), "finite points of a smaller extent", extent * side)
    keys = np.ravel_multi_index(tuple(cells.astype(np.int64).T), tuple(extent.astype(np.int64)))
    _, representative, cell_of_point = np.unique(keys, return_index=True, return_inverse=True)
    unique = cells[representative].astype(np.int64)
    order = np.argsort(cell_of_point, kind="stable")
    bounds = np.searchsorted(cell_of_point[order], np.arange(len(unique) + 1))
    parents = np.arange(len(unique))
    _join_cells(xyz[order], unique, bounds, reach_m * reach_m, parents)
    _, first, label = np.unique(
        parents[cell_of_point], return_index=True, return_inverse=True
    )
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[label.reshape(-1)]


@numba.njit(cache=True, nogil=True)
def _root(parents, i):  # type: ignore[no-untyped-def]
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@numba.njit(cache=True, nogil=True)
def _join_cells(points, cells, bounds, limit, parents):  # type: ignore[no-untyped-def]
    """cells: sorted by x, y, z; points: grouped by cell. Points at most two cells apart meet."""
    n = cells.shape[0]
    for distance in range(1, 3):
        for a in range(n):
            for b in range(a + 1, n):
                if cells[b, 0] - cells[a, 0] > 2:
                    break
                gap = max(
                    cells[b, 0] - cells[a, 0],
                    abs(cells[b, 1] - cells[a, 1]),
                    abs(cells[b, 2] - cells[a, 2]),
                )
                if gap != distance:
                    continue
                root_a, root_b = _root(parents, a), _root(parents, b)
                if root_a != root_b and _touch(points, bounds, a, b, limit):
                    parents[max(root_a, root_b)] = min(root_a, root_b)
    for a in range(n):
        parents[a] = _root(parents, a)


@numba.njit(cache=True, nogil=True)
def _touch(points, bounds, a, b, limit):  # type: ignore[no-untyped-def]
    for i in range(bounds[a], bounds[a + 1]):
        for j in range(bounds[b], bounds[b + 1]):
            dx = points[i, 0] - points[j, 0]
            dy = points[i, 1] - points[j, 1]
            dz = points[i, 2] - points[j, 2]
            if dx * dx + dy * dy + dz * dz <= limit:
                return True
    return False

"""The resampled cloud, its neighbor graph and its fine segments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from om3d_core.data.cloud import Cloud, grid_keys
from om3d_core.data.masks import ascending

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

NORMAL_NEIGHBORS = 20
EDGE_NEIGHBORS = 9
REACH_VOXELS = 2.6
MAP_FROM_GRID = Rotation.from_rotvec((0.5, 0.7, 0.3)).as_matrix()
VOXEL_PER_DISTANCE = 1.25
LOTS = (1 << 63) - 1
STEPS_AN_OCTAVE = 4


@dataclass(frozen=True, eq=False)
class Surface:
    """A cloud resampled on a voxel grid, with smoothed oriented normals and its neighbor graph.

    points (n, 3) m, normals (n, 3) unit or zero, colors (n, 3) 0..1. voxel_of_point (P,) maps the
    cloud's points to the samples. neighbors (n, k) sample indices by distance, n where there are
    fewer. edges (m, 2) with edges[:, 0] < edges[:, 1], sorted.
    """

    points: Float
    normals: Float
    colors: Float
    voxel_of_point: Int
    neighbors: Int
    edges: Int
    voxel_m: float

    def __len__(self) -> int:
        return len(self.points)


def resample(cloud: Cloud, voxel_m: float) -> Surface:
    """Average the cloud within voxels, smooth the normals and link the neighbors.

    The grid lies fixed in the map, so that what did not change keeps its samples, and aslant:
    fused points lie on the planes of another grid, which would beat with this one.
    """
    points64 = cloud.points.astype(np.float64)
    keys = grid_keys(_cells(points64, voxel_m))
    unique, voxel_of_point = np.unique(keys, return_inverse=True)
    n = len(unique)
    points = average(points64, voxel_of_point, n)
    colors = average(cloud.colors.astype(np.float64) / 255.0, voxel_of_point, n)
    hints = average(cloud.normals.astype(np.float64), voxel_of_point, n)
    k = min(NORMAL_NEIGHBORS, n)
    distance, neighbors = cKDTree(points).query(
        points, k=range(1, k + 1), distance_upper_bound=4.0 * voxel_m, workers=-1
    )
    normals = fit_normals(points, neighbors, hints)
    near = neighbors[:, 1:EDGE_NEIGHBORS]
    close = distance[:, 1:EDGE_NEIGHBORS] < REACH_VOXELS * voxel_m
    a = np.broadcast_to(np.arange(n)[:, None], near.shape)[close]
    b = near[close]
    keys = ascending(np.minimum(a, b) * n + np.maximum(a, b))
    edges = np.stack([keys // n, keys % n], axis=1)
    return Surface(points, normals, colors, voxel_of_point, neighbors, edges, voxel_m)


def voxel_for(cloud: Cloud, least_m: float) -> float:
    """The side of voxels that hold a point or more each, in coarse steps from ``least_m`` up.

    A cloud that grows keeps it.
    """
    ratio = max(VOXEL_PER_DISTANCE * sample_distance(cloud) / least_m, 1.0)
    return float(least_m * 2.0 ** (round(STEPS_AN_OCTAVE * np.log2(ratio)) / STEPS_AN_OCTAVE))


def sample_distance(cloud: Cloud) -> float:
    """The typical distance of neighboring points of a cloud, meters; 0 for a tiny cloud."""
    points = cloud.points.astype(np.float64)
    k = 8
    if len(points) <= k:
        return 0.0
    probes = points[:: max(len(points) // 2000, 1)]
    reach = cKDTree(points).query(probes, k=[k + 1])[0]
    return float(np.median(reach) * np.sqrt(np.pi / k))


def lot(surface: Surface) -> Int:
    """(n,) a number in 0..:data:`LOTS` for each sample, as good as random, drawn from its place
    alone (splitmix64, Steele et al. 2014)."""
    cells = _cells(surface.points, surface.voxel_m).astype(np.uint64)
    drawn = np.zeros(len(surface), np.uint64)
    for axis in cells.T:
        drawn += axis + np.uint64(0x9E3779B97F4A7C15)
        drawn = (drawn ^ (drawn >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        drawn = (drawn ^ (drawn >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        drawn ^= drawn >> np.uint64(31)
    return (drawn >> np.uint64(1)).astype(np.int64)


def _cells(points: Float, voxel_m: float) -> Int:
    """(n, 3) the cells of the slanting grid that points (n, 3) lie in."""
    return np.asarray(np.floor(points @ MAP_FROM_GRID / voxel_m), np.int64)


def average(values: Float, group: Int, n: int) -> Float:
    """(n, d) mean of the rows of ``values`` by group."""
    counts = np.maximum(np.bincount(group, minlength=n), 1)
    sums = [np.bincount(group, column, n) for column in values.T]
    return np.stack(sums, axis=1) / counts[:, None]


def fit_normals(
    points: Float,
    neighbors: Int,
    hints: Float,
    group: Int | None = None,
) -> Float:
    """(n, 3) normals fitted to the neighbors (of the same group), on the side of ``hints``."""
    n, k = neighbors.shape
    padded = np.vstack([points, np.zeros(3)])
    result = np.zeros((n, 3))
    for start in range(0, n, 50_000):
        rows = slice(start, start + 50_000)
        near = neighbors[rows]
        weight = (near < n).astype(np.float64)
        if group is not None:
            labels = np.append(group, -2)
            weight *= labels[near] == group[rows, None]
        total = np.maximum(weight.sum(axis=1), 1.0)
        offsets = padded[near] - points[rows, None, :]
        mean = np.einsum("ij,ijk->ik", weight, offsets) / total[:, None]
        offsets -= mean[:, None, :]
        covariance = np.einsum("ij,ijk,ijl->ikl", weight, offsets, offsets)
        covariance /= total[:, None, None]
        _, vectors = np.linalg.eigh(covariance)
        normal = vectors[:, :, 0]
        flat = total >= 5
        result[rows] = np.where(flat[:, None], normal, hints[rows])
    sign = np.einsum("ij,ij->i", result, hints)
    result[sign < 0] *= -1
    length = np.linalg.norm(result, axis=1, keepdims=True)
    return np.where(length > 0, result / np.maximum(length, 1e-12), 0.0)


def edge_weights(surface: Surface, edges: Int, color_weight: float) -> Float:
    """(m,) dissimilarity: bend of the normals, doubled where concave, plus color."""
    a, b = edges.T
    bend = surface.normals[a] - surface.normals[b]
    along = surface.points[a] - surface.points[b]
    concave = np.einsum("ij,ij->i", bend, along) < 0
    color = ((surface.colors[a] - surface.colors[b]) ** 2).sum(axis=1)
    weight: Float = np.linalg.norm(bend, axis=1) * np.where(concave, 2.0, 1.0)
    weight += color_weight * color
    return weight


def felzenszwalb(n: int, edges: Int, weights: Float, scale: float, min_size: int) -> Int:
    """(n,) consecutive segment labels by Felzenszwalb and Huttenlocher 2004."""
    order = np.argsort(weights, kind="stable")
    roots = _kernel()(n, edges[order], weights[order], scale, min_size)
    return np.asarray(np.unique(roots, return_inverse=True)[1].reshape(-1), np.int64)


@lru_cache(maxsize=1)
def _kernel() -> Any:
    import numba

    @numba.njit(cache=True)
    def segment(n: int, edges: Any, weights: Any, scale: float, min_size: int) -> Any:
        parent = np.arange(n)
        size = np.ones(n, np.int64)
        limit = np.full(n, scale)
        for merge_small in (False, True):
            for e in range(len(edges)):
                a, b = edges[e, 0], edges[e, 1]
                while parent[a] != a:
                    parent[a] = parent[parent[a]]
                    a = parent[a]
                while parent[b] != b:
                    parent[b] = parent[parent[b]]
                    b = parent[b]
                if a == b:
                    continue
                if merge_small:
                    join = size[a] < min_size or size[b] < min_size
                else:
                    join = weights[e] <= limit[a] and weights[e] <= limit[b]
                if join:
                    low, high = min(a, b), max(a, b)
                    parent[high] = low
                    size[low] += size[high]
                    limit[low] = weights[e] + scale / size[low]
        for i in range(n):
            root = i
            while parent[root] != root:
                root = parent[root]
            parent[i] = root
        return parent

    return segment

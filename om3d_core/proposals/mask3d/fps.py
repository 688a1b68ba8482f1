"""Furthest point sampling with the rules of the originals."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from om3d_core.errors import expect

RULES = ("first", "cuda")
MAX_THREADS = 512
ORIGIN_RADIUS_SQUARED = np.float32(1e-3)


def furthest_points(
    points: npt.NDArray[np.floating | np.integer], n_samples: int, rule: str = "first"
) -> npt.NDArray[np.int64]:
    """(n_samples,) row indices, starting at row 0, each furthest from those before it.

    points: (N, 3), compared in float32. With fewer points than samples rows repeat.
    rule ``first``: ties go to the first row. rule ``cuda``, as the pointnet2 kernel that Mask3D
    runs: points within 0.0316 of the origin are never sampled and ties go to the lowest
    bit-reversed thread number ``row mod T``, T the largest power of two up to N and 512.
    """
    expect(points.ndim == 2 and points.shape[1] == 3, "points of shape (N, 3)", points.shape)
    expect(len(points) > 0, "at least one point", "none")
    expect(n_samples > 0, "a positive number of samples", n_samples)
    expect(rule in RULES, f"a rule of {RULES}", rule)
    coordinates = np.ascontiguousarray(points, dtype=np.float32)
    if rule == "first":
        ranks = np.zeros(1, np.int64)
        eligible = np.ones(len(coordinates), bool)
    else:
        ranks = _bit_reversed(min(1 << (len(coordinates).bit_length() - 1), MAX_THREADS))
        eligible = (coordinates**2).sum(axis=1) > ORIGIN_RADIUS_SQUARED
    samples = np.zeros(n_samples, np.int64)
    _sample(coordinates, ranks, eligible, samples)
    return samples


def _bit_reversed(n: int) -> npt.NDArray[np.int64]:
    """The numbers 0..n-1, n a power of two, with their bits in reverse order."""
    ranks = np.zeros(1, np.int64)
    while len(ranks) < n:
        ranks = np.concatenate([2 * ranks, 2 * ranks + 1])
    return ranks


@numba.njit(cache=True, nogil=True)
def _sample(points, ranks, eligible, samples):  # type: ignore[no-untyped-def]
    n = points.shape[0]
    distance = np.full(n, np.float32(1e10))
    for j in range(1, samples.shape[0]):
        x, y, z = points[samples[j - 1]]
        best, best_rank, chosen = np.float32(-1.0), 0, 0
        for k in range(n):
            if not eligible[k]:
                continue
            dx, dy, dz = points[k, 0] - x, points[k, 1] - y, points[k, 2] - z
            d = min(dx * dx + dy * dy + dz * dz, distance[k])
            distance[k] = d
            rank = ranks[k % ranks.shape[0]]
            if d > best or (d == best and rank < best_rank):
                best, best_rank, chosen = d, rank, k
        samples[j] = chosen

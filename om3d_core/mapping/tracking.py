"""Stable ids: which new instance is which old one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from om3d_core.data.cloud import Cloud, grid_keys
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.settings import Settings, setting

Ids = npt.NDArray[np.int64]
Digests = tuple[bytes, ...]


@dataclass(frozen=True)
class TrackingSettings(Settings):
    """When two masks are the same instance."""

    voxel_m: float = setting(
        0.03, "voxel in which masks on different clouds are compared (m)", low=0.001, high=1.0
    )
    min_iou: float = setting(
        0.2, "least overlap (IoU of voxels) of the same instance", low=0.0, high=1.0
    )


def digests_of(cloud: Cloud, masks: InstanceMasks) -> Digests:
    """A digest of the points of each mask."""
    return tuple(
        hashlib.blake2b(cloud.points[masks[i]].tobytes(), digest_size=16).digest()
        for i in range(len(masks))
    )


def follow(
    old: Scene, old_digests: Digests, new: tuple[Cloud, InstanceMasks], digests: Digests,
    tracking: TrackingSettings,
) -> Ids:
    """(N,) ids of the ``new`` masks: those of the instances of ``old`` that they are.

    Of the same points, or else of the largest overlap (IoU of voxels), one to one; the others get
    new ids from ``old.next_id``. The digests are those of :func:`digests_of`.
    """
    cloud, masks = new
    ids = np.zeros(len(masks), np.int64)
    row_of = {digest: row for row, digest in enumerate(old_digests)}
    left = np.ones(len(old), bool)
    for i, digest in enumerate(digests):
        row = row_of.pop(digest, None)
        if row is not None:
            ids[i], left[row] = old.ids[row], False
    rest = ids == 0
    overlap = voxel_iou(
        (old.cloud, old.masks.select(left)), (cloud, masks.select(rest)), tracking.voxel_m
    )
    ids[rest] = match_ids(overlap, old.ids[left], old.next_id, tracking.min_iou)
    return ids


def voxel_iou(
    a: tuple[Cloud, InstanceMasks], b: tuple[Cloud, InstanceMasks], voxel_m: float
) -> npt.NDArray[np.float64]:
    """(N_a, N_b) IoU of the voxels that the masks of two clouds occupy."""
    shared, sizes_a, sizes_b = shared_voxels(a, b, voxel_m)
    union = sizes_a[:, None] + sizes_b[None, :] - shared
    result: npt.NDArray[np.float64] = shared / np.maximum(union, 1)
    return result


def shared_voxels(
    a: tuple[Cloud, InstanceMasks], b: tuple[Cloud, InstanceMasks], voxel_m: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(N_a, N_b) voxels that two masks share, and how many each has: (N_a,) and (N_b,)."""
    held_a, masks_a = a[1].compact()
    held_b, masks_b = b[1].compact()
    points = np.concatenate([a[0].points[held_a], b[0].points[held_b]])
    keys = grid_keys(np.floor(points / voxel_m).astype(np.int64))
    _, inverse = np.unique(keys, return_inverse=True)
    inverse = inverse.reshape(-1)
    voxels = int(inverse.max(initial=-1)) + 1
    occupied = [
        _occupancy(masks, part, voxels)
        for masks, part in zip(
            (masks_a, masks_b), np.split(inverse, [len(held_a)]), strict=True
        )
    ]
    shared = (occupied[0] @ occupied[1].T).toarray().astype(np.float64)
    sizes_a, sizes_b = (np.asarray(o.sum(axis=1), np.float64).reshape(-1) for o in occupied)
    return shared, sizes_a, sizes_b


def _occupancy(
    masks: InstanceMasks, voxel_of_point: npt.NDArray[np.int64], n_voxels: int
) -> sparse.csr_matrix:
    rows = np.repeat(np.arange(len(masks)), masks.sizes)
    matrix = sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (rows, voxel_of_point[masks.indices])),
        shape=(len(masks), n_voxels),
    )
    matrix.data[:] = 1.0
    return matrix


def match_ids(
    overlap: npt.NDArray[np.float64], old_ids: npt.NDArray[np.int64], next_id: int, min_iou: float
) -> npt.NDArray[np.int64]:
    """(N_new,) ids: the old id of the best overlap, one to one, else new ids from ``next_id``.

    overlap: (N_old, N_new) IoU. Pairs are taken from the largest IoU down, ties by index.
    """
    n_old, n_new = overlap.shape
    ids = np.zeros(n_new, np.int64)
    free_old = np.ones(n_old, bool)
    for flat in np.argsort(-overlap, axis=None, kind="stable"):
        old, new = divmod(int(flat), n_new)
        if overlap[old, new] < min_iou or overlap[old, new] <= 0:
            break
        if free_old[old] and ids[new] == 0:
            ids[new] = old_ids[old]
            free_old[old] = False
    fresh = ids == 0
    ids[fresh] = next_id + np.arange(int(fresh.sum()))
    return ids

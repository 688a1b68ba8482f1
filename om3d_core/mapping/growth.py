"""What became of a map's instances from one refresh to the next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene
from om3d_core.mapping.tracking import shared_voxels

HALF = 0.5


def ids_kept(old: Scene, new: Scene, voxel_m: float) -> tuple[int, int]:
    """Of the old instances, how many are still there, and how many of these kept their id.

    One is still there if at least half of its voxels lie in one new instance; of several such
    instances the one with the largest overlap (IoU) is meant.
    """
    shared, old_sizes, new_sizes = shared_voxels(
        (old.cloud, old.masks), (new.cloud, new.masks), voxel_m
    )
    if not shared.size:
        return 0, 0
    union = old_sizes[:, None] + new_sizes[None, :] - shared
    held = shared >= HALF * old_sizes[:, None]
    overlap: npt.NDArray[np.float64] = np.where(held, shared / np.maximum(union, 1), -1.0)
    there = np.flatnonzero(held.any(axis=1) & (old_sizes > 0))
    same = old.ids[there] == new.ids[overlap[there].argmax(axis=1)]
    return len(there), int(same.sum())

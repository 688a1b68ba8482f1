"""A signed distance field in blocks of 8 voxels a side (an Open3D VoxelBlockGrid, on the CPU)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.tables import unit_and_length

BLOCK_RESOLUTION = 8
ATTRIBUTES = {"tsdf": 1, "weight": 1, "color": 3}
"""What a voxel holds, with how many channels."""


def new_grid(voxel_m: float, room: int) -> Any:
    """An empty grid with room for that many blocks."""
    import open3d as o3d

    return o3d.t.geometry.VoxelBlockGrid(
        tuple(ATTRIBUTES),
        (o3d.core.float32,) * len(ATTRIBUTES),
        [o3d.core.SizeVector([channels]) for channels in ATTRIBUTES.values()],
        voxel_size=voxel_m,
        block_resolution=BLOCK_RESOLUTION,
        block_count=room,
    )


def copy_of(grid: Any, blocks: npt.NDArray[np.int32], voxel_m: float, room: int = 0) -> Any:
    """A new grid of those of ``blocks`` (B, 3), different ones, that ``grid`` has.

    room: how many blocks it takes, if more than it gets.
    """
    rows, there = find(grid, blocks)
    new = new_grid(voxel_m, max(room, len(rows), 1))
    if len(rows):
        index, _ = new.hashmap().activate(_tensor(blocks[there]))
        for name in ATTRIBUTES:  # Open3D's own indexing is far slower than that of arrays
            new.attribute(name).numpy()[index.numpy()] = grid.attribute(name).numpy()[rows]
    return new


def with_room(grid: Any, more: int, voxel_m: float) -> Any:
    """``grid`` if it takes ``more`` blocks, or else a copy that does.

    The copy has half as much room again. A grid that Open3D lets grow takes far longer.
    """
    table = grid.hashmap()
    needed = table.size() + more
    if needed <= table.capacity():
        return grid
    return copy_of(grid, blocks_in(grid), voxel_m, max(needed, table.capacity() * 3 // 2))


def blocks_in(grid: Any) -> npt.NDArray[np.int32]:
    """(B, 3) all blocks of the grid, in no order."""
    table = grid.hashmap()
    blocks: npt.NDArray[np.int32] = table.key_tensor().numpy()[table.active_buf_indices().numpy()]
    return blocks


def find(
    grid: Any, blocks: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """The rows of those of ``blocks`` (B, 3) that the grid has, and (B,) which these are."""
    if not len(blocks):
        return np.zeros(0, np.int32), np.zeros(0, np.bool_)
    index, there = grid.hashmap().find(_tensor(blocks))
    return index.numpy()[there.numpy()], there.numpy()


def erase(grid: Any, blocks: npt.NDArray[np.int32]) -> None:
    """Take ``blocks`` (B, 3) out of the grid."""
    rows, there = find(grid, blocks)
    if not len(rows):
        return
    for name in ATTRIBUTES:  # a later block may get the place of an erased one as it is
        grid.attribute(name).numpy()[rows] = 0.0
    grid.hashmap().erase(_tensor(blocks[there]))


def surface(grid: Any, threshold: float) -> Cloud:
    """Where the distance is zero between two voxels of more than ``threshold`` weight.

    The points come in no order. What a block has of them depends on its 26 neighbors too.
    """
    if not grid.hashmap().size():
        return Cloud.empty()
    found = grid.extract_point_cloud(weight_threshold=threshold).point
    if "positions" not in found or not len(found.positions):
        return Cloud.empty()
    return Cloud(
        found.positions.numpy(),
        np.clip(np.rint(found.colors.numpy() * 255.0), 0, 255).astype(np.uint8),
        unit_and_length(found.normals.numpy())[0],
    )


def _tensor(blocks: npt.NDArray[np.int32]) -> Any:
    import open3d as o3d

    return o3d.core.Tensor.from_numpy(np.ascontiguousarray(blocks))

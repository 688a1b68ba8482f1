"""The surface of a block grid as a cloud that is extracted anew only where blocks were touched."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.mapping.block_frames import Int, pack, unpack
from om3d_core.mapping.block_grid import BLOCK_RESOLUTION, blocks_in, copy_of, surface

CHUNK_BLOCKS = 16
REACH = 2
"""How many blocks away a block has a say in points: its neighbors' points depend on it, and
rounding may put one that lies on a border into the block beyond."""
AT_ONCE = 32
"""Chunks that are extracted together: more take more memory, fewer share less of their margins."""

Part = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.float32]]


class Chunks:
    """The points of a grid by chunk: a cube of 16 blocks a side, 1.28 m with voxels of 1 cm.

    A point is of the chunk that its coordinates lie in. What a chunk holds depends neither on
    what was extracted along with it nor on when the grid got its blocks.
    extracted: how many chunks, so far.
    """

    def __init__(self, voxel_m: float) -> None:
        self.extracted = 0
        self._voxel_m = voxel_m
        self._threshold: float | None = None
        self._dirty: set[int] = set()
        self._parts: dict[int, Part] = {}

    def touch(self, blocks: npt.NDArray[np.int32]) -> None:
        """Have the chunks extracted anew in which ``blocks`` (B, 3) have a say."""
        corners = np.array(list(product((-REACH, REACH), repeat=3)), np.int32)
        chunks = (blocks[:, None] + corners).reshape(-1, 3) // CHUNK_BLOCKS
        self._dirty.update(np.unique(pack(chunks)).tolist())

    def cloud(self, grid: Any, threshold: float) -> Cloud:
        """The surface between voxels of more than ``threshold`` weight.

        The points come in the order of :func:`in_chunk_order`.
        """
        if threshold != self._threshold:
            self.touch(blocks_in(grid))
        dirty = np.array(sorted(self._dirty), np.int64)
        parts = {key: part for key, part in self._parts.items() if key not in self._dirty}
        for first in range(0, len(dirty), AT_ONCE):
            parts.update(self._extract(grid, threshold, dirty[first : first + AT_ONCE]))
        parts = dict(sorted(parts.items()))
        cloud = Cloud.empty()
        if parts:
            columns = zip(*parts.values(), strict=True)
            cloud = Cloud(*(np.concatenate(arrays) for arrays in columns))
        lengths = [len(points) for points, _, _ in parts.values()]
        self._parts = dict(zip(parts, _split(cloud, lengths), strict=True))
        self._dirty, self._threshold = set(), threshold
        return cloud

    def _extract(self, grid: Any, threshold: float, chunks: Int) -> dict[int, Part]:
        """The points of those of ``chunks``, ascending, that have any."""
        side = np.arange(-REACH, CHUNK_BLOCKS + REACH, dtype=np.int32)
        cube = np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3)
        blocks = (unpack(chunks)[:, None] * CHUNK_BLOCKS + cube).reshape(-1, 3)
        around = copy_of(grid, unpack(np.unique(pack(blocks))), self._voxel_m)
        cloud = surface(around, threshold)
        mine = np.isin(_chunks_of(cloud, self._voxel_m), chunks)
        cloud = in_chunk_order(cloud.select(mine), self._voxel_m)
        keys, lengths = np.unique(_chunks_of(cloud, self._voxel_m), return_counts=True)
        self.extracted += len(chunks)
        return dict(zip(keys.tolist(), _split(cloud, lengths.tolist()), strict=True))


def in_chunk_order(cloud: Cloud, voxel_m: float) -> Cloud:
    """The points by chunk; those of a chunk lexicographically, at one place by normal and color.

    Chunks and points go by x, then y, then z.
    """
    chunks = _chunks_of(cloud, voxel_m)
    order = np.lexsort((*cloud.points.T[::-1], chunks))
    same = (np.diff(cloud.points[order], axis=0) == 0).all(axis=1)
    tied = np.flatnonzero(np.append(False, same) | np.append(same, False))
    rows = order[tied]
    columns = (cloud.colors[rows], cloud.normals[rows], cloud.points[rows])
    keys = [key for column in columns for key in column.T[::-1]]
    order[tied] = rows[np.lexsort((*keys, chunks[rows]))]
    return cloud.select(order)


def _chunks_of(cloud: Cloud, voxel_m: float) -> Int:
    """(P,) the keys of the chunks that the points lie in."""
    side = np.float64(CHUNK_BLOCKS * BLOCK_RESOLUTION * voxel_m)
    return pack(np.floor(cloud.points / side).astype(np.int32))


def _split(cloud: Cloud, lengths: list[int]) -> list[Part]:
    """Views of the points, colors and normals of parts of these lengths."""
    ends = np.cumsum([0, *lengths]).tolist()
    return [
        (cloud.points[a:b], cloud.colors[a:b], cloud.normals[a:b]) for a, b in pairwise(ends)
    ]

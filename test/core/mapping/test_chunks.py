"""The cloud of a block grid by chunks, on blocks of random content."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from om3d_core.data.cloud import Cloud
from om3d_core.mapping import chunks as chunks_module
from om3d_core.mapping.block_grid import (
    blocks_in,
    copy_of,
    erase,
    find,
    new_grid,
    surface,
    with_room,
)
from om3d_core.mapping.chunks import CHUNK_BLOCKS, Chunks

VOXEL_M, WEIGHT = 0.01, 2.5
SIDE = np.array([-17, -16, -15, -2, -1, 0, 1, 14, 15, 16, 17])
Blocks = npt.NDArray[np.int32]


def fill(grid, blocks: Blocks, rng: np.random.Generator) -> None:
    """Random voxels; some have a surface so near that rounding puts its points in one place."""
    grid.hashmap().activate(_tensor(blocks))
    rows, _ = find(grid, blocks)
    shape = (len(rows), 8, 8, 8, 1)
    tsdf = rng.uniform(-1, 1, shape) * rng.choice([1.0, 1e-7], shape, p=[0.9, 0.1])
    grid.attribute("tsdf").numpy()[rows] = tsdf
    grid.attribute("weight").numpy()[rows] = rng.choice([0.0, 2.0, 3.0], shape, p=[0.6, 0.1, 0.3])
    grid.attribute("color").numpy()[rows] = rng.uniform(0, 1, (*shape[:-1], 3))


def _tensor(blocks: Blocks):
    import open3d as o3d

    return o3d.core.Tensor(np.ascontiguousarray(blocks))


def some(rng: np.random.Generator, count: int, among: Blocks | None = None) -> Blocks:
    """(B, 3) different blocks at the borders of chunks, or of those ``among``."""
    if among is None:
        among = np.stack(np.meshgrid(SIDE, SIDE, SIDE), axis=-1).reshape(-1, 3).astype(np.int32)
    return rng.permutation(among)[:count]


def rows(cloud: Cloud) -> npt.NDArray[np.float64]:
    """(P, 9) all that is known of the points, sorted."""
    table = np.concatenate([cloud.points, cloud.normals, cloud.colors], axis=1, dtype=np.float64)
    return table[np.lexsort(table.T[::-1])]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("at_once", [1, 5, 32])
def test_any_history_gives_the_surface_of_the_grid(seed, at_once, monkeypatch) -> None:
    monkeypatch.setattr(chunks_module, "AT_ONCE", at_once)
    rng = np.random.default_rng(seed)
    grid, chunks = new_grid(VOXEL_M, 8), Chunks(VOXEL_M)
    for step in range(4):
        gone, new = some(rng, 4 * step, blocks_in(grid)), some(rng, 30)
        grid = with_room(grid, len(new), VOXEL_M)
        for blocks in (gone, new):
            chunks.touch(blocks)
        erase(grid, gone)
        fill(grid, new, rng)
        cloud = chunks.cloud(grid, (WEIGHT, 1.5)[step == 1])
    assert np.array_equal(rows(cloud), rows(surface(grid, WEIGHT)))
    other = copy_of(grid, rng.permutation(blocks_in(grid)), VOXEL_M)
    assert Chunks(VOXEL_M).cloud(other, WEIGHT).digest == cloud.digest


def test_the_order_is_by_chunk_then_by_place() -> None:
    rng = np.random.default_rng(0)
    grid = new_grid(VOXEL_M, 100)
    fill(grid, some(rng, 100), rng)
    points = Chunks(VOXEL_M).cloud(grid, WEIGHT).points
    cells = np.floor(points / np.float64(CHUNK_BLOCKS * 8 * VOXEL_M))
    order = np.lexsort((*points.T[::-1], *cells.T[::-1]))
    assert np.array_equal(points[order], points)
    assert len(np.unique(cells, axis=0)) > 20
    assert (np.diff(points, axis=0) == 0).all(axis=1).any(), "no two points at one place"


def test_only_what_was_touched_is_extracted() -> None:
    rng = np.random.default_rng(0)
    grid, chunks = new_grid(VOXEL_M, 100), Chunks(VOXEL_M)
    fill(grid, some(rng, 100), rng)
    before = chunks.cloud(grid, WEIGHT)
    for block, count in [((7, 7, 7), 1), ((1, 7, 7), 2), ((2, 13, 8), 1), ((0, 15, 15), 8)]:
        extracted = chunks.extracted
        chunks.touch(np.array([block], np.int32))
        assert chunks.cloud(grid, WEIGHT).digest == before.digest
        assert chunks.extracted == extracted + count
    assert chunks.cloud(grid, WEIGHT).digest == before.digest
    assert chunks.extracted == extracted + count


def test_a_chunk_may_lose_all_its_points() -> None:
    rng = np.random.default_rng(0)
    grid, chunks = new_grid(VOXEL_M, 100), Chunks(VOXEL_M)
    assert len(chunks.cloud(grid, WEIGHT)) == 0
    blocks = np.array([[0, 0, 0], [8, 8, 8], [40, 0, 0]], np.int32)
    fill(grid, blocks, rng)
    chunks.touch(blocks)
    assert np.ptp(chunks.cloud(grid, WEIGHT).points[:, 0]) > 3
    for gone, left in [(blocks[2:], 1), (blocks[:2], 0)]:
        chunks.touch(gone)
        erase(grid, gone)
        cloud = chunks.cloud(grid, WEIGHT)
        assert (len(cloud) > 0) == left and cloud.points.max(initial=0.0) < 1

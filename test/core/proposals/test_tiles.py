"""Clouds cut into tiles, and masks on tiles joined to masks on the cloud."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.proposals.tiles import AROUND_M, OnTile, cut, join

TILE_M = 6.0


def cloud_of(points):
    points = np.asarray(points, np.float32)
    return Cloud(points, np.zeros((len(points), 3), np.uint8), np.zeros_like(points))


def plain(seed, sides=(20.0, 14.0, 2.0), n=40_000):
    rng = np.random.default_rng(seed)
    return cloud_of((rng.random((n, 3)) - 0.5) * sides)


def boxes(cloud, corners):
    """A mask for each pair of corners (low, high)."""
    inside = [
        np.flatnonzero(((cloud.points >= low) & (cloud.points <= high)).all(axis=1))
        for low, high in corners
    ]
    return InstanceMasks.from_lists(inside, len(cloud))


def joined(cloud, tiles, found):
    """The masks ``found`` on the tiles as masks on the cloud."""
    on_tiles = [
        OnTile.of(cloud.points[tile.rows], tile, masks)
        for tile, masks in zip(tiles, found, strict=True)
    ]
    return join(tiles, on_tiles, len(cloud))


def on_tiles(tiles, masks):
    """What a proposer that knows ``masks`` proposes on each tile."""
    found = []
    for tile in tiles:
        local = [np.flatnonzero(np.isin(tile.rows, masks[i])) for i in range(len(masks))]
        kept = [i for i, rows in enumerate(local) if len(rows)]
        found.append(InstanceMasks.from_lists(
            [local[i] for i in kept], len(tile.rows), masks.scores[kept], masks.structure[kept]
        ))
    return found


def sets(masks):
    return sorted(tuple(masks[i].tolist()) for i in range(len(masks)))


def test_a_small_cloud_is_one_tile():
    cloud = plain(0, sides=(7.9, 7.9, 7.9))
    (tile,) = cut(cloud, TILE_M)
    assert np.array_equal(tile.rows, np.arange(len(cloud))) and tile.own.all()
    masks = boxes(cloud, [((-1, -1, -1), (1, 1, 1))])
    assert joined(cloud, [tile], [masks]) is masks
    assert len(cut(Cloud.empty(), TILE_M)) == 1


def test_each_point_is_in_one_tile_and_each_tile_knows_what_lies_around_it():
    cloud = plain(1)
    tiles = cut(cloud, TILE_M)
    owners = np.zeros(len(cloud), int)
    for tile in tiles:
        owners[tile.rows[tile.own]] += 1
        points = cloud.points.astype(np.float64)
        near = (points >= tile.low - AROUND_M) & (points < tile.high + AROUND_M)
        assert np.array_equal(tile.rows, np.flatnonzero(near.all(axis=1)))
        assert np.isinf(tile.low[2]) and np.isinf(tile.high[2])
    assert len(tiles) == 15 and (owners == 1).all()


def test_a_tile_stays_when_the_map_grows_elsewhere():
    cloud = plain(2, sides=(20.0, 3.0, 2.0))
    more = cloud_of(np.concatenate([cloud.points, cloud.points + np.float32([20.0, 0, 0])]))
    before = {tuple(t.low): cloud.points[t.rows] for t in cut(cloud, TILE_M)}
    after = {tuple(t.low): more.points[t.rows] for t in cut(more, TILE_M)}
    same = [key for key in before if np.array_equal(before[key], after[key])]
    assert len(before) == 5 and len(after) == 8 and len(same) == 4


def test_what_lies_far_apart_takes_no_more_tiles_than_it_fills():
    near = plain(3, sides=(2.0, 2.0, 2.0), n=4000).points
    far = near + np.float32([9000.0, -9000.0, 500.0])
    tiles = cut(cloud_of(np.concatenate([near, far])), TILE_M)
    assert sum(len(tile.rows) for tile in tiles) < 3 * 8000 and len(tiles) <= 9


places = st.lists(
    st.tuples(
        st.tuples(*(st.floats(-half, half) for half in (8.0, 5.5, 0.2))),
        st.tuples(*(st.floats(0.3, longest) for longest in (1.8, 1.8, 0.8))),
    ),
    min_size=1, max_size=12,
)


@given(places, st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_objects_are_found_once_and_whole_wherever_they_lie(found, seed):
    cloud = plain(seed)
    middles, sizes = (np.array(part) for part in zip(*found, strict=True))
    truth = boxes(cloud, zip(middles - sizes / 2, middles + sizes / 2, strict=True))
    held = truth.to_dense().sum(axis=1)
    alone = [i for i in range(len(truth)) if len(truth[i]) >= 40 and (held[truth[i]] == 1).all()]
    truth = truth.select(np.array(alone, np.int64))
    tiles = cut(cloud, TILE_M)
    assert sets(joined(cloud, tiles, on_tiles(tiles, truth))) == sets(truth)


def test_what_no_tile_shows_whole_is_put_together():
    cloud = plain(3)
    long = boxes(cloud, [((-9.0, -1.0, -1.0), (9.0, 0.5, 1.0)), ((4.0, 2.0, -1), (5.5, 3.5, 1))])
    scored = InstanceMasks(long.indptr, long.indices, np.float32([0.5, 0.9]), long.structure,
                           long.n_points)
    tiles = cut(cloud, TILE_M)
    made = joined(cloud, tiles, on_tiles(tiles, scored))
    assert sets(made) == sets(scored)
    assert made.scores == pytest.approx([0.9, 0.5])


def test_structure_ends_with_its_tile():
    cloud = plain(4)
    floor = boxes(cloud, [((-10, -7, -1.0), (10, 7, -0.5))])
    floor = InstanceMasks(floor.indptr, floor.indices, floor.scores, np.array([True]),
                          floor.n_points)
    tiles = cut(cloud, TILE_M)
    made = joined(cloud, tiles, on_tiles(tiles, floor))
    assert made.structure.all() and len(made) == len(tiles)
    assert np.array_equal(np.sort(made.indices), floor.indices)


def test_of_two_versions_the_one_nearer_its_middle_is_taken():
    cloud = plain(5)
    tiles = cut(cloud, TILE_M)
    # Across the border at x = 3, more of it on the left; the tile on the right cuts it short.
    versions = boxes(cloud, [((1.9, -1, -1), (3.5, 1, 1)), ((2.2, -1, -1), (3.5, 1, 1))])
    left = next(i for i, tile in enumerate(tiles) if tile.low[0] == -3 and tile.low[1] == -3)
    right = next(i for i, tile in enumerate(tiles) if tile.low[0] == 3 and tile.low[1] == -3)
    found = [InstanceMasks.empty(len(tile.rows)) for tile in tiles]
    for i, version in ((left, 0), (right, 1)):
        rows = np.searchsorted(tiles[i].rows, np.intersect1d(tiles[i].rows, versions[version]))
        found[i] = InstanceMasks.from_lists([rows], len(tiles[i].rows))
    assert sets(joined(cloud, tiles, found)) == [tuple(versions[0].tolist())]

"""A large cloud cut into tiles, and the masks on tiles joined to masks on the cloud.

What is proposed on a tile depends on the points of the tile and of a meter around it alone. Tiles
lie fixed in the map, so that one that a map does not grow into stays as it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

AROUND_M = 1.0
CUT_M = 0.03
SLACK_M = 0.1
MIN_SAME_IOU = 0.5
MIN_SAME_POINTS = 20
MIN_STRUCTURE_POINTS = 50


@dataclass(frozen=True, eq=False)
class Tile:
    """rows (k,): ascending points of the cloud in the tile and around it. own (k,) bool: those in
    the tile itself. low, high (3,): the corners of the tile, infinite along axes that are not
    cut."""

    rows: Int
    own: Bools
    low: Float
    high: Float


def cut(cloud: Cloud, tile_m: float) -> list[Tile]:
    """The tiles that hold points of the cloud, by place; one if the cloud is not large.

    An axis is cut where the cloud is longer along it than a tile with what lies around it.
    """
    everywhere = np.full(3, np.inf)
    tiles = [Tile(np.arange(len(cloud)), np.ones(len(cloud), bool), -everywhere, everywhere)]
    low, high = (end.astype(np.float64) for end in cloud.bounds())
    for axis in np.flatnonzero(high - low > tile_m + 2 * AROUND_M).tolist():
        tiles = [slab for tile in tiles for slab in _slabs(tile, cloud, axis, tile_m)]
    return tiles


def _slabs(tile: Tile, cloud: Cloud, axis: int, tile_m: float) -> Iterator[Tile]:
    """A tile cut along one more axis; the origin is in the middle of a slab."""
    along = cloud.points[tile.rows, axis].astype(np.float64)
    home = np.floor(along / tile_m + 0.5)
    for cell in np.unique(home).tolist():
        low, high = tile.low.copy(), tile.high.copy()
        low[axis], high[axis] = (cell - 0.5) * tile_m, (cell + 0.5) * tile_m
        near = np.flatnonzero((along >= low[axis] - AROUND_M) & (along < high[axis] + AROUND_M))
        own = tile.own[near] & (home[near] == cell)
        if own.any():
            yield Tile(tile.rows[near], own, low, high)


@dataclass(frozen=True, eq=False)
class OnTile:
    """Masks over the rows of a tile, and of each (N,) whether its middle lies in the tile, and
    whether it is whole: ends before the points around the tile do."""

    masks: InstanceMasks
    at_home: Bools
    whole: Bools

    @classmethod
    def of(cls, points: npt.NDArray[np.float32], tile: Tile, masks: InstanceMasks) -> OnTile:
        """points (k, 3): those of the tile's rows."""
        near = AROUND_M - CUT_M
        at_home, whole = np.zeros(len(masks), bool), np.zeros(len(masks), bool)
        for i in range(len(masks)):
            held = points[masks[i]].astype(np.float64)
            middle = held.mean(axis=0)
            at_home[i] = ((middle >= tile.low - SLACK_M) & (middle < tile.high + SLACK_M)).all()
            whole[i] = (held.min(axis=0) > tile.low - near).all() and (
                held.max(axis=0) < tile.high + near
            ).all()
        return cls(masks, at_home, whole)


@dataclass(frozen=True, eq=False)
class _Piece:
    """A mask on a tile. rows (k,): its points in the cloud."""

    tile: int
    rows: Int
    score: float
    at_home: bool
    whole: bool


def join(tiles: Sequence[Tile], found: Sequence[OnTile], n_points: int) -> InstanceMasks:
    """What was found on the tiles of a cloud as masks on the cloud, by falling score.

    An object that two tiles show is taken from the one that shows it whole and nearer its middle;
    one that no tile shows whole is put together. Structure ends with its tile.
    """
    if len(tiles) == 1:
        return found[0].masks
    pieces, things, members, scores, structure = [], [], [], [], []
    for number, (tile, on_tile) in enumerate(zip(tiles, found, strict=True)):
        masks = on_tile.masks
        things.append(masks.select(~masks.structure))
        for i, score in enumerate(masks.scores.tolist()):
            if not masks.structure[i]:
                standing = bool(on_tile.at_home[i]), bool(on_tile.whole[i])
                pieces.append(_Piece(number, tile.rows[masks[i]], score, *standing))
                continue
            own = masks[i][tile.own[masks[i]]]
            if len(own) >= MIN_STRUCTURE_POINTS:
                members.append(tile.rows[own])
                scores.append(score)
                structure.append(True)
    for rows, score in _objects(pieces, _same(tiles, things)):
        members.append(rows)
        scores.append(score)
        structure.append(False)
    order = sorted(
        range(len(members)), key=lambda i: (-scores[i], -len(members[i]), int(members[i][0]))
    )
    return InstanceMasks.from_lists(
        [members[i] for i in order], n_points, np.array(scores, np.float32)[order],
        np.array(structure, bool)[order],
    )


def _same(tiles: Sequence[Tile], things: Sequence[InstanceMasks]) -> Int:
    """Which object each of the ``things`` of all tiles shows, tile after tile: those are the same
    that agree where both their tiles see."""
    first = np.cumsum([0, *(len(masks) for masks in things)])
    links = []
    for a, b in itertools.combinations(range(len(tiles)), 2):
        gap = np.maximum(tiles[a].low - tiles[b].high, tiles[b].low - tiles[a].high).max()
        if gap > 2 * AROUND_M:
            continue
        _, *shared = np.intersect1d(
            tiles[a].rows, tiles[b].rows, assume_unique=True, return_indices=True
        )
        for i, j in _matches((things[a], things[b]), shared):
            links.append((first[a] + i, first[b] + j))
    ends = np.array(links, np.int64).reshape(-1, 2).T
    shape = (first[-1], first[-1])
    graph = sparse.coo_matrix((np.ones(len(links)), tuple(ends)), shape)
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _matches(
    things: tuple[InstanceMasks, InstanceMasks], shared: Sequence[Int]
) -> Iterator[tuple[int, int]]:
    """Pairs of the masks on two tiles, one to one, by the IoU of their parts in shared points.

    shared: the rows of those points on each of the tiles, in the same order.
    """
    a, b = (masks.at(points) for masks, points in zip(things, shared, strict=True))
    common = (a @ b.T).tocoo()
    held = [np.asarray(part.sum(axis=1)).reshape(-1) for part in (a, b)]
    i, j = common.row, common.col
    iou = common.data / (held[0][i] + held[1][j] - common.data)
    sizes = [masks.sizes for masks in things]
    alike = np.minimum(sizes[0][i], sizes[1][j]) / np.maximum(sizes[0][i], sizes[1][j])
    good = (iou >= MIN_SAME_IOU) & (common.data >= MIN_SAME_POINTS)
    free = [np.ones(len(masks), bool) for masks in things]
    for n in np.lexsort((j, i, -alike, -iou)):
        if good[n] and free[0][i[n]] and free[1][j[n]]:
            free[0][i[n]] = free[1][j[n]] = False
            yield int(i[n]), int(j[n])


def _objects(pieces: Sequence[_Piece], same: Int) -> Iterator[tuple[Int, float]]:
    """Points and score of each object."""
    order = np.argsort(same, kind="stable")
    starts = np.flatnonzero(np.diff(same[order])) + 1
    for group in np.split(order, starts) if len(order) else []:
        shown = [pieces[i] for i in group]
        whole = [piece for piece in shown if piece.whole]
        if whole:
            best = max(whole, key=lambda p: (p.at_home, p.score, -p.tile))
            if best.at_home or len(shown) > 1:
                yield best.rows, best.score
        elif len(shown) > 1 or shown[0].at_home:
            sizes = [len(piece.rows) for piece in shown]
            rows = np.unique(np.concatenate([piece.rows for piece in shown]))
            yield rows, float(np.average([piece.score for piece in shown], weights=sizes))

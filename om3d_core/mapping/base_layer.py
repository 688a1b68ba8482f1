"""A map that was loaded without its keyframes: new frames extend and correct it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud, grid_keys
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene, WordsOfViews
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.data.words import Words
from om3d_core.mapping.chunks import in_chunk_order
from om3d_core.mapping.embedder import Encoded
from om3d_core.mapping.tracking import TrackingSettings, match_ids, voxel_iou

Rows = npt.NDArray[np.int64]
Place = tuple[int, int]
"""An instance and the rank of a view of it."""


@dataclass(frozen=True, eq=False)
class BaseLayer:
    """What is known of places that no keyframe shows: points, and views with their features."""

    scene: Scene

    def under(self, cloud: Cloud, voxel_m: float) -> Cloud:
        """``cloud`` with the old points of all cells of two voxels' side in which it has none.

        Its points come in the order of a fused cloud.
        """
        old = self.scene.cloud
        if not len(cloud):
            return old
        points = np.concatenate([old.points, cloud.points])
        keys = grid_keys(np.floor(points / np.float32(2 * voxel_m)).astype(np.int64))
        before, now = np.split(keys, [len(old)])
        kept = old.select(~np.isin(before, now))
        both = Cloud(
            np.concatenate([kept.points, cloud.points]),
            np.concatenate([kept.colors, cloud.colors]),
            np.concatenate([kept.normals, cloud.normals]),
        )
        return in_chunk_order(both, voxel_m)

    def rows_of(self, cloud: Cloud, masks: InstanceMasks, tracking: TrackingSettings) -> Rows:
        """(N,) which old instance each of the masks on ``cloud`` is, -1 for none."""
        old, n = self.scene, len(self.scene)
        overlap = voxel_iou((old.cloud, old.masks), (cloud, masks), tracking.voxel_m)
        rows = match_ids(overlap, np.arange(1, n + 1), n + 1, tracking.min_iou) - 1
        return np.where(rows < n, rows, -1)

    def complete(
        self, views: ViewTable, encoded: Encoded, rows: Rows, stamps: list[int]
    ) -> tuple[ViewTable, Encoded]:
        """``views`` and their features with the old views of the instances that were there.

        rows: (N,) which old instance each is, -1 for none. New views come first, old ones fill up;
        one of a frame that is here again, by ``stamps``, is not used.
        """
        old = self.scene
        tables = {table.space: table for table in old.features}
        inherited = [tables[t.space] for t in encoded.tables if t.space in tables]
        if len(inherited) < len(encoded.tables) or not (rows >= 0).any():
            return views, encoded
        k = views.stamps.shape[1]
        usable = old.views.valid & ~np.isin(old.views.stamps, stamps)
        result = _Merged(ViewTable.empty(len(rows), k), encoded.tables)
        thumbnails: list[tuple[bytes, ...]] = []
        words: list[tuple[Words, ...]] = []
        detections: list[tuple[Words, ...]] = []
        for i, row in enumerate(rows.tolist()):
            chosen = [(True, r) for r in _columns(views.valid[i])]
            if row >= 0:
                chosen += [(False, r) for r in _columns(usable[row])]
            pictures, read, seen = [], [], []
            for rank, (new, r) in enumerate(chosen[:k]):
                if new:
                    result.take((i, rank), views, encoded.tables, (i, r))
                    pictures.append(encoded.thumbnails[i][r])
                    read.append(_told(encoded.words, i, r))
                    seen.append(_told(encoded.detections, i, r))
                else:
                    result.take((i, rank), old.views, inherited, (row, r))
                    pictures.append(old.thumbnails[row][r])
                    read.append(old.words[row][r])
                    seen.append(old.detections[row][r])
            thumbnails.append(tuple(pictures))
            words.append(tuple(read))
            detections.append(tuple(seen))
        return result.views, Encoded(
            result.tables(), tuple(thumbnails), encoded.n_encoded, tuple(words),
            tuple(detections),
        )


def _told(told: WordsOfViews, i: int, rank: int) -> Words:
    return told[i][rank] if told and rank < len(told[i]) else ()


def _columns(valid: npt.NDArray[np.bool_]) -> list[int]:
    columns: list[int] = np.flatnonzero(valid).tolist()
    return columns


class _Merged:
    """Views and feature tables that are filled from several others."""

    def __init__(self, views: ViewTable, like: tuple[FeatureTable, ...]):
        self.views = views
        self._spaces = [table.space for table in like]
        shape = views.stamps.shape
        self._vectors = [np.zeros((*shape, space.dim), np.float32) for space in self._spaces]
        self._lengths = [np.zeros(shape, np.float32) for _ in self._spaces]

    def take(self, to: Place, views: ViewTable, tables: Sequence[FeatureTable], at: Place) -> None:
        """Copy the view ``at`` of ``views`` and ``tables``."""
        self.views.stamps[to] = views.stamps[at]
        self.views.pixels[to] = views.pixels[at]
        self.views.boxes[to] = views.boxes[at]
        for n, table in enumerate(tables):
            self._vectors[n][to] = table.vectors[at]
            self._lengths[n][to] = table.lengths[at]

    def tables(self) -> tuple[FeatureTable, ...]:
        """The filled tables."""
        return tuple(
            FeatureTable.from_rows(space, vectors, lengths)
            for space, vectors, lengths in zip(
                self._spaces, self._vectors, self._lengths, strict=True
            )
        )

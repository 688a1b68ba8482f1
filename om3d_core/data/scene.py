"""Scene: an immutable snapshot of the map, with everything that a query needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box, fit_box
from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.encoders.base import FeatureSpace
from om3d_core.errors import expect


@dataclass(frozen=True)
class ViewTable:
    """The chosen views of N instances, at most k each, packed to the front.

    stamps: (N, k) int64 stamp_ns of the frame, -1 where there is no view.
    pixels: (N, k) int32 visible pixels. boxes: (N, k, 4) int32 x1, y1, x2, y2 (exclusive), pixels.
    """

    stamps: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int32]
    boxes: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        shape = self.stamps.shape
        expect(len(shape) == 2, "stamps of shape (N, k)", shape)
        expect(
            self.pixels.shape == shape and self.boxes.shape == (*shape, 4),
            f"pixels {shape} and boxes {(*shape, 4)}",
            (self.pixels.shape, self.boxes.shape),
        )

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """(N, k) whether there is a view."""
        return self.stamps >= 0

    @classmethod
    def empty(cls, n: int, k: int) -> ViewTable:
        """N instances without any view."""
        return cls(
            np.full((n, k), -1, np.int64),
            np.zeros((n, k), np.int32),
            np.zeros((n, k, 4), np.int32),
        )


@dataclass(frozen=True)
class FeatureTable:
    """Features in one space. vectors: (N, k, D) float32 unit rows, zero where not ``valid``.

    valid: (N, k) bool. lengths: (N, k) float32 in 0..1, the length that the mean over the crops of
    a view has before it is made a unit vector: 1 where they are alike, 0 where not ``valid``.
    """

    space: FeatureSpace
    vectors: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        shape = self.vectors.shape
        expect(
            len(shape) == 3 and shape[2] == self.space.dim and self.vectors.dtype == np.float32,
            f"float32 vectors of shape (N, k, {self.space.dim})",
            (shape, self.vectors.dtype),
        )
        expect(
            self.valid.shape == shape[:2] and self.lengths.shape == shape[:2],
            f"valid and lengths of shape {shape[:2]}",
            (self.valid.shape, self.lengths.shape),
        )

    @classmethod
    def from_means(cls, space: FeatureSpace, means: npt.NDArray[np.float32]) -> FeatureTable:
        """The table of views with these means (N, k, D) over their crops; zero is no view."""
        lengths = np.linalg.norm(means, axis=2)
        valid = lengths > 0
        unit = np.divide(means, lengths[:, :, None], out=np.zeros_like(means),
                         where=valid[:, :, None])
        return cls(space, unit, valid, lengths)


@dataclass(frozen=True)
class Scene:
    """N instances on a cloud.

    revision: counts refreshes, from 1. ids: (N,) int64, from 1, stable across revisions.
    up: (3,) float64 unit vector against gravity, in the map frame. features: one table a space.
    thumbnails: for each instance one JPEG file content a view, in the order of ``views``.
    labels: a name for each instance, empty where it has none.
    next_id: the id of the next new instance, above every id that was ever given.
    """

    revision: int
    cloud: Cloud
    masks: InstanceMasks
    ids: npt.NDArray[np.int64]
    up: npt.NDArray[np.float64]
    views: ViewTable
    features: tuple[FeatureTable, ...]
    thumbnails: tuple[tuple[bytes, ...], ...]
    labels: tuple[str, ...]
    next_id: int = 1

    def __post_init__(self) -> None:
        n = len(self.ids)
        expect(not n or int(self.ids.min()) >= 1, "ids of at least 1", self.ids)
        object.__setattr__(self, "next_id", max(self.next_id, int(self.ids.max(initial=0)) + 1))
        expect(self.revision >= 0, "a revision of at least 0", self.revision)
        expect(self.masks.n_points == len(self.cloud), f"masks over {len(self.cloud)} points",
               self.masks.n_points)
        expect(len(np.unique(self.ids)) == n, "unique ids", "duplicates")
        expect(self.up.shape == (3,) and abs(float(np.linalg.norm(self.up)) - 1) < 1e-6,
               "a unit up vector (3,)", self.up)
        lengths = {len(self.masks), len(self.views.stamps), len(self.thumbnails), len(self.labels)}
        lengths |= {len(table.vectors) for table in self.features}
        expect(lengths == {n}, f"{n} masks, views, thumbnails, labels and features", lengths)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def boxes(self) -> tuple[Box, ...]:
        """The upright box of each instance."""
        return tuple(fit_box(self.cloud.points[m], self.up) for m in self.members())

    @cached_property
    def centroids(self) -> npt.NDArray[np.float64]:
        """(N, 3) mean point of each instance, meters."""
        rows = [self.cloud.points[m].mean(axis=0, dtype=np.float64) for m in self.members()]
        return np.array(rows).reshape(-1, 3)

    def members(self) -> list[npt.NDArray[np.int32]]:
        """The point indices of each instance."""
        return [self.masks[i] for i in range(len(self))]

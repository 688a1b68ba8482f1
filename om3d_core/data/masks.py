"""Class-agnostic instance masks over the points of a cloud, stored sparsely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from om3d_core.data.cloud import MAX_POINTS
from om3d_core.errors import expect

MAX_MEMBERS = 1 << 24
"""Of all masks of a dense array together: more would not fit in memory."""
BLOCK_VALUES = 1 << 20


@dataclass(frozen=True, eq=False)
class InstanceMasks:
    """N masks over P points.

    indptr: (N + 1,) int64 and indices: (nnz,) int32 hold the point indices of mask i, ascending,
    in ``indices[indptr[i]:indptr[i + 1]]`` (the CSR layout). scores: (N,) float32 in 0..1.
    structure: (N,) bool, true for floor, walls and ceiling. Masks may overlap.
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    structure: npt.NDArray[np.bool_]
    n_points: int

    def __post_init__(self) -> None:
        n = len(self.scores)
        expect(0 <= self.n_points <= MAX_POINTS, f"0..{MAX_POINTS} points", self.n_points)
        expect(
            self.indptr.shape == (n + 1,) and self.indptr.dtype == np.int64,
            f"indptr of shape {(n + 1,)} and dtype int64",
            (self.indptr.shape, self.indptr.dtype),
        )
        expect(
            self.indices.ndim == 1 and self.indices.dtype == np.int32,
            "indices of shape (nnz,) and dtype int32",
            (self.indices.shape, self.indices.dtype),
        )
        expect(
            int(self.indptr[0]) == 0
            and int(self.indptr[-1]) == len(self.indices)
            and bool((np.diff(self.indptr) >= 0).all()),
            "indptr ascending from 0 to nnz",
            "something else",
        )
        expect(
            self.scores.ndim == 1 and self.scores.dtype == np.float32,
            "scores of shape (N,) and dtype float32",
            (self.scores.shape, self.scores.dtype),
        )
        expect(bool(((self.scores >= 0) & (self.scores <= 1)).all()), "scores in 0..1",
               "others")
        expect(
            self.structure.shape == (n,) and self.structure.dtype == np.bool_,
            f"structure of shape {(n,)} and dtype bool",
            (self.structure.shape, self.structure.dtype),
        )
        if len(self.indices):
            expect(
                0 <= int(self.indices.min()) and int(self.indices.max()) < self.n_points,
                f"point indices in 0..{self.n_points - 1}",
                (int(self.indices.min()), int(self.indices.max())),
            )
            ascends = self.indices[1:] > self.indices[:-1]
            starts = self.indptr[1:-1]
            ascends[starts[(starts > 0) & (starts < len(self.indices))] - 1] = True
            expect(bool(ascends.all()), "ascending, unique indices a mask", "disorder")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, i: int) -> npt.NDArray[np.int32]:
        """The ascending point indices of mask ``i``."""
        return self.indices[self.indptr[i] : self.indptr[i + 1]]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """(N,) number of points a mask."""
        return np.diff(self.indptr)

    @classmethod
    def empty(cls, n_points: int) -> InstanceMasks:
        """No masks over ``n_points`` points."""
        return cls.from_lists([], n_points)

    @classmethod
    def from_lists(
        cls,
        members: Sequence[npt.NDArray[np.integer[Any]]],
        n_points: int,
        scores: npt.ArrayLike | None = None,
        structure: npt.ArrayLike | None = None,
    ) -> InstanceMasks:
        """Build from one array of point indices a mask, in any order, duplicates allowed."""
        unique = [ascending(m) for m in members]
        n = len(unique)
        indptr = np.zeros(n + 1, np.int64)
        np.cumsum([len(m) for m in unique], out=indptr[1:])
        indices = np.concatenate(unique) if n else np.zeros(0, np.int64)
        expect(
            not len(indices) or (indices.min() >= 0 and indices.max() < n_points),
            f"point indices in 0..{n_points - 1}",
            "an index outside",
        )
        return cls(
            indptr,
            indices.astype(np.int32, copy=False),
            np.ones(n, np.float32) if scores is None else np.asarray(scores, np.float32),
            np.zeros(n, bool) if structure is None else np.asarray(structure, bool),
            n_points,
        )

    @classmethod
    def from_dense(
        cls, dense: npt.NDArray[Any], scores: npt.ArrayLike | None = None
    ) -> InstanceMasks:
        """Build from an OpenMask3D array (P, N), non-zero where a point belongs to a mask."""
        expect(dense.ndim == 2, "a dense mask array of shape (P, N)", dense.shape)
        if np.issubdtype(dense.dtype, np.floating):
            expect(bool(np.isfinite(dense).all()), "finite mask values", "NaN or infinity")
        n_points, n = dense.shape
        n_members = int(np.count_nonzero(dense))
        expect(n_members <= MAX_MEMBERS, f"at most {MAX_MEMBERS} points in masks", n_members)
        step = max(BLOCK_VALUES // max(n, 1), 1)
        counts, found = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
        for start in range(0, n_points if n else 0, step):
            block = dense[start : start + step]
            point, mask = np.divmod(np.flatnonzero(block), n)
            counts.append(np.bincount(point, minlength=len(block)))
            found.append(mask.astype(np.int32))
        indptr = np.zeros(n_points + 1, np.int64)
        if n:
            np.cumsum(np.concatenate(counts), out=indptr[1:])
        masks = np.concatenate(found)
        by_point = sparse.csr_matrix((np.ones(len(masks), bool), masks, indptr), (n_points, n))
        by_mask = by_point.tocsc()
        return cls(
            by_mask.indptr.astype(np.int64),
            by_mask.indices.astype(np.int32, copy=False),
            np.ones(n, np.float32) if scores is None else np.asarray(scores, np.float32),
            np.zeros(n, bool),
            n_points,
        )

    def to_dense(self) -> npt.NDArray[np.bool_]:
        """The OpenMask3D layout: (P, N) bool."""
        dense = np.zeros((self.n_points, len(self)), bool)
        for i in range(len(self)):
            dense[self[i], i] = True
        return dense

    def to_csr(self) -> sparse.csr_matrix:
        """(N, P) sparse matrix of float32 ones."""
        data = np.ones(len(self.indices), np.float32)
        return sparse.csr_matrix(
            (data, self.indices, self.indptr), shape=(len(self), self.n_points)
        )

    def select(self, keep: npt.NDArray[Any]) -> InstanceMasks:
        """The masks at ``keep`` (indices or a boolean mask), in that order."""
        chosen = np.arange(len(self))[keep]
        members = [self[int(i)] for i in chosen]
        return InstanceMasks.from_lists(
            members, self.n_points, self.scores[chosen], self.structure[chosen]
        )

    def at(self, points: npt.NDArray[np.int64]) -> sparse.csr_matrix:
        """(N, len(points)) ones where a mask holds one of the ``points``, each given once."""
        place = np.full(self.n_points, -1, np.int64)
        place[points] = np.arange(len(points))
        columns = place[self.indices]
        kept = np.flatnonzero(columns >= 0)
        indptr = np.searchsorted(kept, self.indptr)
        return sparse.csr_matrix(
            (np.ones(len(kept)), columns[kept], indptr), shape=(len(self), len(points))
        )

    def compact(self) -> tuple[npt.NDArray[np.int64], InstanceMasks]:
        """The ascending points (h,) that are in any mask, and the masks over these alone."""
        place = np.zeros(self.n_points, np.int32)
        place[self.indices] = 1
        held = np.flatnonzero(place)
        place[held] = np.arange(len(held), dtype=np.int32)
        local = place[self.indices]
        return held, InstanceMasks(self.indptr, local, self.scores, self.structure, len(held))

    def without_empty(self) -> InstanceMasks:
        """The masks that hold a point."""
        held = self.sizes > 0
        return self if bool(held.all()) else self.select(held)

    def labels(self) -> npt.NDArray[np.int32]:
        """(P,) index of the smallest mask that holds each point, -1 where there is none."""
        result = np.full(self.n_points, -1, np.int32)
        for i in np.argsort(-self.sizes, kind="stable"):
            result[self[int(i)]] = i
        return result


def ascending(given: npt.ArrayLike) -> npt.NDArray[Any]:
    """The values in order, each once; as int32 where they are, else as int64."""
    members = np.asarray(given)
    if members.dtype != np.int32:
        members = members.astype(np.int64, copy=False)
    if not (members[1:] > members[:-1]).all():
        members = np.sort(members)
        members = members[np.append(True, members[1:] != members[:-1])[: len(members)]]
    return members


def intersection_counts(a: InstanceMasks, b: InstanceMasks) -> npt.NDArray[np.int64]:
    """(N_a, N_b) number of shared points of every pair of masks over the same cloud."""
    expect(a.n_points == b.n_points, f"masks over {a.n_points} points", b.n_points)
    rng = np.random.default_rng(0)
    signature = _signature(a, rng) if a is b else _signature(a, rng) + _signature(b, rng)
    _, points, counts = np.unique(signature, return_index=True, return_counts=True)
    shared = (a.at(points).multiply(counts).tocsr() @ b.at(points).T).toarray()
    result: npt.NDArray[np.int64] = np.rint(shared).astype(np.int64)
    return result


def _signature(masks: InstanceMasks, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """(P,) the sum of a random number of each mask that holds a point, modulo 2 ** 64.

    Points of the same masks, and in all likelihood no others, have the same; there are far fewer
    such groups than points.
    """
    drawn = rng.integers(-(1 << 63), 1 << 63, len(masks), np.int64)
    of_mask = sparse.csr_matrix(
        (np.repeat(drawn, masks.sizes), masks.indices, masks.indptr),
        shape=(len(masks), masks.n_points),
    )
    result: npt.NDArray[np.int64] = of_mask.T @ np.ones(len(masks), np.int64)
    return result


def iou_matrix(a: InstanceMasks, b: InstanceMasks) -> npt.NDArray[np.float64]:
    """(N_a, N_b) intersection over union of every pair; 0 where both are empty."""
    shared = intersection_counts(a, b)
    union = a.sizes[:, None] + b.sizes[None, :] - shared
    result: npt.NDArray[np.float64] = shared / np.maximum(union, 1)
    return result


def suppress_duplicates(masks: InstanceMasks, max_iou: float) -> InstanceMasks:
    """Greedy non-maximum suppression: keep a mask unless a better one overlaps it more.

    Order is by score, then by index; the kept masks stay in their original order.
    """
    overlap = iou_matrix(masks, masks)
    keep = np.zeros(len(masks), bool)
    for i in np.argsort(-masks.scores, kind="stable"):
        keep[i] = not bool((overlap[i, keep] > max_iou).any())
    return masks.select(keep)

"""From the network's logits to instance masks over the points of the cloud.

A query's mask is split into connected parts. ``faithful`` then ranks (part, class) pairs as
OpenMask3D does: the M best of the M x C pairs are kept, so that a part can appear several times
under different classes while others are dropped. ``fixed`` keeps each part once, scored by the
probability that its query holds an object at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.errors import expect

Float = npt.NDArray[np.float32]
EPSILON = 1e-6
MIN_SEGMENT_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Parts:
    """M connected parts of the queries' masks, ordered by query, then by first voxel.

    voxels: the ascending voxel rows of each. queries: (M,) int64. quality: (M,) float32, the
    mean of the mask's probability over the part.
    """

    voxels: list[npt.NDArray[np.int64]]
    queries: npt.NDArray[np.int64]
    quality: Float

    def __len__(self) -> int:
        return len(self.voxels)


@dataclass(frozen=True, eq=False)
class Ranked:
    """Proposals by falling score: parts (K,) int64, classes (K,) int64, scores (K,) float32."""

    parts: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]
    scores: Float


def class_probabilities(class_logits: Float) -> Float:
    """(Q, C + 1) softmax of the logits; the last class is "no object"."""
    shifted = np.exp(class_logits - class_logits.max(axis=1, keepdims=True))
    result: Float = (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def split_masks(
    mask_logits: Float,
    positions: npt.NDArray[np.floating],
    reach_m: float,
    *,
    min_samples: int = 1,
    min_voxels: int = 1,
) -> Parts:
    """Split the masks (logit above 0) by DBSCAN on the voxels' positions.

    mask_logits: (N, Q). positions: (N, 3) meters. reach_m: eps. min_samples: with more than 1,
    sparse voxels belong to no part. min_voxels: smaller parts are dropped.
    """
    expect(
        mask_logits.ndim == 2 and positions.shape == (len(mask_logits), 3),
        f"positions of shape ({len(mask_logits)}, 3)",
        positions.shape,
    )
    voxels: list[npt.NDArray[np.int64]] = []
    queries: list[int] = []
    quality: list[float] = []
    for query, logits in enumerate(np.ascontiguousarray(mask_logits.T)):
        rows = np.flatnonzero(logits > 0)
        if not len(rows):
            continue
        labels = _cluster(positions[rows], reach_m, min_samples)
        for label in range(int(labels.max()) + 1):
            part = rows[labels == label]
            if len(part) < min_voxels:
                continue
            voxels.append(part)
            queries.append(query)
            probability = 1.0 / (1.0 + np.exp(-logits[part].astype(np.float64)))
            quality.append(float(probability.sum() / (len(part) + EPSILON)))
    return Parts(voxels, np.array(queries, np.int64), np.array(quality, np.float32))


def _cluster(
    positions: npt.NDArray[np.floating], reach_m: float, min_samples: int
) -> npt.NDArray[np.int64]:
    if min_samples == 1:
        from om3d_core.proposals.mask3d.components import connected_components

        return connected_components(positions, reach_m)
    from sklearn.cluster import DBSCAN

    labels: npt.NDArray[np.int64] = DBSCAN(eps=reach_m, min_samples=min_samples).fit_predict(
        positions.astype(np.float64)
    )
    return labels


def rank_pairs(parts: Parts, probabilities: Float) -> Ranked:
    """The M best (part, class) pairs by class probability, then by probability times quality.

    probabilities: (Q, C + 1); the last column takes no part.
    """
    if not len(parts):
        return _nothing()
    table = probabilities[parts.queries, :-1]
    flat = table.reshape(-1)
    best = np.argsort(-flat, kind="stable")[: len(parts)]
    part, label = np.divmod(best, table.shape[1])
    return _by_score(part, label, flat[best] * parts.quality[part])


def rank_parts(parts: Parts, probabilities: Float) -> Ranked:
    """Each part once, by (1 - probability of no object) times quality; with the best class."""
    if not len(parts):
        return _nothing()
    table = probabilities[parts.queries]
    scores = (1.0 - table[:, -1]) * parts.quality
    return _by_score(np.arange(len(parts)), table[:, :-1].argmax(axis=1), scores)


def _by_score(
    parts: npt.NDArray[np.int64], classes: npt.NDArray[np.int64], scores: npt.NDArray[Any]
) -> Ranked:
    order = np.argsort(-scores, kind="stable")
    return Ranked(parts[order], classes[order], scores[order].astype(np.float32))


def _nothing() -> Ranked:
    empty = np.zeros(0, np.int64)
    return Ranked(empty, empty, np.zeros(0, np.float32))


def to_points(
    voxels: npt.NDArray[np.int64],
    inverse: npt.NDArray[np.int64],
    n_voxels: int,
    segments: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """The ascending points of the given voxels; inverse: (P,) voxel of each point.

    segments: (P,) ids 0..S-1; the points of a segment are then taken together, all if more than
    half of them lie in the voxels, else none.
    """
    inside = np.zeros(n_voxels, bool)
    inside[voxels] = True
    of_point = inside[inverse]
    if segments is not None:
        share = np.bincount(segments, of_point) / np.maximum(np.bincount(segments), 1)
        of_point = (share > MIN_SEGMENT_SHARE)[segments]
    return np.flatnonzero(of_point)

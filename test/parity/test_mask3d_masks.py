"""From the logits of Mask3D to instance masks, against the original's post-processing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from om3d_core.proposals.mask3d.postprocess import (
    class_probabilities,
    rank_pairs,
    split_masks,
    to_points,
)
from om3d_core.sources.datasets.label_sets import load_label_set
from parity.kinds import Fixture

Load = Callable[[str], Fixture]
Pair = tuple[int, int]
SCORE_TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("mask3d")


@pytest.mark.parametrize("prefix", ["", "seg_"])
def test_post_processing(stored: Fixture, prefix: str) -> None:
    logits, segments = stored[f"{prefix}pred_masks"], None
    if prefix:
        logits = logits[stored["voxel_segments"]]
        segments = np.unique(stored["point_segments"], return_inverse=True)[1].reshape(-1)
    reach_m = stored.meaning(f"{prefix}post_masks", "DBSCAN eps ", 0.95)
    parts = split_masks(logits, stored["voxel_raw_coords"], reach_m)
    probabilities = class_probabilities(stored[f"{prefix}pred_logits"][0])
    ranked = rank_pairs(parts, probabilities)
    assert (np.diff(ranked.scores) <= 0).all()

    points = [to_points(v, stored["inverse_map"], len(logits), segments) for v in parts.voxels]
    table = probabilities[parts.queries, :-1]
    scores = table * parts.quality[:, None]
    ours = set(zip(ranked.parts.tolist(), ranked.classes.tolist(), strict=True))
    np.testing.assert_allclose(
        ranked.scores, scores[ranked.parts, ranked.classes], rtol=0, atol=1e-7
    )
    theirs = reference_pairs(stored, prefix, points, scores)
    assert len(ours) == len(theirs) == len(parts) == len(stored[f"{prefix}post_scores"])
    # Parts of one query have its probabilities; which of them come last is left to the sorting.
    last = min(table[pair] for pair in ours)
    for pair in ours ^ theirs:
        assert table[pair] == pytest.approx(last, rel=1e-5)


def reference_pairs(
    stored: Fixture,
    prefix: str,
    points: list[npt.NDArray[np.int64]],
    scores: npt.NDArray[np.floating],
) -> set[Pair]:
    """The (part, class) of every mask of the reference.

    points: those of each part. scores: (M, C). Parts of the same points are told by the score.
    """
    masks = stored[f"{prefix}post_masks"]
    parts_of: dict[bytes, list[int]] = defaultdict(list)
    for part, rows in enumerate(points):
        parts_of[rows.tobytes()].append(part)
    index_of = {label: index for index, label in enumerate(class_ids(scores.shape[1]).tolist())}
    pairs: set[Pair] = set()
    for column, score in enumerate(stored[f"{prefix}post_scores"]):
        label = index_of[int(stored[f"{prefix}post_classes"][column])]
        candidates = [
            part
            for part in parts_of[np.flatnonzero(masks[:, column]).tobytes()]
            if (part, label) not in pairs
        ]
        assert candidates, f"no part has the points of mask {column}"
        part = min(candidates, key=lambda p: abs(float(scores[p, label] - score)))
        assert scores[part, label] == pytest.approx(score, rel=0, abs=SCORE_TOLERANCE)
        pairs.add((part, label))
    return pairs


def class_ids(n_classes: int) -> npt.NDArray[np.int64]:
    """The id that the original gives each class of the network, whose first is the chair.

    It passes over the wall and the floor; the last two numbers of 200 then have no id, and stay.
    """
    ids = load_label_set("scannet200").ids
    rows = np.arange(n_classes) + 2
    rows[0] = 1
    return np.where(rows < len(ids), ids[np.minimum(rows, len(ids) - 1)], rows)

"""Ids stay with instances."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.mapping.tracking import match_ids, voxel_iou


def cloud(points):
    n = len(points)
    return Cloud(points.astype(np.float32), np.zeros((n, 3), np.uint8),
                 np.zeros((n, 3), np.float32))


def test_overlap_of_a_resampled_cloud():
    rng = np.random.default_rng(0)
    corner = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    first = np.concatenate([c + 0.2 * rng.random((4000, 3)) for c in corner])
    second = np.concatenate([c + 0.2 * rng.random((4000, 3)) for c in corner[[2, 0, 1]]])
    members = [np.arange(4000) + 4000 * i for i in range(3)]
    masks = InstanceMasks.from_lists(members, 12000)
    iou = voxel_iou((cloud(first), masks), (cloud(second), masks), 0.05)
    assert np.array_equal(iou > 0.5, np.eye(3, dtype=bool)[[1, 2, 0]])
    ids = match_ids(iou, np.array([7, 8, 9]), 10, 0.2)
    assert ids.tolist() == [9, 7, 8]


@given(
    overlap=hnp.arrays(
        np.float64, st.tuples(st.integers(0, 6), st.integers(0, 6)), elements=st.floats(0, 1)
    )
)
@settings(max_examples=150, deadline=None)
def test_ids_are_unique_and_new_ones_were_never_used(overlap):
    old_ids = np.arange(overlap.shape[0], dtype=np.int64) * 3 + 1
    next_id = int(old_ids.max(initial=0)) + 5
    ids = match_ids(overlap, old_ids, next_id, 0.2)
    assert len(set(ids.tolist())) == overlap.shape[1]
    for new, given_id in enumerate(ids):
        if given_id < next_id:
            assert overlap[(given_id - 1) // 3, new] >= 0.2

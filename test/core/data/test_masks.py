"""InstanceMasks: construction, invariants, overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from om3d_core.data.masks import (
    InstanceMasks,
    intersection_counts,
    iou_matrix,
    suppress_duplicates,
)
from om3d_core.errors import InputError

dense_masks = hnp.arrays(bool, st.tuples(st.integers(1, 30), st.integers(0, 6)))


@given(dense=dense_masks)
@settings(max_examples=100, deadline=None)
def test_dense_round_trip(dense):
    masks = InstanceMasks.from_dense(dense)
    assert np.array_equal(masks.to_dense(), dense)
    assert np.array_equal(masks.sizes, dense.sum(axis=0))


@given(dense=dense_masks)
@settings(max_examples=100, deadline=None)
def test_overlap_equals_the_definition(dense):
    masks = InstanceMasks.from_dense(dense)
    shared = (dense[:, :, None] & dense[:, None, :]).sum(axis=0)
    union = (dense[:, :, None] | dense[:, None, :]).sum(axis=0)
    assert np.array_equal(intersection_counts(masks, masks), shared)
    assert np.allclose(iou_matrix(masks, masks), shared / np.maximum(union, 1))


@given(dense=dense_masks, limit=st.floats(0.1, 0.9))
@settings(max_examples=100, deadline=None)
def test_suppression_leaves_no_near_duplicates_and_loses_no_region(dense, limit):
    masks = InstanceMasks.from_dense(dense, np.linspace(1, 0.1, dense.shape[1]))
    kept = suppress_duplicates(masks, limit)
    overlap = iou_matrix(kept, kept)
    np.fill_diagonal(overlap, 0)
    assert (overlap <= limit).all()
    if len(masks):
        best = iou_matrix(masks, kept).max(axis=1)
        assert ((best > limit) | (best == 1) | (masks.sizes == 0)).all()


def test_labels_give_the_smallest_mask():
    masks = InstanceMasks.from_lists([np.arange(5), np.array([1, 2])], 6)
    assert masks.labels().tolist() == [0, 1, 1, 0, 0, -1]


@pytest.mark.parametrize(
    "change",
    [
        {"indptr": np.array([0, 3, 2], np.int64)},
        {"indices": np.array([0, 9, 1], np.int32)},
        {"indices": np.array([1, 0, 1], np.int32)},
        {"scores": np.array([1, np.nan], np.float32)},
        {"scores": np.array([1, 1.5], np.float32)},
        {"structure": np.zeros(3, bool)},
        {"indices": np.array([0, 1, 1], np.int64)},
    ],
)
def test_malformed_masks_are_refused(change):
    good = {
        "indptr": np.array([0, 2, 3], np.int64),
        "indices": np.array([0, 1, 1], np.int32),
        "scores": np.ones(2, np.float32),
        "structure": np.zeros(2, bool),
        "n_points": 3,
    }
    InstanceMasks(**good)
    with pytest.raises(InputError, match="expected"):
        InstanceMasks(**(good | change))

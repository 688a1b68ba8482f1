"""Views of an instance combined, and outliers among them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.tables import FeatureTable
from om3d_core.query.aggregation import (
    AGGREGATIONS,
    max_features,
    mean_crop_features,
    mean_features,
    similarities,
    similarity_matrix,
    without_outliers,
)


def table_of(vectors, valid=None) -> FeatureTable:
    vectors = np.asarray(vectors, np.float32)
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    valid = vectors.any(axis=2) if valid is None else np.asarray(valid)
    space = FeatureSpace("t@1", vectors.shape[2], True, True)
    return FeatureTable(space, unit, valid, length[:, :, 0] * valid / length.max(initial=1))


@given(n=st.integers(1, 12), spread=st.sampled_from([0.05, 0.15, 0.3, 1.0]),
       share=st.sampled_from([0.25, 0.5, 0.7]), seed=st.integers(0, 2**32 - 1))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_outliers_are_the_noise_of_dbscan(n: int, spread: float, share: float, seed: int) -> None:
    """Whatever the number of views: which points are noise does not depend on the clusters."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(2, 6))
    vectors = centers[rng.integers(2, size=n)] + spread * rng.normal(size=(n, 6))
    table = table_of(np.concatenate([vectors, np.zeros((2, 6))])[None])
    unit = table.vectors[0, :n].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    distance = np.clip(1.0 - unit @ unit.T, 0, None)
    np.fill_diagonal(distance, 0.0)
    assume(np.abs(distance - 0.1).min() > 1e-9)
    clusters = DBSCAN(eps=0.1, min_samples=int(n * share) + 1, metric="precomputed")
    kept = clusters.fit(distance).labels_ != -1
    expected = kept if kept.any() else np.ones(n, bool)
    result = without_outliers(table, 0.1, share).valid[0]
    np.testing.assert_array_equal(result, [*expected, False, False])


def test_one_view_unlike_the_others_is_left_out() -> None:
    views = [[1, 0, 0], [1, 0.1, 0], [1, 0, 0.1], [0, 1, 0], [1, 0.1, 0.1]]
    table = table_of([views, views[:2] + [[0, 0, 0]] * 3, [[0, 0, 0]] * 5])
    kept = without_outliers(table).valid
    assert kept.tolist() == [
        [True, True, True, False, True], [True, True, False, False, False], [False] * 5
    ]  # fmt: skip
    wide = without_outliers(table, distance=1.5)
    np.testing.assert_array_equal(wide.valid, table.valid)


def test_one_and_two_views_are_always_kept() -> None:
    table = table_of([[[1, 0], [0, 1]], [[1, 0], [0, 0]]])
    np.testing.assert_array_equal(without_outliers(table).valid, table.valid)


def test_aggregations_by_hand() -> None:
    table = table_of([[[0.5, 0], [0, 0.25], [0, 0]], [[0, 0]] * 3])
    query = np.array([0.6, 0.8], np.float32)
    values = {name: similarities(table, query, name) for name in AGGREGATIONS}
    diagonal = 1.4 / np.sqrt(2)
    assert values["mean"][0] == pytest.approx(diagonal)
    assert values["mean_crops"][0] == pytest.approx(2.0 / np.sqrt(5))
    assert values["mean_similarity"][0] == pytest.approx(0.7)
    assert values["max"][0] == pytest.approx(0.8)
    assert values["max_feature"][0] == pytest.approx(diagonal)
    assert [float(v[1]) for v in values.values()] == [0.0, 0.0, -np.inf, -np.inf, 0.0]


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_many_queries_at_once(aggregation: str) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(7, 4, 5))
    vectors[2, 1:], vectors[3] = 0, 0
    table, queries = table_of(vectors), table_of(rng.normal(size=(1, 6, 5))).vectors[0]
    matrix = similarity_matrix(table, queries, aggregation)
    assert np.isneginf(matrix[3]).all()
    for column, query in zip(matrix.T, queries, strict=True):
        single = similarities(table, query, aggregation)
        seen = np.arange(7) != 3
        np.testing.assert_allclose(column[seen], single[seen], atol=1e-6)


@given(n=st.integers(1, 4), k=st.integers(1, 5), levels=st.integers(1, 3),
       seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_the_mean_of_crops_is_that_of_openmask3d(n: int, k: int, levels: int, seed: int) -> None:
    """Takmaz et al. pool the unit features of all crops; a map keeps unit views and lengths."""
    rng = np.random.default_rng(seed)
    crops = rng.normal(size=(n, k, levels, 4))
    crops /= np.linalg.norm(crops, axis=3, keepdims=True)
    seen = rng.integers(1, k + 1, size=n)
    crops[np.arange(k) >= seen[:, None]] = 0
    pooled = crops.sum(axis=(1, 2)) / (seen * levels)[:, None]
    assume(np.linalg.norm(pooled, axis=1).min() > 1e-3)
    table = FeatureTable.from_means(
        FeatureSpace("t@1", 4, True, True), crops.mean(axis=2).astype(np.float32)
    )
    expected = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    np.testing.assert_allclose(mean_crop_features(table), expected, atol=1e-4)


def test_max_pooling_takes_negative_values_of_the_views_that_there_are() -> None:
    table = table_of([[[-1, 0], [-1, -1], [0, 0]]], valid=[[True, True, False]])
    half = -np.sqrt(0.5)
    expected = np.array([half, 0.0]) / abs(half)
    np.testing.assert_allclose(max_features(table)[0], expected, atol=1e-6)


def test_no_instances_and_no_views() -> None:
    for shape in ((0, 5, 3), (4, 0, 3)):
        table = table_of(np.zeros(shape))
        for name in AGGREGATIONS:
            assert similarities(table, np.ones(3, np.float32), name).shape == shape[:1]
        assert without_outliers(table).valid.shape == shape[:2]
        assert mean_features(table).shape == (shape[0], 3)

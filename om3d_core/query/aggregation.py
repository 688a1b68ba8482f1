"""Many features of an instance, one a view, combined for a query.

Views can be combined before they are compared with a query (features) or after it (similarities),
by mean or by maximum, and views unlike the others can be left out first. Nothing is encoded anew
to try another combination.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from om3d_core.data.tables import FeatureTable

Floats = npt.NDArray[np.float32]

AGGREGATIONS = ("mean", "mean_crops", "mean_similarity", "max", "max_feature")
"""mean: the unit mean of the features of the views. mean_crops: that of the features of all crops
(OpenMask3D). mean_similarity, max: mean and maximum of the similarities of the views (what the
code of OpenMask3D++ calls mean and max). max_feature: the largest value of each dimension, as max
pooling in the words of its paper."""

OUTLIER_DISTANCE = 0.1
OUTLIER_SHARE = 0.5


def mean_features(table: FeatureTable) -> Floats:
    """(N, D) unit mean over the valid views of each instance, zero where there is none."""
    return _weighted_mean(table.vectors, table.valid.astype(np.float32))


def mean_crop_features(table: FeatureTable) -> Floats:
    """(N, D) unit mean over the crops of all valid views, zero where there is no view.

    A view whose crops are alike counts for more than one whose crops are not. The aggregation of
    OpenMask3D (Takmaz et al. 2023).
    """
    return _weighted_mean(table.vectors, np.where(table.valid, table.lengths, np.float32(0)))


def max_features(table: FeatureTable) -> Floats:
    """(N, D) unit vector of the largest values of the valid views, zero where there is none."""
    low = np.where(table.valid[:, :, None], table.vectors, np.float32(-np.inf))
    largest = low.max(axis=1, initial=-np.inf)
    return _unit(np.where(table.valid.sum(axis=1)[:, None] > 0, largest, np.float32(0)))


def cosines(rows: Floats, query: Floats) -> Floats:
    """(N,) dot products of unit rows (N, D) with a unit query (D,).

    A result depends on its own row only, bit for bit, unlike that of a BLAS call.
    """
    result: Floats = np.einsum("nd,d->n", rows, query)
    return result


def view_cosines(table: FeatureTable, query: Floats) -> Floats:
    """(N, k) dot products of every view with a unit query (D,), -inf where there is no view."""
    n, k, dim = table.vectors.shape
    flat = cosines(table.vectors.reshape(n * k, dim), query).reshape(n, k)
    result: Floats = np.where(table.valid, flat, np.float32(-np.inf))
    return result


def similarities(table: FeatureTable, query: Floats, aggregation: str = "mean") -> Floats:
    """(N,) similarity of each instance with a unit query (D,), by one of :data:`AGGREGATIONS`.

    An instance without a view has -inf by similarities and 0 by features.
    """
    pooled = pooled_features(table, aggregation)
    if pooled is not None:
        return cosines(pooled, query)
    views = view_cosines(table, query)
    if aggregation == "max":
        largest: Floats = views.max(axis=1, initial=-np.inf)
        return largest
    count = table.valid.sum(axis=1)
    total = np.where(table.valid, views, np.float32(0)).sum(axis=1)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.float32(-np.inf))
    return mean.astype(np.float32)


def similarity_matrix(table: FeatureTable, queries: Floats, aggregation: str = "mean") -> Floats:
    """(N, C) similarity of each instance with each of C unit queries (C, D).

    As :func:`similarities`, which answers one query, but -inf wherever there is no view.
    """
    n, k, dim = table.vectors.shape
    pooled = pooled_features(table, aggregation)
    if pooled is not None:
        values = pooled @ queries.T
    else:
        views = (table.vectors.reshape(n * k, dim) @ queries.T).reshape(n, k, len(queries))
        valid = table.valid[:, :, None]
        if aggregation == "max":
            values = np.where(valid, views, np.float32(-np.inf)).max(axis=1, initial=-np.inf)
        else:
            count = np.maximum(table.valid.sum(axis=1), 1)[:, None]
            values = np.where(valid, views, np.float32(0)).sum(axis=1) / count
    seen = table.valid.sum(axis=1)[:, None] > 0
    return np.where(seen, values, -np.inf).astype(np.float32)


def pooled_features(table: FeatureTable, aggregation: str) -> Floats | None:
    """(N, D) unit features, or None for an aggregation of similarities."""
    if aggregation == "mean":
        return mean_features(table)
    if aggregation == "mean_crops":
        return mean_crop_features(table)
    return max_features(table) if aggregation == "max_feature" else None


def without_outliers(
    table: FeatureTable,
    distance: float = OUTLIER_DISTANCE,
    share: float = OUTLIER_SHARE,
) -> FeatureTable:
    """The table with the views that DBSCAN calls noise no longer valid (OpenMask3D++).

    Two views are neighbors within the cosine ``distance``. A view with more than ``share`` of
    the instance's n views among its neighbors, itself included, is a core (min_samples is
    ``int(n * share) + 1``); noise is what is neither a core nor the neighbor of one, whatever
    the number of clusters. If all is noise, nothing is removed.
    """
    valid = table.valid
    vectors = table.vectors.astype(np.float64)
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    near = 1.0 - np.einsum("nid,njd->nij", unit, unit) <= distance
    near &= valid[:, :, None] & valid[:, None, :]
    near |= np.eye(valid.shape[1], dtype=bool) & valid[:, :, None]
    least = (valid.sum(axis=1) * share).astype(np.int64) + 1
    core = valid & (near.sum(axis=2) >= least[:, None])
    kept = (near & core[:, None, :]).any(axis=2)
    kept = np.where(kept.any(axis=1)[:, None], kept, valid)
    return dataclasses.replace(table, valid=kept)


def _weighted_mean(vectors: Floats, weights: Floats) -> Floats:
    return _unit(np.einsum("nkd,nk->nd", vectors, weights))


def _unit(rows: Floats) -> Floats:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit

"""Aggregation and labels of OpenMask3D and OpenMask3D++, from per-view features."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from om3d_core.encoders.base import FeatureSpace
from om3d_core.evaluation.assign import AssignSettings, assign_labels
from om3d_core.evaluation.label_sets import load_label_set
from om3d_core.features import mean_crop_features, similarities, without_outliers
from om3d_core.scene import FeatureTable
from parity.kinds import Fixture

Load = Callable[[str], Fixture]
TOLERANCE = 1e-6
AGGREGATIONS = {"mean": "mean_similarity", "max": "max"}


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("features")


def text_rows(stored: Fixture, name: str) -> list[int]:
    """The rows of ``text`` that were the queries, as the description of an array says."""
    rows = re.search(r"text rows? ([\d, ]*\d)", stored.info["arrays"][name]["meaning"])
    assert rows is not None
    return [int(row) for row in rows.group(1).split(",")]


def table_of(stored: Fixture) -> FeatureTable:
    """The stored features, means over levels, which the originals do not make unit vectors."""
    means = stored["features"].astype(np.float32)
    table = FeatureTable.from_means(FeatureSpace("parity@1", means.shape[2], True, True), means)
    np.testing.assert_array_equal(table.valid, stored["view_valid"])
    return table


def compared(stored: Fixture, aggregation: str, outliers: int) -> np.ndarray:
    """(M, C) similarities with every text."""
    table = table_of(stored)
    table = without_outliers(table) if outliers else table
    columns = [similarities(table, row, AGGREGATIONS[aggregation]) for row in stored["text"]]
    return np.stack(columns, axis=1)


def test_kept_views(stored: Fixture) -> None:
    np.testing.assert_array_equal(without_outliers(table_of(stored)).valid, stored["kept_views"])


@pytest.mark.parametrize("outliers", [0, 1])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_similarities_and_labels(stored: Fixture, aggregation: str, outliers: int) -> None:
    values = compared(stored, aggregation, outliers)
    expected = stored[f"similarity_{aggregation}_outliers{outliers}"]
    seen = stored["view_valid"].any(axis=1)
    assert np.isneginf(values[~seen]).all() and np.isnan(expected[~seen]).all()
    np.testing.assert_allclose(values[seen], expected[seen], rtol=0, atol=TOLERANCE)
    labels = load_label_set("scannet200")
    np.testing.assert_array_equal(labels.ids, stored["valid_class_ids_200"])
    references = [stored[f"classes_{aggregation}_outliers{outliers}_top{k}"] for k in (1, 5)]
    for reference in references:
        ids = assign_labels(values, labels, AssignSettings(top_k=reference.shape[1])).ids
        np.testing.assert_array_equal(np.sort(ids[seen]), np.sort(reference[seen]))
        assert (ids[~seen] == -1).all()


@pytest.mark.parametrize("outliers", [0, 1])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_query_scores(stored: Fixture, aggregation: str, outliers: int) -> None:
    name = f"query_{aggregation}_outliers{outliers}"
    values = compared(stored, aggregation, outliers)[:, text_rows(stored, name)].T
    expected = stored[name]
    np.testing.assert_allclose(
        np.where(np.isneginf(values), 0.0, values), expected, rtol=0, atol=TOLERANCE
    )


def test_image_query(stored: Fixture) -> None:
    means = mean_crop_features(table_of(stored))
    (row,) = text_rows(stored, "query_image_mean")
    np.testing.assert_allclose(
        means @ stored["text"][row], stored["query_image_mean"], rtol=0, atol=TOLERANCE
    )


def test_openmask3d_baseline(stored: Fixture) -> None:
    """One feature an instance: the mean over all crops, the first label where it has none."""
    table = table_of(stored)
    means = mean_crop_features(table)
    seen = table.valid.any(axis=1)
    given = stored["baseline_features"][seen]
    given = given / np.linalg.norm(given, axis=1, keepdims=True)
    np.testing.assert_allclose(means[seen], given, rtol=0, atol=TOLERANCE)
    values = np.where(seen[:, None], means @ stored["text"].T, -np.inf)
    settings = AssignSettings(top_k=1, missing_is_first=True)
    ids = assign_labels(values, load_label_set("scannet200"), settings).ids[:, 0]
    np.testing.assert_array_equal(ids, stored["baseline_classes"])

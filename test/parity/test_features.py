"""Aggregation and labels of OpenMask3D and OpenMask3D++, from per-view features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.tables import FeatureTable
from om3d_core.evaluation.assign import AssignSettings, assign_labels
from om3d_core.query.aggregation import mean_crop_features, similarities, without_outliers
from om3d_core.sources.datasets.label_sets import LABEL_SETS, LabelSet, load_label_set
from parity.kinds import Fixture

Load = Callable[[str], Fixture]
AGGREGATIONS = {"mean": "mean_similarity", "max": "max"}
COMBINATION = r"(?P<aggregation>mean|max)_outliers(?P<outliers>[01])"


@pytest.fixture(scope="module")
def stored(load: Load) -> Fixture:
    return load("features")


@pytest.fixture(scope="module")
def seen(stored: Fixture) -> np.ndarray:
    """(M,) bool, the instances that have a view."""
    seen = stored["view_valid"].any(axis=1)
    assert seen.any()
    return seen


@pytest.fixture(scope="module")
def labels(stored: Fixture) -> LabelSet:
    """The labels of the texts: a label set of ours, in its order."""
    (match,) = stored.matches(r"valid_class_ids_\w+")
    ids = stored[match[0]].tolist()
    (labels,) = (s for s in map(load_label_set, LABEL_SETS) if s.ids.tolist() == ids)
    assert len(labels) == len(stored["text"])
    return labels


def table_of(stored: Fixture) -> FeatureTable:
    """The stored features, means over levels, which the originals do not make unit vectors."""
    means = stored["features"].astype(np.float32)
    table = FeatureTable.from_means(FeatureSpace("parity@1", means.shape[2], True, True), means)
    np.testing.assert_array_equal(table.valid, stored["view_valid"])
    return table


def compared(stored: Fixture, aggregation: str, outliers: str) -> np.ndarray:
    """(M, C) similarities with every text."""
    table = table_of(stored)
    table = without_outliers(table) if outliers == "1" else table
    columns = [similarities(table, row, AGGREGATIONS[aggregation]) for row in stored["text"]]
    return np.stack(columns, axis=1)


def nearest_column(references: np.ndarray, values: np.ndarray) -> int:
    """The column of ``references`` (M, C) that ``values`` (M,) are."""
    return int(np.abs(references - values[:, None]).max(axis=0).argmin())


def assert_close(stored: Fixture, values: np.ndarray, expected: np.ndarray, name: str) -> None:
    tolerance = stored.tolerance("similarities ", 1e-6)
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance, err_msg=name)


def test_kept_views(stored: Fixture) -> None:
    np.testing.assert_array_equal(without_outliers(table_of(stored)).valid, stored["kept_views"])


def test_similarities_and_labels(stored: Fixture, seen: np.ndarray, labels: LabelSet) -> None:
    for match in stored.matches(f"similarity_(?P<combination>{COMBINATION})"):
        values = compared(stored, match["aggregation"], match["outliers"])
        expected = stored[match[0]]
        assert np.isneginf(values[~seen]).all() and np.isnan(expected[~seen]).all()
        assert_close(stored, values[seen], expected[seen], match[0])
        for chosen in stored.matches(rf"classes_{match['combination']}_top(?P<k>\d+)"):
            reference = stored[chosen[0]]
            ids = assign_labels(values, labels, AssignSettings(top_k=int(chosen["k"]))).ids
            np.testing.assert_array_equal(
                np.sort(ids[seen]), np.sort(reference[seen]), err_msg=chosen[0]
            )
            assert (ids[~seen] == -1).all()


def test_query_scores(stored: Fixture, seen: np.ndarray) -> None:
    """A query is the text whose similarities the reference gives as its scores."""
    for match in stored.matches(f"query_(?P<combination>{COMBINATION})"):
        references = stored[f"similarity_{match['combination']}"][seen]
        values = compared(stored, match["aggregation"], match["outliers"])
        for scores in stored[match[0]]:
            row = nearest_column(references, scores[seen])
            ours = np.where(np.isneginf(values[:, row]), 0.0, values[:, row])
            assert_close(stored, ours, scores, match[0])


def test_image_query(stored: Fixture, seen: np.ndarray) -> None:
    """The picture is the text that has these scores with the means of the baseline."""
    means, text = mean_crop_features(table_of(stored)), stored["text"]
    scores = stored["query_image_mean"]
    row = nearest_column(unit(stored["baseline_features"][seen]) @ text.T, scores[seen])
    assert_close(stored, means @ text[row], scores, "query_image_mean")


def test_openmask3d_baseline(stored: Fixture, seen: np.ndarray, labels: LabelSet) -> None:
    """One feature an instance: the mean over all crops, the first label where it has none."""
    means = mean_crop_features(table_of(stored))
    given = unit(stored["baseline_features"][seen])
    assert_close(stored, means[seen], given, "baseline_features")
    values = np.where(seen[:, None], means @ stored["text"].T, -np.inf)
    settings = AssignSettings(top_k=1, missing_is_first=True)
    ids = assign_labels(values, labels, settings).ids[:, 0]
    np.testing.assert_array_equal(ids, stored["baseline_classes"])


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)

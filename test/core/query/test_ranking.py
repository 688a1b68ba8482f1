"""The best of many are those that sorting all finds, ties by id included."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.query.ranking import best_first


@pytest.mark.parametrize("limit", [1, 7, 200, 999, 1000, 5000])
def test_the_best_are_those_of_a_whole_sort(limit):
    rng = np.random.default_rng(3)
    values = rng.integers(-5, 5, 1000).astype(np.float64)
    values[:3] = np.inf, -np.inf, -0.0
    ids = rng.permutation(1000).astype(np.int64)
    expected = sorted(range(1000), key=lambda i: (-values[i], ids[i]))[:limit]
    assert best_first(values, ids, limit).tolist() == expected


def test_of_nothing_nothing_is_best():
    assert len(best_first(np.zeros(0), np.zeros(0, np.int64), 5)) == 0

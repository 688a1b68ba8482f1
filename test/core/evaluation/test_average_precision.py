"""The area under a curve of precision and recall, and the counts that it is made from."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.errors import InputError
from om3d_core.evaluation.average_precision import Overlaps, curve_area


def test_curve_by_hand():
    # Found 1 of 2 at score 0.9, nothing at 0.8, the other at 0.7: (precision, recall) runs over
    # (1, 0) (1, 1/2) (1/2, 1/2) (2/3, 1); each precision weighs half the recall between its
    # neighbors, the first and the last from their own.
    area = curve_area(np.array([0.8, 0.9, 0.7]), np.array([False, True, True]), 2)
    steps = np.array([(0.5 - 0) / 2, (0.5 - 0) / 2, (1 - 0.5) / 2, (1 - 0.5) / 2])
    assert area == pytest.approx(steps @ [1, 1, 1 / 2, 2 / 3])


def test_equal_scores_are_one_point_of_the_curve():
    area = curve_area(np.full(4, 0.5), np.array([True, False, False, True]), 2)
    assert area == pytest.approx((1.0 + 0.5) / 2)


def test_overlaps_check_their_shapes():
    with pytest.raises(InputError):
        Overlaps(np.ones(2, np.float32), *[np.zeros(1, np.int64)] * 2, np.zeros((2, 1), np.int64),
                 np.zeros(2, np.int64))

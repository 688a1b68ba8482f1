"""Tables of views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from om3d_core.data.tables import ViewTable


def test_the_span_of_views_is_their_earliest_and_latest_stamp():
    stamps = np.array([[30, 10, 20], [5, -1, -1], [-1, -1, -1], [0, 9, -1]])
    views = replace(ViewTable.empty(4, 3), stamps=stamps)
    assert views.span_ns.tolist() == [[10, 30], [5, 5], [-1, -1], [0, 9]]


@pytest.mark.parametrize(("n", "k"), [(0, 0), (0, 5), (2, 0)])
def test_without_views_there_is_no_span(n, k):
    assert ViewTable.empty(n, k).span_ns.tolist() == [[-1, -1]] * n

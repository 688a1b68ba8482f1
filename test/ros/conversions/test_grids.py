"""Occupancy grids as messages, and what is refused of them."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
from helpers.ground import drawn
from helpers.ground_messages import ground_message
from nav_msgs.msg import OccupancyGrid

from om3d_core.errors import InputError
from om3d_ros.conversions.grids import to_grid


def make(**changed):
    """A message of 3 x 2 cells with other values at some paths."""
    message = ground_message(drawn("..# ?#.", 0.05, (1.0, -2.0, 0.1), 0.7))
    for path, value in changed.items():
        *owners, name = path.split("__")
        owner = message
        for field in owners:
            owner = getattr(owner, field)
        setattr(owner, name, value)
    return message


def test_a_grid_comes_back():
    grid = to_grid(make())
    assert grid.cells.tolist() == [[-1, 100, 0], [0, 0, 100]]
    assert grid.resolution_m == pytest.approx(0.05) and grid.yaw_rad == pytest.approx(0.7)
    assert np.allclose(grid.origin_m, (1.0, -2.0, 0.1))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": array("b", [0] * 5)}, "= 3 [*] 2 cells, got 5"),
        ({"data": array("b", [0] * 7)}, "= 3 [*] 2 cells, got 7"),
        ({"info__width": 0}, "info.width"),
        ({"info__height": 0, "info__width": 0, "data": array("b")}, "info.width"),
        ({"info__width": 2**32 - 1, "info__height": 2**32 - 1}, "info.width"),
        ({"info__resolution": 0.0}, "resolution"),
        ({"info__resolution": -0.05}, "resolution"),
        ({"info__resolution": math.nan}, "resolution"),
        ({"info__resolution": math.inf}, "resolution"),
        ({"info__origin__position__x": math.nan}, "translation"),
        ({"info__origin__position__y": 1e300}, "origin"),
        ({"info__origin__orientation__w": 0.0, "info__origin__orientation__z": 0.0}, "quaternion"),
        ({"info__origin__orientation__x": 0.3}, "turned about z only"),
    ],
)
def test_a_grid_that_is_none_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        to_grid(make(**changed))


def test_a_message_of_nothing_is_refused():
    with pytest.raises(InputError, match="info.width"):
        to_grid(OccupancyGrid())

"""Grids and what is refused of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from om3d_core.errors import InputError
from om3d_core.navigation import occupancy
from om3d_core.navigation.occupancy import OccupancyGrid, Window

CELLS = np.zeros((3, 4), np.int8)
ORIGIN = (1.0, 2.0, 0.5)


@pytest.mark.parametrize("resolution_m", [0.0, -0.05, math.nan, math.inf, 1e-6, 1e6])
def test_a_resolution_that_is_none_is_refused(resolution_m):
    with pytest.raises(InputError, match="resolution"):
        OccupancyGrid(CELLS, resolution_m, ORIGIN, 0.0)


@pytest.mark.parametrize(
    "cells", [CELLS[:0], CELLS[:, :0], CELLS[0], CELLS.astype(np.uint8), CELLS.astype(float)]
)
def test_cells_that_are_none_are_refused(cells):
    with pytest.raises(InputError, match="cells"):
        OccupancyGrid(cells, 0.05, ORIGIN, 0.0)


def test_a_huge_grid_is_refused(monkeypatch):
    monkeypatch.setattr(occupancy, "MAX_CELLS", 11)
    with pytest.raises(InputError, match="1 to 11 cells, got 12"):
        OccupancyGrid(CELLS, 0.05, ORIGIN, 0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e300])
def test_an_origin_beyond_all_is_refused(bad):
    with pytest.raises(InputError, match="origin"):
        OccupancyGrid(CELLS, 0.05, (0.0, bad, 0.0), 0.0)
    with pytest.raises(InputError, match="yaw"):
        OccupancyGrid(CELLS, 0.05, ORIGIN, math.nan)


def test_a_point_is_in_the_cell_that_a_turned_grid_has_there():
    grid = OccupancyGrid(CELLS, 0.5, ORIGIN, math.pi / 2)
    plane = grid.to_plane([0.4, 3.8])  # 1.8 m along x of the grid and 0.6 m along its y
    assert np.allclose(plane, [1.8, 0.6])
    assert grid.cell_of(plane) == (1, 3)
    assert np.allclose(grid.from_plane(plane), [0.4, 3.8])
    assert grid.cell_of(np.array([2.01, 0.6])) is None
    assert grid.cell_of(np.array([-0.01, 0.6])) is None


def test_a_window_holds_the_cells_that_a_rectangle_touches():
    window = Window.around(np.array([-0.1, 0.3]), np.array([0.6, 0.9]), 0.25)
    assert window == Window(1, 4, -1, 3)
    assert window.clipped((3, 2)) == Window(1, 3, 0, 2)
    x, y = window.centers(0.25)
    assert np.allclose(x, [[-0.125, 0.125, 0.375, 0.625]])
    assert np.allclose(y, [[0.375], [0.625], [0.875]])
    assert Window(5, 9, 5, 9).clipped((3, 2)).shape == (0, 0)

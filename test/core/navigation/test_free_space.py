"""Where a robot has room, and what it reaches, found in another way."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.ground import drawn
from scipy import ndimage

from om3d_core.errors import RobotBlockedError
from om3d_core.navigation.free_space import FreeSpace, distances_m
from om3d_core.navigation.occupancy import OccupancyGrid, Window
from om3d_core.navigation.settings import StandingSettings

ALL = Window(0, 30, 0, 20)


def random_cells(seed):
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([0, 100, -1], np.int8), (30, 20), p=[0.6, 0.2, 0.2])


@pytest.mark.parametrize("seed", range(20))
def test_the_robot_reaches_what_is_connected_with_its_cell_over_corners_too(seed):
    grid = OccupancyGrid(random_cells(seed), 0.25, (-1.0, 2.0, 0.0), 0.3)
    space = FreeSpace(grid, StandingSettings(robot_radius_m=0.1))
    parts, _ = ndimage.label(grid.cells == 0, np.ones((3, 3)))
    for row, column in ((3, 3), (15, 10), (28, 17)):
        xy = grid.from_plane([(column + 0.5) * 0.25, (row + 0.5) * 0.25])
        if parts[row, column]:
            assert np.array_equal(space.reached_from(xy, ALL), parts == parts[row, column])
        else:
            with pytest.raises(RobotBlockedError):
                space.reached_from(xy, ALL)


@pytest.mark.parametrize("seed", range(3))
def test_distances_are_exact_and_beyond_the_grid_nothing_is_free(seed):
    free = random_cells(seed) == 0
    exact = ndimage.distance_transform_edt(np.pad(free, 1))[1:-1, 1:-1] * 0.25
    assert np.allclose(distances_m(free, 0.25), exact, atol=1e-6)
    assert distances_m(np.ones((3, 5), np.bool_), 0.5)[1, 2] == 1.0


def test_what_is_free_follows_the_settings():
    grid = drawn("#?.")
    assert FreeSpace(grid, StandingSettings()).free.tolist() == [[False, False, True]]
    open_ = FreeSpace(grid, StandingSettings(unknown_is_free=True))
    assert open_.free.tolist() == [[False, True, True]]
    costmap = OccupancyGrid(np.array([[0, 65, 66, 99, 100]], np.int8), 0.1, (0.0, 0.0, 0.0), 0.0)
    assert FreeSpace(costmap, StandingSettings()).free.tolist()[0] == [True, True] + 3 * [False]
    lethal = FreeSpace(costmap, StandingSettings(occupied_above=99))
    assert lethal.free.tolist() == [4 * [True] + [False]]

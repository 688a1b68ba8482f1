"""What the map holds over the cells of a grid."""

from __future__ import annotations

import math

import numpy as np

from om3d_core.navigation.occupancy import OccupancyGrid, Window
from om3d_core.navigation.settings import StandingSettings
from om3d_core.navigation.surroundings import Surroundings

FLOOR_M = 1.5
GRID = OccupancyGrid(np.zeros((4, 6), np.int8), 0.5, (1.0, 2.0, FLOOR_M), math.pi / 2)
"""Its x axis is the map's y axis."""
ROWS = Window(1, 4, 1, 5)


def over(*points, own=()):
    """The heights of points (row, column, height over the floor)."""
    xyz = np.array([
        (*GRID.from_plane([(column + 0.5) * 0.5, (row + 0.5) * 0.5]), FLOOR_M + height)
        for row, column, height in points
    ], np.float32)
    return Surroundings(xyz, np.array(own, np.int32)).over(GRID, ROWS)


def cells(mask):
    assert mask.shape == ROWS.shape
    return [(row + ROWS.row0, column + ROWS.column0) for row, column in np.argwhere(mask).tolist()]


def test_points_stand_in_their_cells_between_two_heights():
    heights = over((1, 1, 0.5), (3, 4, 0.9), (2, 2, 0.05), (2, 3, 1.2), (0, 1, 0.5), (1, 5, 0.5))
    assert cells(heights.stands(0.1, 1.0)) == [(1, 1), (3, 4)]


def test_the_points_of_the_instance_itself_do_not_count():
    assert cells(over((1, 1, 0.5), (2, 2, 0.5), own=[0]).stands(0.1, 1.0)) == [(2, 2)]


def test_hidden_is_what_is_behind_things_as_tall_as_the_line_of_sight():
    """Of a thing at 0.6 m: a wall and a beam hide it, a counter and a lamp do not."""
    heights = over(
        (1, 1, 0.0), (1, 1, 0.7), (1, 2, 0.5), (1, 3, 0.9), (1, 4, 1.4), (2, 1, 0.0), (2, 2, 0.0)
    )
    occupied = np.zeros(ROWS.shape, np.bool_)
    occupied[[0, 1, 2], [1, 0, 3]] = True
    settings = StandingSettings(robot_height_m=1.0)
    assert cells(heights.hides(occupied, settings, 0.6)) == [(1, 1), (1, 3), (3, 4)]
    assert cells(heights.hides(occupied, settings, 1.3)) == [(3, 4)]
    assert cells(heights.hides(occupied, settings, 1.0)) == [(3, 4)]
    assert cells(heights.hides(occupied, settings, -1.0)) == [
        (1, 1), (1, 2), (1, 3), (3, 4)
    ]


def test_of_no_points_there_are_no_heights():
    assert not over((9, 9, 0.5)).stands(0.0, 9.0).any()
    empty = Surroundings(np.zeros((0, 3), np.float32), np.zeros(0, np.int32))
    assert not empty.over(GRID, ROWS).stands(0.0, 9.0).any()

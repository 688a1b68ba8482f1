"""Grids of the ground drawn with letters, and boxes on them."""

from __future__ import annotations

import numpy as np

from om3d_core.data.boxes import Box
from om3d_core.navigation.occupancy import OccupancyGrid

CELLS = {".": 0, "#": 100, "?": -1}


def drawn(text, resolution_m=0.25, origin_m=(0.0, 0.0, 0.0), yaw_rad=0.0):
    """A grid of lines of letters: the last line is row 0, as one sees it on a map."""
    rows = [line.strip() for line in text.split()][::-1]
    cells = np.array([[CELLS[letter] for letter in row] for row in rows], np.int8)
    return OccupancyGrid(cells, resolution_m, origin_m, yaw_rad)


def room(width_m, height_m, resolution_m=0.05, walls=(), origin_m=(0.0, 0.0, 0.0)):
    """A free room within walls, and further walls (x0, y0, x1, y1) in meters from its corner."""
    shape = round(height_m / resolution_m), round(width_m / resolution_m)
    cells = np.zeros(shape, np.int8)
    cells[[0, -1]] = 100
    cells[:, [0, -1]] = 100
    for wall in walls:
        x0, y0, x1, y1 = (round(value / resolution_m) for value in wall)
        cells[y0:y1, x0:x1] = 100
    return OccupancyGrid(cells, resolution_m, origin_m, 0.0)


def upright(x, y, size_x, size_y, z=0.4, height=0.8, yaw_rad=0.0):
    """An upright box."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    axes = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return Box(np.array([x, y, z]), np.array([size_x, size_y, height]), axes)

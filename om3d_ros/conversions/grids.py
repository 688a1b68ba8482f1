"""nav_msgs/OccupancyGrid to the grid of the core."""

from __future__ import annotations

import math

import numpy as np
from nav_msgs.msg import OccupancyGrid as OccupancyGridMsg

from om3d_core.errors import expect
from om3d_core.navigation.occupancy import MAX_CELLS, OccupancyGrid
from om3d_ros.conversions.poses import to_matrix

LEVEL = 0.999
"""Least cosine of the angle between the grid's z axis and the map's."""


def to_grid(message: OccupancyGridMsg) -> OccupancyGrid:
    """The grid of a message, in its frame; the cells are not copied.

    Raises InputError naming the field at fault.
    """
    info = message.info
    size = info.width * info.height
    expect(0 < size <= MAX_CELLS, f"info.width * info.height of 1 to {MAX_CELLS}",
           f"{info.width} * {info.height}")
    expect(len(message.data) == size,
           f"data of info.width * info.height = {info.width} * {info.height} cells",
           len(message.data))
    map_from_grid = to_matrix(info.origin)
    expect(map_from_grid[2, 2] >= LEVEL, "info.origin that is turned about z only",
           info.origin.orientation)
    x, y, z = map_from_grid[:3, 3].tolist()
    yaw_rad = math.atan2(map_from_grid[1, 0], map_from_grid[0, 0])
    cells = np.frombuffer(message.data, np.int8).reshape(info.height, info.width)
    return OccupancyGrid(cells, float(info.resolution), (x, y, z), yaw_rad)

"""Grids of the ground as messages."""

from __future__ import annotations

from array import array

from nav_msgs.msg import OccupancyGrid

from om3d_ros.conversions.poses import standing_pose
from om3d_ros.conversions.stamps import header


def ground_message(grid, frame_id="map"):
    message = OccupancyGrid(header=header(frame_id, 0))
    message.info.height, message.info.width = grid.cells.shape
    message.info.resolution = grid.resolution_m
    message.info.origin = standing_pose(grid.origin_m, grid.yaw_rad)
    message.data = array("b", grid.cells.tobytes())
    return message

"""Answers to om3d/GoalNear, from the newest map and the newest usable occupancy grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from nav_msgs.msg import OccupancyGrid as OccupancyGridMsg

from om3d_core.data.text import one_line
from om3d_core.errors import InputError, Om3dError
from om3d_core.navigation.free_space import FreeSpace
from om3d_core.navigation.occupancy import OccupancyGrid
from om3d_core.navigation.standing_place import StandingPlace, place_to_stand
from om3d_core.navigation.surroundings import Surroundings
from om3d_ros.conversions.grids import to_grid
from om3d_ros.conversions.poses import standing_pose, to_xyz
from om3d_ros.conversions.stamps import check_frame, header
from om3d_ros.node.outcomes import MAX_MESSAGE, FrameError, NoGridError
from om3d_ros.node.settings import QueryNodeSettings
from om3d_ros.query_session import Answering, Found
from om3d_ros.robot_place import RobotPlace

GRID_TOPIC = "map"
FLOAT32_DIGITS = 6
UPRIGHT = 0.95
"""Least cosine of the angle between the map's z axis and up."""


class GoalsNear:
    """All methods are called from one thread."""

    def __init__(self, settings: QueryNodeSettings, answering: Answering, logger: Any):
        self._settings, self._answering, self._logger = settings, answering, logger
        self._grid: OccupancyGrid | None = None
        self._space: FreeSpace | None = None
        self._refused = ""
        self.robot = RobotPlace(settings.map_frame, settings.goal.robot_frame, self._reject_tf)

    def apply(self, settings: QueryNodeSettings) -> None:
        """Take over the settings that can change while configured."""
        self._settings, self._space = settings, None

    @property
    def complaint(self) -> str:
        """What is wrong with the newest grid, for people."""
        if not self._refused:
            return ""
        return f"the newest grid on {GRID_TOPIC} was refused: {self._refused}"

    def take_grid(self, message: OccupancyGridMsg) -> None:
        """Take a grid; one that is refused leaves the former in use."""
        try:
            check_frame(GRID_TOPIC, message.header, self._settings.map_frame)
            self._grid = to_grid(message)
        except Om3dError as error:
            self._refused = one_line(str(error)[:MAX_MESSAGE])
            self._logger.warning(self.complaint, throttle_duration_sec=2.0)
        else:
            self._space, self._refused = None, ""

    def answer(self, request: Any, response: Any) -> Any:
        """Answer om3d/GoalNear; returns the response."""
        if bool(request.instance_id) == bool(request.text.strip()):
            raise InputError("expected exactly one of instance_id and text, got "
                             f"{'both' if request.instance_id else 'none'}")
        found = self._answering.find(request.instance_id, request.text, request.map)
        check_frame("instances", found.about.header, self._settings.map_frame)
        scene = found.about.scene
        if scene.up[2] < UPRIGHT:
            raise FrameError(f"expected a map whose up is z (gravity.up), got {scene.up}")
        with self._answering.latencies.measure("goal"):
            place = self._place(found, request)
        response.goal.header = header(self._settings.map_frame, 0)
        response.goal.pose = standing_pose(place.position, place.yaw_rad)
        response.instance_id = int(scene.ids[found.row])
        response.label = scene.labels[found.row]
        response.probability = found.probability
        response.distance_m, response.room_m = place.distance_m, place.room_m
        response.in_sight, response.reachability_checked = place.in_sight, place.reachable
        response.map_id, response.revision = scene.map_id, scene.revision
        response.stale, response.map = found.stale, found.about.name
        return response

    def _place(self, found: Found, request: Any) -> StandingPlace:
        scene = found.about.scene
        around = Surroundings(scene.cloud.points, scene.masks[found.row])
        stand_off_m = round(request.stand_off_m, FLOAT32_DIGITS) or None
        return place_to_stand(
            self._free_space(), found.box, around, self._robot_xy(request.robot), stand_off_m
        )

    def _robot_xy(self, robot: Any) -> npt.NDArray[np.float64] | None:
        """Where the robot is by the request, or else by tf; None if neither is to tell."""
        if robot.header.frame_id:
            check_frame("robot", robot.header, self._settings.map_frame)
            return to_xyz(robot.pose.position)[:2]
        return self.robot.xy() if self._settings.goal.robot_frame else None

    def _free_space(self) -> FreeSpace:
        if self._grid is None:
            missing = self.complaint or f"none has come on {GRID_TOPIC} yet"
            raise NoGridError(f"expected an occupancy grid: {missing}")
        if self._space is None:
            self._space = FreeSpace(self._grid, self._settings.goal)
        return self._space

    def _reject_tf(self, error: Exception) -> None:
        text = f"a transform was refused: {error}"[:MAX_MESSAGE]
        self._logger.warning(text, throttle_duration_sec=2.0)

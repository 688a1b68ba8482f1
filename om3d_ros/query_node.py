"""The query node: maps of mappers in, answers and their markers out. A lifecycle node.

It needs nothing of a mapper but two topics and may run on another machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from nav_msgs.msg import OccupancyGrid
from om3d.msg import Error
from om3d.srv import GoalNear, ListInstances, QueryImage, QueryText
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.exceptions import InvalidHandle
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from om3d_core.encoders.settings import EncoderSettings
from om3d_core.query.settings import QuerySettings
from om3d_ros.goal_near import GRID_TOPIC, GoalsNear
from om3d_ros.map_link import MapLink
from om3d_ros.node import qos
from om3d_ros.node.diagnostics import Health
from om3d_ros.node.executor import OneAtATime
from om3d_ros.node.lifecycle import ManagedNode
from om3d_ros.node.outcomes import NotActiveError, carry_out
from om3d_ros.node.parameters import ParameterSet
from om3d_ros.node.process import run
from om3d_ros.node.settings import QueryNodeSettings
from om3d_ros.query_session import Answering

PARAMETERS = ParameterSet(
    (QueryNodeSettings, QuerySettings, EncoderSettings),
    live=frozenset({
        "top_k", "aggregation", "image_aggregation", "include_structure", "present_threshold",
        "answer.thumbnails", "answer.max_text_bytes", "answer.encoder_wait_s",
        "markers.max_instances", "markers.max_points", "markers.point_size_m",
        "markers.line_width_m", "markers.text_height_m", "diagnostics.period_s",
        "goal.robot_radius_m", "goal.half_width_m", "goal.clearance_m", "goal.stand_off_m",
        "goal.max_stand_off_m", "goal.occupied_above", "goal.unknown_is_free",
        "goal.robot_height_m", "goal.floor_m",
    }),
    read_only=frozenset({"autostart", "maps"}),
)


SOUGHT_S = 1.0
SHOWN_S = 0.2
"""Time between two looks for what is new to show; making its markers delays other answers."""


class QueryNode(ManagedNode):
    """Wiring of :class:`~om3d_ros.query_session.Answering` to topics and services."""

    def __init__(self) -> None:
        self._answering: Answering | None = None
        self._goals: GoalsNear | None = None
        super().__init__("query", PARAMETERS, QueryNodeSettings)
        questions = MutuallyExclusiveCallbackGroup()
        self.serve(QueryText, "~/query_text", self._query_text, questions)
        self.serve(QueryImage, "~/query_image", self._query_image, questions)
        self.serve(ListInstances, "~/list_instances", self._list, questions)
        self.serve(GoalNear, "~/goal_near", self._goal_near, questions)
        names, group = self.parameters.get(QueryNodeSettings).map_names, OneAtATime()
        self._links = [MapLink(self, name, group) for name in names]
        self.steady_timer(SOUGHT_S, self._seek_maps)
        self.steady_timer(SHOWN_S, self._publish_markers, OneAtATime())

    def set_up(self) -> None:
        """Make ready; encoders are loaded when a map says which."""
        self._markers = self.publisher(MarkerArray, "~/markers", qos.latched())
        self._named = self.publisher(MarkerArray, "~/instance_markers", qos.latched())
        settings, logger = self.parameters.get(QueryNodeSettings), self.get_logger()
        self._answering = Answering(
            settings,
            self.parameters.get(QuerySettings),
            self.parameters.get(EncoderSettings),
            {link.name: link.freshness for link in self._links},
            logger,
        )
        self._goals = GoalsNear(settings, self._answering, logger)

    def start(self) -> None:
        """Subscribe to the maps, to a grid and, where it is to tell the robot's place, to tf."""
        answering = self._running()
        for link in self._links:
            link.start(partial(answering.take_update, name=link.name))
        goals, listen = self._require_goals(), partial(self.listen, reliability=qos.AS_OFFERED)
        listen(OccupancyGrid, GRID_TOPIC, goals.take_grid, 1)
        if self.parameters.get(QueryNodeSettings).goal.robot_frame:
            for topic, fixed in (("/tf", False), ("/tf_static", True)):
                take = partial(goals.robot.take, fixed=fixed)
                listen(TFMessage, topic, take, qos.POSE_DEPTH)

    def stop(self) -> None:
        """Forget the subscriptions, which have ended; the maps stay."""
        for link in self._links:
            link.stop()

    def tear_down(self) -> None:
        """Free the encoders and the maps."""
        if self._answering is not None:
            self._answering.close()
            self._answering = self._goals = None

    def apply(self, names: Collection[str]) -> None:
        """Use changed parameters."""
        settings = self.parameters.get(QueryNodeSettings)
        if self._answering is not None:
            self._answering.apply(settings, self.parameters.get(QuerySettings))
        if self._goals is not None:
            self._goals.apply(settings)

    def health(self) -> Health:
        """What /diagnostics says."""
        if self._answering is None:
            return Health(values={"active": False})
        health = self._answering.health(self.is_active)
        if self._goals is not None and (complaint := self._goals.complaint):
            health = replace(health, warnings={**health.warnings, "grid": complaint})
        return health

    def _seek_maps(self) -> None:
        answering = self._answering
        if answering is None or not self.is_active:
            return
        for link in self._links:
            link.seek(answering.maps[link.name].copy)

    def _query_text(self, request: Any, response: Any) -> Any:
        return self._respond(response, lambda out: self._ready().text(request, out))

    def _query_image(self, request: Any, response: Any) -> Any:
        return self._respond(response, lambda out: self._ready().image(request, out))

    def _list(self, request: Any, response: Any) -> Any:
        return self._respond(response, lambda out: self._ready().list(request, out))

    def _goal_near(self, request: Any, response: Any) -> Any:
        def work(out: Any) -> None:
            self.require_active()
            self._require_goals().answer(request, out)

        return self._respond(response, work)

    def _respond(self, response: Any, work: Callable[[Any], Any]) -> Any:
        done = carry_out(response, work, self.get_logger())
        if done.error_code != Error.NONE and self._answering is not None:
            self._answering.count_failure(done.error_msg)
        return done

    def _publish_markers(self) -> None:
        """Show the newest answer and the maps to whoever looks, beside the next answers."""
        answering = self._answering
        if answering is None or not self.is_active:
            return
        for publisher, make in (
            (self._markers, answering.markers), (self._named, answering.instance_markers)
        ):
            with suppress(InvalidHandle):
                if publisher.get_subscription_count() and (markers := make()) is not None:
                    self.publish(publisher, markers)

    def _ready(self) -> Answering:
        self.require_active()
        return self._running()

    def _require_goals(self) -> GoalsNear:
        if self._goals is None:
            raise NotActiveError("expected a configured query node")
        return self._goals

    def _running(self) -> Answering:
        if self._answering is None:
            raise NotActiveError("expected a configured query node")
        return self._answering


def main(args: Sequence[str] | None = None) -> int:
    """Run the query node."""
    return run(QueryNode, args)


if __name__ == "__main__":
    sys.exit(main())

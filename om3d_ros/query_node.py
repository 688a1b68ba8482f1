"""The query node: the mapper's two topics in, answers and their markers out. A lifecycle node.

It needs nothing of the mapper but its topics and may run on another machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from om3d.msg import Error, InstanceArray
from om3d.srv import ListInstances, QueryImage, QueryText
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from om3d_core.encoders.settings import EncoderSettings
from om3d_core.query.scene_query import QuerySettings
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
        "markers.max_points",
        "markers.point_size_m", "markers.line_width_m", "markers.text_height_m",
        "diagnostics.period_s",
    }),
    read_only=frozenset({"autostart"}),
)


# Least time between two publications of markers; conversion of their points delays answers.
SHOWN_S = 0.5


class QueryNode(ManagedNode):
    """Wiring of :class:`~om3d_ros.query_session.Answering` to topics and services."""

    def __init__(self) -> None:
        self._answering: Answering | None = None
        super().__init__("query", PARAMETERS, QueryNodeSettings)
        questions = MutuallyExclusiveCallbackGroup()
        self.serve(QueryText, "~/query_text", self._query_text, questions)
        self.serve(QueryImage, "~/query_image", self._query_image, questions)
        self.serve(ListInstances, "~/list_instances", self._list, questions)
        self._unshown: MarkerArray | None = None
        self._answered = self.create_guard_condition(self._publish_markers, OneAtATime())

    def set_up(self) -> None:
        """Make ready; encoders are loaded when a map says which."""
        self._markers = self.publisher(MarkerArray, "~/markers", qos.latched())
        self._answering = Answering(
            self.parameters.get(QueryNodeSettings),
            self.parameters.get(QuerySettings),
            self.parameters.get(EncoderSettings),
            self.get_logger(),
        )

    def start(self) -> None:
        """Subscribe to the map."""
        answering = self._running()
        events = SubscriptionEventCallbacks(
            liveliness=lambda event: answering.set_alive(event.alive_count)
        )
        maps = OneAtATime()
        self.subscribe(
            InstanceArray, "instances", answering.take_instances,
            qos.latched_alive(publisher=False), event_callbacks=events, callback_group=maps,
        )
        self.subscribe(
            PointCloud2, "instance_cloud", answering.take_cloud, qos.latched(),
            callback_group=maps,
        )

    def tear_down(self) -> None:
        """Free the encoders and the map."""
        if self._answering is not None:
            self._answering.close()
            self._answering = None

    def apply(self, names: Collection[str]) -> None:
        """Use changed parameters."""
        if self._answering is not None:
            self._answering.apply(
                self.parameters.get(QueryNodeSettings), self.parameters.get(QuerySettings)
            )

    def health(self) -> Health:
        """What /diagnostics says."""
        if self._answering is None:
            return Health(values={"active": False})
        return self._answering.health(self.is_active)

    def _query_text(self, request: Any, response: Any) -> Any:
        return self._show(self._respond(response, lambda out: self._ready().text(request, out)))

    def _query_image(self, request: Any, response: Any) -> Any:
        return self._show(self._respond(response, lambda out: self._ready().image(request, out)))

    def _list(self, request: Any, response: Any) -> Any:
        return self._respond(response, lambda out: self._ready().list(request, out))

    def _respond(self, response: Any, work: Callable[[Any], Any]) -> Any:
        done = carry_out(response, work, self.get_logger())
        if done.error_code != Error.NONE and self._answering is not None:
            self._answering.count_failure(done.error_msg)
        return done

    def _show(self, response: Any) -> Any:
        if response.error_code == Error.NONE:
            self._unshown = response.markers
            self._answered.trigger()
        return response

    def _publish_markers(self) -> None:
        """Show the newest answer, after it was sent; of many answers at once only some."""
        markers, self._unshown = self._unshown, None
        if markers is not None:
            self.publish(self._markers, markers)
            time.sleep(SHOWN_S)

    def _ready(self) -> Answering:
        self.require_active()
        return self._running()

    def _running(self) -> Answering:
        if self._answering is None:
            raise NotActiveError("expected a configured query node")
        return self._answering


def main(args: Sequence[str] | None = None) -> int:
    """Run the query node."""
    return run(QueryNode, args)


if __name__ == "__main__":
    sys.exit(main())

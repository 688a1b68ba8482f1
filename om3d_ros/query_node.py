"""The query node: the mapper's two topics in, answers and their markers out. A lifecycle node.

It needs nothing of the mapper but its topics and may run on another machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from om3d.msg import Error, InstanceArray
from om3d.srv import ListInstances, QueryImage, QueryText
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.exceptions import InvalidHandle
from rclpy.subscription import Subscription
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from om3d_core.encoders.settings import EncoderSettings
from om3d_core.query.scene_query import QuerySettings
from om3d_ros.freshness import Freshness
from om3d_ros.node import qos
from om3d_ros.node.diagnostics import Health
from om3d_ros.node.executor import OneAtATime
from om3d_ros.node.lifecycle import ManagedNode
from om3d_ros.node.outcomes import NotActiveError, carry_out
from om3d_ros.node.parameters import ParameterSet
from om3d_ros.node.patience import Patience
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


SOUGHT_S = 1.0
SHOWN_S = 0.2
"""Time between two looks for a new answer to show; making its markers delays other answers."""


class QueryNode(ManagedNode):
    """Wiring of :class:`~om3d_ros.query_session.Answering` to topics and services."""

    def __init__(self) -> None:
        self._answering: Answering | None = None
        super().__init__("query", PARAMETERS, QueryNodeSettings)
        questions = MutuallyExclusiveCallbackGroup()
        self.serve(QueryText, "~/query_text", self._query_text, questions)
        self.serve(QueryImage, "~/query_image", self._query_image, questions)
        self.serve(ListInstances, "~/list_instances", self._list, questions)
        self._freshness = Freshness()
        self._maps: list[Subscription[Any]] = []
        self._map_group = OneAtATime()
        self._lost = self.create_guard_condition(self._subscribe_anew)
        self._patience = Patience()
        self._watch_mappers()
        self.steady_timer(SOUGHT_S, self._seek_map)
        self.steady_timer(SHOWN_S, self._publish_markers, OneAtATime())

    def set_up(self) -> None:
        """Make ready; encoders are loaded when a map says which."""
        self._markers = self.publisher(MarkerArray, "~/markers", qos.latched())
        self._answering = Answering(
            self.parameters.get(QueryNodeSettings),
            self.parameters.get(QuerySettings),
            self.parameters.get(EncoderSettings),
            self._freshness,
            self.get_logger(),
        )

    def start(self) -> None:
        """Subscribe to the map."""
        self._patience.renew()
        self._subscribe()

    def stop(self) -> None:
        """Forget the subscriptions, which have ended; the map stays."""
        self._maps = []

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

    def _subscribe_anew(self) -> None:
        if self.is_active:
            for subscription in self._maps:
                self.end_subscription(subscription)
            self._subscribe()

    def _subscribe(self) -> None:
        answering = self._running()
        self._freshness.subscribed()
        self._maps = [
            self.subscribe(kind, topic, take, qos.latched(), callback_group=self._map_group)
            for kind, topic, take in (
                (InstanceArray, "instances", answering.take_instances),
                (PointCloud2, "instance_cloud", answering.take_cloud),
            )
        ]

    def _watch_mappers(self) -> None:
        """Count the mappers that live, for as long as the node does.

        A subscription that is made later is not told by Fast DDS of those that lived before it.
        """
        self.create_subscription(
            InstanceArray, "instances", lambda _: None, qos.watching(), raw=True,
            callback_group=self._map_group,
            event_callbacks=SubscriptionEventCallbacks(
                liveliness=lambda event: self._count_mappers(event.alive_count)
            ),
        )

    def _count_mappers(self, alive: int) -> None:
        if self._freshness.count(alive):
            self._lost.trigger()

    def _seek_map(self) -> None:
        """Ask once more for a map that does not come from the mapper that lives."""
        missing = self._freshness.mappers > 0 and self._freshness.stale
        if missing and self.is_active and self._patience.ends():
            self._subscribe_anew()

    def _query_text(self, request: Any, response: Any) -> Any:
        return self._respond(response, lambda out: self._ready().text(request, out))

    def _query_image(self, request: Any, response: Any) -> Any:
        return self._respond(response, lambda out: self._ready().image(request, out))

    def _list(self, request: Any, response: Any) -> Any:
        return self._respond(response, lambda out: self._ready().list(request, out))

    def _respond(self, response: Any, work: Callable[[Any], Any]) -> Any:
        done = carry_out(response, work, self.get_logger())
        if done.error_code != Error.NONE and self._answering is not None:
            self._answering.count_failure(done.error_msg)
        return done

    def _publish_markers(self) -> None:
        """Show the newest of the answers to whoever looks, beside the next answers."""
        answering = self._answering
        if answering is None or not self.is_active:
            return
        with suppress(InvalidHandle):
            if not self._markers.get_subscription_count():
                return
            markers = answering.markers()
            if markers is not None:
                self.publish(self._markers, markers)

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

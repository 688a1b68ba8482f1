"""The mapper's topics of its map: what changed for those who follow, all for who comes late."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from om3d.msg import InstanceArray, MapUpdate
from rclpy.event_handler import PublisherEventCallbacks
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray

from om3d_core.data.scene import Scene
from om3d_ros.conversions.detections import to_detections
from om3d_ros.conversions.instances import to_cloud_of_instances, to_instances
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.conversions.map_updates import to_update
from om3d_ros.node import qos
from om3d_ros.node.executor import OneAtATime
from om3d_ros.node.lifecycle import ManagedNode
from om3d_ros.node.on_demand import OnDemand


class MapPublisher:
    """Publishes each revision of a map; its methods may be called from any thread.

    Whoever subscribes to the updates is sent the whole map once, without waiting for the next
    revision.
    """

    def __init__(self, node: ManagedNode):
        self._node = node
        self._lock = threading.Lock()
        self._sent: tuple[Scene, Header] | None = None
        group = OneAtATime()
        self._updates = node.publisher(
            MapUpdate, "~/updates", qos.results(), callback_group=group,
            event_callbacks=PublisherEventCallbacks(matched=self._welcome),
        )
        self._instances = node.publisher(InstanceArray, "~/instances", qos.latched_alive())
        self._shown = {
            to_detections: OnDemand(node, Detection3DArray, "~/detections", group),
            to_cloud_of_instances: OnDemand(node, PointCloud2, "~/instance_cloud", group),
        }

    def publish(self, scene: Scene, header: Header, whole: bool) -> None:
        """Publish what changed since the last call; all of it if ``whole``, or of another map."""
        with self._lock:
            before = None if whole or self._sent is None else self._sent[0]
            if before is not None and before.map_id != scene.map_id:
                before = None
            self._sent = scene, header
            parts = self._send(before)
            self._node.publish(self._instances, to_instances(scene, header))
        for make, topic in self._shown.items():
            topic.offer(partial(make, scene, header.frame_id), parts.look, whole)

    def _send(self, before: Scene | None) -> MapParts:
        assert self._sent is not None
        scene, header = self._sent
        base = None if before is None else MapParts.of(before)
        parts = MapParts.of(scene)
        self._node.publish(self._updates, to_update(base, parts, header))
        return parts

    def _welcome(self, event: Any) -> None:
        """Send the whole map, if there is one, to who begins to listen."""
        if event.total_count_change <= 0:
            return
        with self._lock:
            if self._sent is not None and self._updates.is_activated:
                self._send(None)

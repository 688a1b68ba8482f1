"""The mapper's topic for MoveIt: the objects of the map as differences of the planning scene."""

from __future__ import annotations

import threading
import time
from typing import Any

from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks

from om3d_core.data.scene import Scene
from om3d_core.errors import SettingsError
from om3d_ros.collision_objects import CollisionObjects, Difference
from om3d_ros.conversions.planning_scene import to_difference
from om3d_ros.conversions.solids import solids
from om3d_ros.node import qos
from om3d_ros.node.executor import OneAtATime
from om3d_ros.node.lifecycle import ManagedNode
from om3d_ros.node.settings import MoveitSettings

EXPIRE_PERIOD_S = 0.5
TAKEN = Duration(seconds=1)


class PlanningScenePublisher:
    """Keeps MoveIt at the objects of the map while the node is active.

    Who begins to listen is told all objects. Its methods may be called from any thread. Raises
    :class:`SettingsError` where moveit_msgs is not installed.
    """

    def __init__(self, node: ManagedNode, settings: MoveitSettings):
        try:
            from moveit_msgs.msg import PlanningScene
        except ImportError as error:
            raise SettingsError(
                f"moveit.enabled: expected the ROS package moveit_msgs to be installed: {error}"
            ) from error
        self._node, self._settings = node, settings
        self._lock = threading.Lock()
        self._objects = CollisionObjects(settings.keep_s)
        self._shown: tuple[Scene, str] | None = None
        self._active = False
        self._publisher = node.publisher(
            PlanningScene, "planning_scene", qos.results(), callback_group=OneAtATime(),
            event_callbacks=PublisherEventCallbacks(matched=self._welcome),
        )

    def start(self) -> None:
        """Show the map that there is, and follow it."""
        with self._lock:
            self._active = True
            self._update(anew=True)
        self._node.repeat(EXPIRE_PERIOD_S, self._expire)

    def publish(self, scene: Scene, frame_id: str, whole: bool) -> None:
        """Tell what changed; of another map, or if ``whole``, nothing of the old is kept."""
        with self._lock:
            other = self._shown is None or self._shown[0].map_id != scene.map_id
            self._shown = scene, frame_id
            if self._active:
                self._update(whole or other)

    def stop(self) -> None:
        """Remove all objects from the planning scene; wait shortly for it to be taken."""
        with self._lock:
            self._active = False
            removed = self._objects.remove_all()
            self._send(removed)
        if removed:
            self._publisher.wait_for_all_acked(TAKEN)

    def _update(self, anew: bool) -> None:
        if self._shown is not None:
            wanted = solids(self._shown[0], self._settings)
            self._send(self._objects.update(wanted, time.monotonic(), anew))

    def _expire(self) -> None:
        with self._lock:
            self._send(self._objects.expire(time.monotonic()))

    def _welcome(self, event: Any) -> None:
        """Tell all objects to who begins to listen."""
        if event.total_count_change > 0:
            with self._lock:
                self._send(Difference(self._objects.held))

    def _send(self, change: Difference) -> None:
        if change and self._shown is not None:
            message = to_difference(change.put, change.gone, self._shown[1])
            self._node.publish(self._publisher, message)

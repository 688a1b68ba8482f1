"""A node that feeds the mapper and asks the query node, spun by whoever calls it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

import rclpy
from om3d.action import Refresh
from om3d.msg import Error, InstanceArray, MapperStatus, MapUpdate
from om3d.srv import ListInstances, QueryImage, QueryText, SaveMap
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from om3d_core.data.scene import Scene
from om3d_core.errors import CanceledError, Om3dError
from om3d_core.progress import Report, silent
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.map_copy import MapCopy
from om3d_ros.node import qos

SPIN_S = 0.02
START_TIMEOUT_S = 600.0
ANSWER_TIMEOUT_S = 60.0
BUSY_PAUSE_S = 0.2
REFRESH_TIMEOUT_S = 1800.0


class ReplayError(Om3dError):
    """The nodes did not do what they were asked."""


class Client:
    """Publishers, clients and the latest of what the nodes published, on one DDS domain.

    check is called while waiting; what it raises ends the wait.
    """

    def __init__(self, domain: int, check: Callable[[], None] = lambda: None):
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self._check = check
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node("om3d_replay", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.status: MapperStatus | None = None
        self.instances: InstanceArray | None = None
        self._copy = MapCopy()
        self._parts: MapParts | None = None
        self._scene: Scene | None = None
        subscribe = self.node.create_subscription
        subscribe(MapperStatus, "mapper/status", self._take_status, qos.latched())
        subscribe(InstanceArray, "mapper/instances", self._take_instances, qos.latched())
        self._follow()
        ask = partial(self.node.create_client, qos_profile=qos.requests())
        self.query_text = ask(QueryText, "query/query_text")
        self.query_image = ask(QueryImage, "query/query_image")
        self.list_instances = ask(ListInstances, "query/list_instances")
        self._save = ask(SaveMap, "mapper/save")
        self._refresh = ActionClient(self.node, Refresh, "mapper/refresh")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._refresh.destroy()
        self._executor.shutdown()
        self.node.destroy_node()
        with suppress(Exception):
            self._context.try_shutdown()

    @property
    def scene(self) -> Scene | None:
        """The newest map, rebuilt from the updates of the mapper, or None."""
        if self._parts is not None:
            self._scene, self._parts = self._parts.scene(), None
        return self._scene

    def spin(self, timeout_s: float = SPIN_S) -> None:
        """Handle what has arrived, waiting at most ``timeout_s``."""
        self._check()
        self._executor.spin_once(timeout_s)
        if self._copy.asks():
            self.node.destroy_subscription(self._updates)
            self._follow()

    def spin_until(self, done: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Handle messages until ``done()``; raises :class:`ReplayError` after ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > deadline:
                raise ReplayError(f"expected {what} within {timeout_s:g} s, waited in vain")
            self.spin()

    def wait_for_nodes(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until both nodes are there and active."""
        self.spin_until(self._ready, timeout_s, "mapper and query to be active")

    def call(self, client: Any, request: Any, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        """The response of a service."""
        future = client.call_async(request)
        self.spin_until(future.done, timeout_s, f"an answer from {client.srv_name}")
        return future.result()

    def ask(self, client: Any, request: Any) -> Any:
        """The answer to a question, asked again while an encoder loads (BUSY)."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            response = self.call(client, request)
            if response.error_code != Error.BUSY or time.monotonic() > deadline:
                return response
            self.spin(BUSY_PAUSE_S)

    def refresh(self, report: Report = silent) -> Any:
        """Refresh the map and return the result; raises :class:`ReplayError` if it failed."""
        goal = Refresh.Goal(force=True)
        sent = self._refresh.send_goal_async(
            goal, lambda m: report(m.feedback.stage, m.feedback.done, m.feedback.total)
        )
        self.spin_until(sent.done, ANSWER_TIMEOUT_S, "the refresh to be accepted")
        answer = sent.result().get_result_async()
        self.spin_until(answer.done, REFRESH_TIMEOUT_S, "the refresh to end")
        result = answer.result().result
        if result.error_code == Error.CANCELED:
            raise CanceledError(result.error_msg)
        if result.error_code != Error.NONE:
            raise ReplayError(f"refresh failed: {result.error_msg} (code {result.error_code})")
        return result

    def save(self, name: str) -> str:
        """Save the map and return where; raises :class:`ReplayError` if it failed."""
        response = self.call(self._save, SaveMap.Request(name=name))
        if response.error_code != Error.NONE:
            raise ReplayError(f"save failed: {response.error_msg} (code {response.error_code})")
        return str(response.path)

    def wait_for_map(self, made: Any) -> Scene:
        """Wait until the query node has a map, and return that.

        made: what tells its map_id and revision, such as the result of a refresh; a later
        revision of the map will do.
        """
        request = ListInstances.Request()
        name = f"revision {made.revision} of map {made.map_id}"

        def answered() -> bool:
            response = self.call(self.list_instances, request)
            return response.error_code == Error.NONE and _is_of(response.map, made)

        self.spin_until(answered, ANSWER_TIMEOUT_S, f"{name} in the query node")
        self._copy.expect(made.map_id, made.revision)
        found: list[Scene] = []

        def arrived() -> bool:
            scene = self.scene
            if scene is not None and _is_of(scene, made):
                found.append(scene)
            return bool(found)

        self.spin_until(arrived, ANSWER_TIMEOUT_S, name)
        return found[0]

    def _ready(self) -> bool:
        clients = (self.query_text, self.query_image, self.list_instances)
        if self.status is None or not all(client.service_is_ready() for client in clients):
            return False
        if not self._refresh.server_is_ready():
            return False
        code = self.call(self.list_instances, ListInstances.Request()).error_code
        return bool(code != Error.NOT_ACTIVE)

    def _take_status(self, message: MapperStatus) -> None:
        self.status = message

    def _take_instances(self, message: InstanceArray) -> None:
        self.instances = message

    def _take_update(self, message: MapUpdate) -> None:
        taken = self._copy.take(message)
        if taken is not None and taken[1]:
            self._parts = taken[0]

    def _follow(self) -> None:
        """Subscribe to the map: what changes, and first all of it."""
        self._updates = self.node.create_subscription(
            MapUpdate, "mapper/updates", self._take_update, qos.results()
        )


def _is_of(got: Any, made: Any) -> bool:
    """Whether ``got`` is the map that was made, or a later revision of it."""
    return bool(got.map_id == made.map_id and got.revision >= made.revision)

"""A latched topic that costs nothing while nobody listens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.exceptions import InvalidHandle

from om3d_ros.node import qos
from om3d_ros.node.lifecycle import ManagedNode


class OnDemand:
    """Publishes what is offered once somebody listens, unless that was published already.

    Its methods may be called from any thread; group: whose callback publishes for who comes late.
    """

    def __init__(self, node: ManagedNode, kind: type[Any], topic: str, group: CallbackGroup):
        self._node = node
        self._lock = threading.Lock()
        self._make: Callable[[], Any] | None = None
        self._key: Hashable = None
        self._published: Hashable = None
        self._publisher = node.publisher(
            kind, topic, qos.latched(), callback_group=group,
            event_callbacks=PublisherEventCallbacks(matched=lambda _: self._send()),
        )

    def offer(self, make: Callable[[], Any], key: Hashable, anew: bool) -> None:
        """Publish the message that ``make`` makes, now or later.

        key: equal for equal messages, never None; anew: whether to publish an equal one again.
        """
        with self._lock:
            self._make, self._key = make, key
            if anew:
                self._published = None
        self._send()

    def _send(self) -> None:
        with self._lock, suppress(InvalidHandle):
            if self._make is None or not self._publisher.get_subscription_count():
                return
            make, self._make = self._make, None
            if self._key != self._published:
                self._published = self._key
                self._node.publish(self._publisher, make())

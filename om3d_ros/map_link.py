"""The subscriptions to the map of one mapper, made anew where something was missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from om3d.msg import InstanceArray, MapUpdate
from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.subscription import Subscription

from om3d_ros.freshness import Freshness
from om3d_ros.map_copy import MapCopy
from om3d_ros.node import qos
from om3d_ros.node.lifecycle import ManagedNode
from om3d_ros.node.patience import Patience


class MapLink:
    """Hears the mapper ``name``, or that of the remapped topics ``updates`` and ``instances``
    where the name is empty, for as long as ``node`` lives.
    """

    def __init__(self, node: ManagedNode, name: str, group: CallbackGroup):
        self.name = name
        self.freshness = Freshness()
        self._node = node
        self._group = group
        self._below = f"{name}/" if name else ""
        self._take: Callable[[MapUpdate], None] | None = None
        self._updates: Subscription[Any] | None = None
        self._lost = node.create_guard_condition(self._subscribe_anew)
        self._patience = Patience()
        self._watch_mappers()

    def start(self, take: Callable[[MapUpdate], None]) -> None:
        """Hand updates to ``take``, first the whole map, until the node's next deactivation."""
        self._take = take
        self._patience.renew()
        self._subscribe(take)

    def stop(self) -> None:
        """Forget the subscription, which has ended."""
        self._take = self._updates = None

    def seek(self, copy: MapCopy) -> None:
        """Ask for a map that does not come from the mapper that lives, or was missed in part."""
        missing = self.freshness.mappers > 0 and self.freshness.stale
        if copy.asks() or (missing and self._patience.ends()):
            self._subscribe_anew()

    def _subscribe_anew(self) -> None:
        if self._take is not None and self._node.is_active:
            if self._updates is not None:
                self._node.end_subscription(self._updates)
            self._subscribe(self._take)

    def _subscribe(self, take: Callable[[MapUpdate], None]) -> None:
        self.freshness.subscribed()
        self._updates = self._node.subscribe(
            MapUpdate, f"{self._below}updates", take, qos.results(), callback_group=self._group
        )

    def _watch_mappers(self) -> None:
        """Count the mappers that live, for as long as the node does.

        A subscription that is made later is not told by Fast DDS of those that lived before it.
        """
        self._node.create_subscription(
            InstanceArray, f"{self._below}instances", lambda _: None, qos.watching(), raw=True,
            callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(
                liveliness=lambda event: self._count_mappers(event.alive_count)
            ),
        )

    def _count_mappers(self, alive: int) -> None:
        if self.freshness.count(alive):
            self._lost.trigger()

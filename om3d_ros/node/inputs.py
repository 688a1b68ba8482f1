"""Subscriptions that ask for what the publishers of their topics offer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from om3d_core.streams.usage import Arrivals
from om3d_ros.node import qos
from om3d_ros.node.patience import Patience

if TYPE_CHECKING:
    from rclpy.node import Node

WATCH_PERIOD_S = 1.0
HANDOVER_S = 1.5
MEASURED = 1000
LATE_NS = 500_000_000


class Input:
    """One subscription that follows its publishers until the node is deactivated.

    It is reliable if all of them are, and asks for what was published before if all of them keep
    it; ``reliability`` and :class:`qos.Overrides` win over that. When what is offered changes, a
    new subscription is made at once and the former one ends a moment later, so that nothing is
    missed between them; what comes twice is passed on once. The same is done from time to time
    while there are publishers and nothing was ever heard.
    """

    def __init__(
        self,
        node: Node,
        kind: type[Any],
        topic: str,
        take: Callable[[Any], None],
        depth: int,
        reliability: str = qos.AS_OFFERED,
    ):
        self._node, self._kind, self._take = node, kind, take
        self._reliability = reliability
        self.topic = node.resolve_topic_name(topic)
        self._overrides = qos.Overrides(node, self.topic, depth)
        self._recent: deque[int] = deque(maxlen=2 * self._overrides.depth)
        self._newest: dict[Hashable, int] = {}
        self._floor: dict[Hashable, int] = {}
        self._former: deque[tuple[float, Subscription[Any]]] = deque()
        self._took_s: deque[float] = deque(maxlen=MEASURED)
        self._came_s = time.monotonic()
        self._unheard: Patience | None = Patience()
        self.arrivals = Arrivals()
        self._offered = self._look()
        self._subscription = self._subscribe(self._wanted())

    @property
    def complaints(self) -> list[str]:
        """What is wrong with the publishers, for people."""
        asked = self._subscription.qos_profile
        unheard = sum(not qos.is_heard(offered, asked) for offered in self._offered)
        if not unheard:
            return []
        return [
            f"{unheard} of {len(self._offered)} publishers of {self.topic} are not heard: "
            f"{_name(asked)} is asked for (sensor.reliability, qos_overrides)"
        ]

    @property
    def delivery(self) -> str:
        """How messages come now, for people."""
        if not self._offered:
            return "no publisher"
        return _name(self._subscription.qos_profile)

    @property
    def publishers(self) -> int:
        """How many publishers there are."""
        return len(self._offered)

    @property
    def silent_s(self) -> float:
        """Seconds since the last message, or since the subscription before the first."""
        return time.monotonic() - self._came_s

    @property
    def callback_p99_s(self) -> float:
        """Work (thread time) of all but 1 % of the last callbacks, 0 before the first."""
        took = sorted(self._took_s)
        return took[int(0.99 * (len(took) - 1))] if took else 0.0

    @property
    def best_effort(self) -> bool:
        """Whether what is lost on the way is not sent again."""
        asked = self._subscription.qos_profile.reliability
        return bool(asked != ReliabilityPolicy.RELIABLE)

    def watch(self) -> None:
        """Look at the publishers and subscribe anew if they offer something else than before."""
        now = time.monotonic()
        self._offered = self._look()
        wanted, present = self._wanted(), self._subscription.qos_profile
        if self._unheard is not None and not self._offered:
            self._unheard.renew()
        deaf = self._unheard is not None and self._unheard.ends()
        if self._offered and (deaf or _delivery(wanted) != _delivery(present)):
            self._former.append((now, self._subscription))
            self._floor = {name: at - LATE_NS for name, at in self._newest.items()}
            self._subscription = self._subscribe(wanted)
        while self._former and now - self._former[0][0] > HANDOVER_S:
            self._node.destroy_subscription(self._former.popleft()[1])

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
        for _, former in self._former:
            self._node.destroy_subscription(former)
        self._former.clear()

    def _look(self) -> list[QoSProfile]:
        found = self._node.get_publishers_info_by_topic(self.topic)
        return [publisher.qos_profile for publisher in found]

    def _wanted(self) -> QoSProfile:
        profile = qos.following(self._offered, self._overrides.depth, self._reliability)
        return self._overrides.apply(profile)

    def _subscribe(self, profile: QoSProfile) -> Subscription[Any]:
        changed = SubscriptionEventCallbacks(
            matched=lambda _: self.watch(), incompatible_qos=lambda _: self.watch()
        )
        return self._node.create_subscription(
            self._kind, self.topic, self._receive, profile, event_callbacks=changed
        )

    def _receive(self, message: Any, info: Mapping[str, Any]) -> None:
        """Pass on what is new: not what came before, nor a history from before the change."""
        began, sent_ns = time.thread_time(), info["source_timestamp"]
        publisher, number = _origin(info)
        if sent_ns:
            if sent_ns in self._recent or sent_ns < self._floor.get(publisher, 0):
                return
            self._recent.append(sent_ns)
            self._newest[publisher] = max(self._newest.get(publisher, 0), sent_ns)
        self.arrivals.add(publisher, number)
        self._came_s, self._unheard = time.monotonic(), None
        self._take(message)
        self._took_s.append(time.thread_time() - began)


def _origin(info: Mapping[str, Any]) -> tuple[Hashable, int | None]:
    """The publisher of a message and its number among those, as far as rclpy tells."""
    gid = info.get("publisher_gid")
    return gid["data"] if gid else None, info.get("publication_sequence_number")


def _delivery(profile: QoSProfile) -> tuple[object, object]:
    return profile.reliability, profile.durability


def _name(profile: QoSProfile) -> str:
    reliable = profile.reliability == ReliabilityPolicy.RELIABLE
    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return ("reliable" if reliable else "best effort") + (", latched" if latched else "")

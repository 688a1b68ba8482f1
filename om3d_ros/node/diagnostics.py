"""The nodes' health as diagnostic_msgs, at a steady rate and whatever the nodes do."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.timer import Timer

from om3d_ros.node import qos

if TYPE_CHECKING:
    from rclpy.node import Node

RATE_WINDOW_S = 5.0


class Rate:
    """Events a second over the last seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=10_000)

    def tick(self) -> None:
        """Count an event."""
        self._times.append(time.monotonic())

    @property
    def hz(self) -> float:
        """The rate over the last :data:`RATE_WINDOW_S` seconds."""
        start = time.monotonic() - RATE_WINDOW_S
        return sum(t >= start for t in tuple(self._times)) / RATE_WINDOW_S


@dataclass
class Latencies:
    """The last and the longest duration of each stage of the work."""

    last_s: dict[str, float] = field(default_factory=dict)
    longest_s: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time what is done inside as ``stage``."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.add(stage, time.monotonic() - start)

    def add(self, stage: str, duration_s: float) -> None:
        """Record one duration."""
        with self._lock:
            self.last_s[stage] = duration_s
            self.longest_s[stage] = max(duration_s, self.longest_s.get(stage, 0.0))

    def values(self) -> dict[str, object]:
        """For a :class:`Health`: milliseconds by stage."""
        with self._lock:
            return {
                f"latency {stage} last / longest (ms)":
                    f"{1e3 * last:.1f} / {1e3 * self.longest_s[stage]:.1f}"
                for stage, last in self.last_s.items()
            }


@dataclass(frozen=True)
class Health:
    """What a node says of itself: complaints by kind, and values by name."""

    errors: Mapping[str, str] = field(default_factory=dict)
    warnings: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def complaints(self) -> dict[str, str]:
        """Errors, then warnings."""
        return {**self.errors, **self.warnings}

    def to_status(self, name: str, hardware_id: str) -> DiagnosticStatus:
        """The worst complaint decides the level; all of them are in the message."""
        level = DiagnosticStatus.OK
        if self.warnings:
            level = DiagnosticStatus.WARN
        if self.errors:
            level = DiagnosticStatus.ERROR
        return DiagnosticStatus(
            level=level,
            name=name,
            message="; ".join(self.complaints.values()) or "ok",
            hardware_id=hardware_id,
            values=[KeyValue(key=k, value=str(v)) for k, v in self.values.items()],
        )


class DiagnosticsPublisher:
    """Publishes ``health()`` of ``node`` on /diagnostics, on the steady clock."""

    def __init__(self, node: Node, period_s: float, health: Callable[[], Health]):
        self._node = node
        self._health = health
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", qos.results())
        self._timer = self._make_timer(period_s)

    def set_period(self, period_s: float) -> None:
        """Publish every ``period_s`` seconds from now on."""
        self._node.destroy_timer(self._timer)
        self._timer = self._make_timer(period_s)

    def _make_timer(self, period_s: float) -> Timer:
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        return self._node.create_timer(period_s, self._publish, clock=steady)

    def _publish(self) -> None:
        name = self._node.get_fully_qualified_name()
        message = DiagnosticArray(status=[self._health().to_status(name, name)])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

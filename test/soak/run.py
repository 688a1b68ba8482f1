"""Feeds both nodes, asks, and writes down what they hold, until the time is over."""

from __future__ import annotations

import itertools
import time
from contextlib import suppress
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from helpers.plain_nodes import NODES, PlainNodes
from om3d.msg import Error
from om3d.srv import ClearMap, QueryText
from rclpy.impl.implementation_singleton import rclpy_implementation

from om3d_ros.node import qos
from soak.clip import RATE_HZ, Clip
from soak.record import Answered, Record, Sample, held_by

SPEED = 10.0
RCLError = rclpy_implementation.RCLError
SAMPLE_S, ASK_S, KEEP_S, PATIENCE_S = 2.0, 1.0, 20.0, 30.0
THINGS = ("a chair", "a white mug", "something to sit on", "a red box", "table", "a computer")
START_S = 60.0


class Soak:
    """A run; its :attr:`record` can be used whenever it ends.

    The clip is fed at :data:`SPEED` times its own. The map is cleared :data:`KEEP_S` seconds after
    it was there, so that refreshes, which come by their period, always find something to do.
    Every other question is one that was never asked.
    """

    def __init__(self, nodes: PlainNodes, clip: Clip):
        self.record = Record()
        self._nodes, self._clip = nodes, clip
        self._sent = 0
        self._refresh_s = float("nan")
        self._asked: tuple[float, Any] | None = None
        self._numbers = itertools.count()
        self._cleared, self._mapped_s = 0, float("inf")
        self._pids = {
            name: process.pid for name, process in zip(NODES, nodes.processes.nodes, strict=True)
        }
        nodes.client.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._take_health, qos.results()
        )

    def run(self, seconds: float) -> None:
        """Go on for so long; raises NodeDiedError if a node ends."""
        for name in NODES:
            for label in ("configure", "activate"):
                if not self._nodes.transition(name, label):
                    raise RuntimeError(f"{name} does not {label}: {self._nodes.log(name)[-2000:]}")
        self._nodes.client.wait_for_nodes(START_S)
        messages = iter(self._clip)
        self._start = time.monotonic()
        due = dict.fromkeys(("frame", "sample", "question"), 0.0)
        while (now := self._now()) < seconds:
            if now >= due["frame"]:
                self._feed(next(messages))
                due["frame"] = max(due["frame"] + 1 / (SPEED * RATE_HZ), now - 1.0)
            if now >= due["sample"]:
                self._sample(now)
                due["sample"] = now + SAMPLE_S
            if now >= due["question"]:
                self._ask(now)
                due["question"] = now + ASK_S
            self._clear_at_times(now)
            self._nodes.client.spin(max(0.0, min(due.values()) - self._now()))

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _feed(self, messages: dict[str, Any]) -> None:
        """Send a frame; one that DDS has no room for is lost, as a robot's would be."""
        with suppress(RCLError):
            for name, message in messages.items():
                self._nodes.publishers[name].publish(message)
        self._sent += 1

    def _ask(self, now: float) -> None:
        """Ask the next question, unless one is open."""
        if self._asked is not None and not self._asked[1].done():
            if now - self._asked[0] < PATIENCE_S:
                return
            self.record.answers.append(Answered(self._asked[0], PATIENCE_S, "no answer"))
        number = next(self._numbers)
        text = THINGS[number // 2 % len(THINGS)] + (f" number {number}" if number % 2 else "")
        future = self._nodes.ask(QueryText, "query/query_text", text=text)
        self._asked = now, future
        future.add_done_callback(lambda done: self._take_answer(now, done.result()))

    def _take_answer(self, asked_s: float, response: Any) -> None:
        if response.error_code != Error.NO_MAP:
            error = "" if response.error_code == Error.NONE else response.error_msg
            self.record.answers.append(Answered(asked_s, self._now() - asked_s, error))

    def _clear_at_times(self, now: float) -> None:
        """Clear the map when it was there for long enough."""
        status = self._nodes.client.status
        if status is not None and status.revision > self._cleared:
            self._mapped_s = min(self._mapped_s, now)
        if now - self._mapped_s > KEEP_S:
            self._mapped_s, self._cleared = float("inf"), status.revision + 1
            cleared = self._nodes.ask(ClearMap, "mapper/clear")
            cleared.add_done_callback(lambda done: self._note_clear(done.result()))

    def _note_clear(self, response: Any) -> None:
        self._cleared, self._mapped_s = response.revision, float("inf")

    def _sample(self, now: float) -> None:
        status = self._nodes.client.status
        used = status.frames_processed if status is not None else 0
        held = {name: held_by(pid) for name, pid in self._pids.items()}
        revision = status.revision if status is not None else 0
        self.record.samples.append(
            Sample(now, held, self._sent, used, self._refresh_s, revision)
        )

    def _take_health(self, message: DiagnosticArray) -> None:
        for status in message.status:
            for value in status.values:
                if value.key.startswith("latency refresh"):
                    self._refresh_s = float(value.value.split("/")[0]) / 1e3


"""Feeds both nodes, asks, and writes down what they hold, until the time is over."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from helpers.plain_nodes import NODES, PlainNodes
from om3d.msg import Error
from om3d.srv import ClearMap, QueryText

from om3d_ros.node import qos
from soak.clip import Clip
from soak.record import Answered, Record, Sample, held_by

SPEED = 10.0
SAMPLE_S, ASK_S, CLEAR_S = 2.0, 1.0, 60.0
THINGS = ("a chair", "a white mug", "something to sit on", "a red box", "table", "a computer")
OLD_NODE_S = 60.0


class Soak:
    """A run; its :attr:`record` can be used whenever it ends.

    The clip is fed at :data:`SPEED` times its own and the map is cleared every :data:`CLEAR_S`
    seconds, so that refreshes, which come by their period, always find something to do. Every
    other question is one that was never asked.
    """

    def __init__(self, nodes: PlainNodes, clip: Clip):
        self.record = Record()
        self._nodes, self._clip = nodes, clip
        self._sent = self._used = 0
        self._refresh_s = float("nan")
        self._asked: tuple[float, Any] | None = None
        self._numbers = itertools.count()
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
        self._nodes.client.wait_for_nodes(OLD_NODE_S)
        messages = iter(self._clip)
        self._start = time.monotonic()
        due = dict.fromkeys(("frame", "sample", "question", "clear"), 0.0) | {"clear": CLEAR_S}
        while (now := self._now()) < seconds:
            if now >= due["frame"]:
                self._feed(next(messages))
                due["frame"] = max(due["frame"] + self._clip.period_s / SPEED, now - 1.0)
            if now >= due["sample"]:
                self._sample(now)
                due["sample"] = now + SAMPLE_S
            if now >= due["question"]:
                self._ask(now)
                due["question"] = now + ASK_S
            if now >= due["clear"]:
                self._nodes.ask(ClearMap, "mapper/clear")
                due["clear"] = now + CLEAR_S
            self._nodes.client.spin(max(0.0, min(due.values()) - self._now()))

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _feed(self, messages: dict[str, Any]) -> None:
        for name, message in messages.items():
            self._nodes.publishers[name].publish(message)
        self._sent += 1

    def _ask(self, now: float) -> None:
        """Ask the next question, unless one is open."""
        if self._asked is not None and not self._asked[1].done():
            return
        number = next(self._numbers)
        text = THINGS[number // 2 % len(THINGS)] + (f" number {number}" if number % 2 else "")
        future = self._nodes.ask(QueryText, "query/query_text", text=text)
        self._asked = now, future
        future.add_done_callback(lambda done: self._take_answer(now, done.result()))

    def _take_answer(self, asked_s: float, response: Any) -> None:
        if response.error_code != Error.NO_MAP:
            error = "" if response.error_code == Error.NONE else response.error_msg
            self.record.answers.append(Answered(asked_s, self._now() - asked_s, error))

    def _sample(self, now: float) -> None:
        status = self._nodes.client.status
        self._used = status.frames_processed if status is not None else 0
        held = {name: held_by(pid) for name, pid in self._pids.items()}
        revision = status.revision if status is not None else 0
        self.record.samples.append(
            Sample(now, held, self._sent, self._used, self._refresh_s, revision)
        )

    def _take_health(self, message: DiagnosticArray) -> None:
        for status in message.status:
            for value in status.values:
                if value.key.startswith("latency refresh"):
                    self._refresh_s = float(value.value.split("/")[0]) / 1e3


def repository() -> Path:
    """The root of the source tree."""
    return Path(__file__).resolve().parents[2]

"""The part of messages: sets of sensor messages with something wrong, to the mapper that runs."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from rclpy.serialization import serialize_message

from fuzz.live import FIRST_NS, REFRESH_S, Came, Wrong
from fuzz.part import Case, LivePart
from fuzz.sensors import Messages, harm, harm_cloud

A_ROUND = 25
POSE_SOURCES = ("tf", "odometry", "pose")
MAX_LOG_BYTES = 100_000


class MessageFuzz(LivePart):
    """Frames and clouds with faults, each followed by a good frame that must be mapped."""

    name = "messages"

    def begin(self, number: int) -> None:
        """Switch between the kinds of poses."""
        super().begin(number)
        live, source = self.live, POSE_SOURCES[number % len(POSE_SOURCES)]
        if source != live.pose_source:
            live.nodes.recover("mapper")
            live.nodes.set_parameter("mapper", "pose.source", source)
            live.pose_source = source
            live.activate("mapper")
            live.subscribed()
            live.rebuild()
        self._start = live.status

    def draw(self, rng: random.Random, number: int) -> Iterator[Case]:
        """Faults of one message of a frame, of the order of them all, and of a cloud."""
        for at in range(A_ROUND):
            yield self._case(random.Random(rng.random()), at)

    def settle(self) -> Came:
        """Every image counted; the map as before, or mapped anew where something was taken."""
        self._check_counts()
        status, start = self.live.status, self._start
        taken = status.frames_kept > start.frames_kept
        taken |= status.clouds_processed > start.clouds_processed
        began = time.monotonic()
        if taken:
            self.live.refresh()
        elif status.revision != start.revision:
            raise Wrong("changed", f"from revision {start.revision} to {status.revision}")
        took = time.monotonic() - began
        if taken:
            self.live.rebuild()
        self.live.check_look()
        pulse = self.live.pulse()
        if took > REFRESH_S:
            return Came("slow", "", took, "a refresh")
        return pulse._replace(code="mapped anew" if taken else "unchanged")

    def _case(self, rng: random.Random, at: int) -> Case:
        """An input whose stamps are given when it is sent; the rest is drawn."""
        state = rng.getstate()
        kind, drawn = self._harmed(rng, FIRST_NS, at)
        files = {f"{i}-{n}.cdr": m if isinstance(m, bytes) else serialize_message(m)
                 for i, (n, m) in enumerate(drawn)}

        def attempt() -> Came:
            rng.setstate(state)
            return self._send(self._harmed(rng, self.live.next_stamp(), at)[1])

        return Case(kind, files, attempt)

    def _harmed(self, rng: random.Random, at_ns: int, number: int) -> tuple[str, Messages]:
        if rng.random() < 0.15:
            return harm_cloud(rng, at_ns)
        return harm(rng, self.live.frame(number, at_ns))

    def _send(self, messages: Messages) -> Came:
        live = self.live
        before, logged, began = live.status, _size(live.logs()), time.monotonic()
        live.publish(messages)
        live.map_frame(0)
        took, now = time.monotonic() - began, live.status
        if _size(live.logs()) - logged > MAX_LOG_BYTES:
            raise Wrong("large", f"{_size(live.logs()) - logged} bytes of log")
        if now.inputs_rejected > before.inputs_rejected:
            return Came("refused", "rejected", took)
        if now.frames_unpaired > before.frames_unpaired:
            return Came("refused", "unpaired", took)
        mapped = now.frames_processed - before.frames_processed > 1
        if mapped or now.clouds_processed > before.clouds_processed:
            return Came("ok", "taken", took)
        return Came("refused", "not heard", took)

    def _check_counts(self) -> None:
        """Each color image has one fate."""
        duplicates = int(self.live.health("mapper")["duplicates"])
        status = self.live.status
        known = status.frames_paired + status.frames_unpaired + status.pending
        if not known <= status.frames_received <= known + duplicates:
            raise Wrong("changed", f"images without a fate: {duplicates} duplicates, {status}")


def _size(logs: dict[str, str]) -> int:
    return sum(map(len, logs.values()))

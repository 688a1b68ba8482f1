"""Both nodes as users start them, with a map, watched for what no input may do to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from helpers.diagnostics import Diagnostics
from helpers.plain_nodes import NODES, PlainNodes
from helpers.worlds import tabletop
from om3d.msg import Error
from om3d.srv import ClearMap, ListInstances, LoadMap, QueryText, SaveMap
from sensor_msgs.msg import PointCloud2

from fuzz.sensors import Messages, moment
from om3d_ros.node import qos
from om3d_ros.replay.client import ReplayError
from om3d_ros.replay.processes import NodeDiedError

VIEWS, QUESTION, GOOD_MAP = 4, "a red box", "good"
STEP_NS, FIRST_NS = 3_000_000_000, 1_000_000_000_000
TRIES, RETRY_S, REFRESH_S, ANSWER_S, PULSE_S = 5, 0.5, 60.0, 40.0, 3.0
FAULTS = ("Traceback (most recent call last)", "a request failed")


class Came(NamedTuple):
    """What came of an input. code: how a refusal was told. seconds: of the wait for it."""

    outcome: str
    code: str = ""
    seconds: float = 0.0
    error: str = ""


class Wrong(Exception):
    """Something happened that must not."""

    def __init__(self, outcome: str, text: str):
        super().__init__(text)
        self.outcome = outcome


class Live:
    """The nodes, started when they are first needed, and anew after something went wrong.

    They map a tabletop from a few frames; :meth:`look` says what is in the map and in an answer,
    and is the same after whatever was refused.
    """

    def __init__(self, folder: Path, domain: int):
        self._folder, self.domain = folder, domain
        self._frames = tabletop(VIEWS, 160, 120)
        self._stack = ExitStack()
        self._nodes: PlainNodes | None = None
        self._starts = 0
        self._stamp_ns = FIRST_NS
        self.pose_source = "tf"

    @property
    def nodes(self) -> PlainNodes:
        """The nodes, active, with the map."""
        if self._nodes is None:
            self._start()
        assert self._nodes is not None
        return self._nodes

    @property
    def status(self) -> Any:
        """The newest om3d/MapperStatus."""
        return self.nodes.client.status

    @property
    def map_root(self) -> Path:
        """Where the mapper may write."""
        return self._folder / str(self._starts) / "maps"

    def close(self) -> None:
        """End the nodes."""
        self._stack.close()
        self._nodes = None

    def attempt(self, work: Callable[[], Came]) -> Came:
        """What came of ``work``; the nodes are ended if it must not be."""
        try:
            came = work()
            self.check_logs()
            return came
        except NodeDiedError as error:
            came = Came("crashed", error=str(error))
        except ReplayError as error:
            came = Came("hung", error=str(error))
        except Wrong as error:
            came = Came(error.outcome, error=str(error))
        return came

    def next_stamp(self) -> int:
        """A stamp so much later than the last that nothing of that time waits any more."""
        self._stamp_ns += STEP_NS
        return self._stamp_ns

    def frame(self, number: int, at_ns: int) -> Messages:
        """The messages of one of the good frames."""
        return moment(self._frames[number % VIEWS], at_ns, self.pose_source)

    def publish(self, messages: Messages) -> None:
        """Send messages as they are."""
        for name, message in messages:
            self.nodes.publishers[name].publish(message)
        self.nodes.client.spin(0.0)

    def map_frame(self, number: int) -> None:
        """Send a good frame and wait until it was mapped; soon after a jump it may be lost."""
        before = self.status.frames_processed
        for _ in range(TRIES):
            self.publish(self.frame(number, self.next_stamp()))
            end = time.monotonic() + RETRY_S
            while time.monotonic() < end or not self._idle():
                self.nodes.client.spin()
                if self.status.frames_processed > before and self._idle():
                    return
                if time.monotonic() > end + REFRESH_S:
                    break
        raise ReplayError(f"expected a good frame to be mapped, got {self.status}")

    def rebuild(self) -> None:
        """Map the good frames anew, from nothing."""
        self.nodes.call(ClearMap, "mapper/clear")
        for number in range(VIEWS):
            self.map_frame(number)
        self.refresh()

    def refresh(self) -> None:
        """Refresh, which succeeds with good frames among others, and wait for the query node."""
        result = self.nodes.refresh_result(self.nodes.send_refresh())
        if code_of(result) != "NONE":
            raise Wrong("changed", f"a refresh: {result.error_msg}")
        self.nodes.client.wait_for_map(result)

    def restore(self) -> None:
        """Load the map that was saved at the start."""
        loaded = self.nodes.call(LoadMap, "mapper/load", name=GOOD_MAP)
        if loaded.error_code != Error.NONE:
            raise Wrong("changed", f"the good map is not loaded: {loaded.error_msg}")
        self.nodes.client.wait_for_map(loaded)

    def look(self) -> list[Any]:
        """What is in the map and what a question finds, but for ids, which depend on history."""
        listed = self.nodes.call(ListInstances, "query/list_instances", include_structure=True)
        found = self.nodes.call(QueryText, "query/query_text", text=QUESTION)
        for response in (listed, found):
            if code_of(response) != "NONE":
                raise Wrong("changed", f"a plain question: {response.error_msg}")
        return [
            sorted((i.n_points, round(i.centroid.x, 3)) for i in listed.map.instances),
            [(m.n_points, round(m.similarity, 3), m.present) for m in found.matches],
        ]

    def check_look(self) -> None:
        """Raise :class:`Wrong` if the map is not that of the good frames."""
        if (now := self.look()) != self._control:
            raise Wrong("changed", f"expected {self._control}, got {now}")

    def check_logs(self) -> None:
        """Raise for a node that is gone, or that has logged a fault."""
        if self._nodes is None:
            return
        self.nodes.processes.check()
        for name in NODES:
            log = self.nodes.log(name)
            found = [log.find(fault) for fault in FAULTS if fault in log]
            if found:
                raise Wrong("untyped", f"{name}: {log[min(found):][:3000]}")

    def logs(self) -> dict[str, str]:
        """The logs by node."""
        return {} if self._nodes is None else {name: self._nodes.log(name) for name in NODES}

    def activate(self, name: str) -> None:
        """Configure and activate a node that is unconfigured; the counters begin anew."""
        before = self.status
        for label in ("configure", "activate"):
            if not self.nodes.transition(name, label):
                raise Wrong("changed", f"{name} does not {label}: {self.nodes.log(name)[-2000:]}")
        if name == "mapper":
            self.nodes.wait(lambda: self.status is not before, "a status")

    def subscribed(self) -> None:
        """Wait until the mapper listens."""
        unused = {"odometry", "pose"} - {self.pose_source}
        wanted = [p for name, p in self.nodes.publishers.items() if name not in unused]
        self.nodes.wait(lambda: all(p.get_subscription_count() for p in wanted), "subscriptions")

    def health(self, name: str) -> dict[str, str]:
        """The values of the next message of a node on /diagnostics."""
        return self._health.values(f"/{name}")

    def pulse(self) -> Came:
        """The longest wait for what a node publishes each second; slow where it is late twice."""
        for _ in range(2):
            waits = []
            for name in NODES:
                began = time.monotonic()
                self.health(name)
                waits.append(time.monotonic() - began)
            if max(waits) <= PULSE_S:
                return Came("ok", "", max(waits))
        return Came("slow", "", max(waits), f"diagnostics after {max(waits):.1f} s")

    def _start(self) -> None:
        self._starts += 1
        folder = self._folder / str(self._starts)
        folder.mkdir(parents=True)
        self._nodes = self._stack.enter_context(PlainNodes(folder, self.domain))
        self._health = Diagnostics(self._nodes.client)
        node, publishers = self._nodes.client.node, self._nodes.publishers
        node.destroy_publisher(publishers["cloud"])  # a latched cloud would come again and again
        publishers["cloud"] = node.create_publisher(PointCloud2, "cloud_map", qos.results())
        self.pose_source = "tf"
        for name in NODES:
            self.activate(name)
        self.subscribed()
        self._nodes.client.wait_for_nodes(ANSWER_S)
        self.rebuild()
        self._control = self.look()
        assert all(self._control), self._control
        self._nodes.call(SaveMap, "mapper/save", name=GOOD_MAP)

    def _idle(self) -> bool:
        return not self.status.busy and not self.status.queue_depth


def code_of(response: Any) -> str:
    """The name of the error code; raises :class:`Wrong` for a fault or an error without a text."""
    code = response.error_code
    names = [n for n in dir(Error) if n.isupper() and getattr(Error, n) == code]
    if not names or code == Error.INTERNAL:
        raise Wrong("untyped", f"code {code}: {response.error_msg}")
    if code != Error.NONE and not response.error_msg:
        raise Wrong("nameless", f"{names[0]} without a text")
    return names[0]

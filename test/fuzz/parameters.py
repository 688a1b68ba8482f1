"""The part of parameters: values, types and names, set while the nodes go through transitions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from helpers.plain_nodes import EDGES, NODES
from rcl_interfaces.srv import DescribeParameters, GetParameterTypes, ListParameters

from fuzz.live import Came, Wrong
from fuzz.part import Case, LivePart
from fuzz.values import FLOATS, STRINGS
from om3d_ros import mapper_node, query_node

A_ROUND = 40
LEAVES = {
    "mapper": [leaf for leaf in mapper_node.PARAMETERS.leaves() if leaf.name != "map_root"],
    "query": query_node.PARAMETERS.leaves(),
}
INTEGERS = (0, 1, -1, 2, 255, 10_000, 2**31, 2**63 - 1, -(2**63))
LABELS = ("configure", "activate", "deactivate", "cleanup")
OTHER = ("use_sim_time", "start_type_description_service",
         "qos_overrides./odometry.subscription.depth")  # fmt: skip


class ParameterFuzz(LivePart):
    """One node a round: parameters set and read, transitions; then the defaults bring it back."""

    name = "parameters"

    def begin(self, number: int) -> None:
        """Take the other node."""
        super().begin(number)
        self._node = NODES[number % len(NODES)]

    def draw(self, rng: random.Random, number: int) -> Iterator[Case]:
        """Values of the right and of other types, names, transitions, and readings."""
        for _ in range(A_ROUND):
            roll, own = rng.random(), random.Random(rng.random())
            if roll < 0.6:
                yield self._value(own)
            elif roll < 0.75:
                yield self._case("name", rng.choice(STRINGS), any_value(own))
            elif roll < 0.9:
                yield self._transition(rng.choice(LABELS))
            else:
                yield self._reading(own)

    def settle(self) -> Came:
        """The node as it was: default parameters, active, with the map."""
        nodes, node, began = self.live.nodes, self._node, time.monotonic()
        nodes.recover(node)
        nodes.set_parameter(node, "use_sim_time", False)
        defaults = {leaf.name: leaf.default for leaf in LEAVES[node]}
        for result in nodes.set_values(node, defaults):
            if not result.successful:
                raise Wrong("changed", f"a default is refused: {result.reason}")
        self.live.activate(node)
        self.live.subscribed()
        self.live.restore()
        self.live.check_look()
        return Came("ok", "", time.monotonic() - began)

    def _value(self, rng: random.Random) -> Case:
        leaf = rng.choice(LEAVES[self._node])
        name = leaf.name if rng.random() < 0.95 else rng.choice(OTHER)
        if rng.random() < 0.3:
            return self._case("type", name, any_value(rng))
        return self._case("value", name, _alike(rng, leaf))

    def _case(self, kind: str, name: str, value: Any) -> Case:
        files = {f"{kind}.txt": f"{name!r:.1000} = {value!r:.1000}".encode()}
        return Case(kind, files, partial(self._set, name, value))

    def _set(self, name: str, value: Any) -> Came:
        began = time.monotonic()
        result = self.live.nodes.set_parameter(self._node, name, value)
        took = time.monotonic() - began
        if result.successful:
            return Came("ok", "set", took)
        if not result.reason:
            raise Wrong("nameless", f"{name} = {value!r:.100}: no reason")
        return Came("refused", "not set", took)

    def _transition(self, label: str) -> Case:
        def attempt() -> Came:
            nodes, began = self.live.nodes, time.monotonic()
            before = nodes.state(self._node)
            done, after = nodes.transition(self._node, label), nodes.state(self._node)
            goal = EDGES.get((before, label))
            if after != (goal if done else before):
                raise Wrong("changed", f"{label} from {before} to {after}, success: {done}")
            if before in {"active", "inactive"} and goal and label != "activate" and not done:
                raise Wrong("changed", f"{before} is not left by {label}")
            return Came("ok" if done else "refused", "", time.monotonic() - began)

        return Case("transition", {f"{label}.txt": b""}, attempt)

    def _reading(self, rng: random.Random) -> Case:
        names = [rng.choice(STRINGS), rng.choice(LEAVES[self._node]).name]
        kind, service, fields = rng.choice((
            (DescribeParameters, "describe_parameters", {"names": names}),
            (GetParameterTypes, "get_parameter_types", {"names": names}),
            (ListParameters, "list_parameters",
             {"prefixes": names, "depth": rng.choice((0, 1, 2**64 - 1))}),
        ))  # fmt: skip

        def attempt() -> Came:
            began = time.monotonic()
            self.live.nodes.call(kind, f"{self._node}/{service}", **fields)
            return Came("ok", "", time.monotonic() - began)

        return Case("reading", {f"{service}.txt": f"{fields!r:.2000}".encode()}, attempt)


def any_value(rng: random.Random) -> Any:
    """A value of any type that a parameter can have."""
    scalar: tuple[Callable[[], Any], ...] = (
        lambda: rng.random() < 0.5, lambda: rng.choice(INTEGERS), lambda: rng.choice(FLOATS),
        lambda: rng.choice(STRINGS),
    )  # fmt: skip
    make = rng.choice(scalar)
    if rng.random() < 0.6:
        return make()
    if rng.random() < 0.2:
        return [bytes([n]) for n in rng.randbytes(5)]
    return [make() for _ in range(rng.choice((1, 3, 500)))]


def _alike(rng: random.Random, leaf: Any) -> Any:
    """A value of the setting's type, in its range or not."""
    constraint = leaf.constraint
    if leaf.kind is bool:
        return rng.random() < 0.5
    if leaf.kind is str:
        return rng.choice((*constraint.choices, leaf.default, *STRINGS))
    low, high = constraint.low or 0, constraint.high or 1000
    within = rng.uniform(float(low), float(high))
    extremes = INTEGERS if leaf.kind is int else FLOATS
    return rng.choice((leaf.kind(within), leaf.kind(low), leaf.kind(high), *extremes))

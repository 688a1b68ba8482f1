"""Both nodes as users start them, with default parameters and the real encoder, and their life."""

from __future__ import annotations

import time
from contextlib import ExitStack

from lifecycle_msgs.srv import ChangeState, GetState
from om3d.action import Refresh
from om3d.srv import ClearMap, ListInstances, LoadMap, QueryText, SaveMap
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters
from rclpy.action import ActionClient
from rclpy.parameter import Parameter, parameter_value_to_python

from helpers.robot import RESEND_S, Talker
from om3d_ros.replay import QUERY_REMAPS
from om3d_ros.replay.client import Client
from om3d_ros.replay.processes import NodeProcess, Processes

NODES = ("mapper", "query")
NODE_SERVICES = (
    (ChangeState, "change_state"), (GetState, "get_state"), (GetParameters, "get_parameters"),
    (ListParameters, "list_parameters"), (SetParameters, "set_parameters"),
)
OWN_SERVICES = (
    (SaveMap, "mapper/save"), (LoadMap, "mapper/load"), (ClearMap, "mapper/clear"),
    (QueryText, "query/query_text"), (ListInstances, "query/list_instances"),
)
EDGES = {
    ("unconfigured", "configure"): "inactive",
    ("inactive", "activate"): "active",
    ("active", "deactivate"): "inactive",
    ("inactive", "cleanup"): "unconfigured",
}


class PlainNodes(Talker):
    """The two nodes, unconfigured at first; ``parameters`` are given to both at start."""

    def __init__(self, folder, domain, **parameters):
        self._stack = ExitStack()
        self.processes = self._stack.enter_context(Processes())
        self.logs = {}
        for name in NODES:
            self.logs[name] = folder / f"{name}.log"
            own = {"map_root": str(folder / "maps")} if name == "mapper" else {}
            remaps = QUERY_REMAPS if name == "query" else {}
            self.processes.add(NodeProcess(
                f"om3d_ros.{name}_node", self.logs[name], domain, {**parameters, **own}, remaps
            ))
        super().__init__(self._stack.enter_context(Client(domain, self.processes.check)))
        self._refresh = ActionClient(self.client.node, Refresh, "mapper/refresh")
        self._stack.callback(self._refresh.destroy)
        self._connect()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stack.close()

    def _connect(self):
        """Find all services before the first is asked.

        Fast DDS gives up an answer after 0.1 s if it does not know yet who asked, as may be on a
        busy machine: the questions here may be lost, those that follow are not.
        """
        for name in NODES:
            for kind, service in NODE_SERVICES:
                self.client_of(kind, f"{name}/{service}")
        for kind, service in OWN_SERVICES:
            self.client_of(kind, service)
        for name in NODES:
            asked = []

            def answered(name=name, asked=asked):
                if not asked or time.monotonic() - asked[-1][0] > RESEND_S:
                    asked.append((time.monotonic(), self.ask(GetState, f"{name}/get_state")))
                return any(future.done() for _, future in asked)

            self.wait(answered, f"an answer of {name}")

    def log(self, name):
        return self.logs[name].read_text(errors="replace")

    def ask(self, kind, name, /, **fields):
        """Ask a service without waiting; returns the future of its response."""
        return self.client_of(kind, name).call_async(kind.Request(**fields))

    def send_refresh(self):
        """Ask for a refresh; returns the future of the accepted goal."""
        self.wait(self._refresh.server_is_ready, "the action server")
        return self._refresh.send_goal_async(Refresh.Goal())

    def refresh_result(self, sent):
        """The result of a goal that was sent."""
        self.wait(sent.done, "the goal to be accepted")
        answer = sent.result().get_result_async()
        self.wait(answer.done, "the result")
        return answer.result().result

    def recover(self, name):
        """Bring a node back to unconfigured, by deactivate and cleanup alone."""
        for label in ("deactivate", "cleanup"):
            state = self.state(name)
            if (state, label) in EDGES:
                assert self.transition(name, label), f"{name} does not {label}"
                assert self.state(name) == EDGES[state, label]
        assert self.state(name) == "unconfigured"

    def parameters(self, name):
        """All parameters of a node by name."""
        names = sorted(self.call(ListParameters, f"{name}/list_parameters").result.names)
        values = self.call(GetParameters, f"{name}/get_parameters", names=names).values
        return dict(zip(names, map(parameter_value_to_python, values), strict=True))

    def set_parameters(self, name, parameters):
        """Set parameter messages one by one; returns a result for each."""
        return self.call(
            SetParameters, f"{name}/set_parameters", parameters=list(parameters)
        ).results

    def set_values(self, name, values):
        """Set values, as one call; returns a result for each."""
        return self.set_parameters(
            name, [Parameter(key, value=value).to_parameter_msg() for key, value in values.items()]
        )

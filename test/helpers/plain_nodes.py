"""Both nodes as users start them, with default parameters and the real encoder, and their life."""

from __future__ import annotations

from contextlib import ExitStack

from om3d.action import Refresh
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters
from rclpy.action import ActionClient
from rclpy.parameter import Parameter, parameter_value_to_python

from helpers.robot import Talker
from om3d_ros.replay import QUERY_REMAPS
from om3d_ros.replay.client import Client
from om3d_ros.replay.processes import NodeProcess, Processes

NODES = ("mapper", "query")
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

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stack.close()

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

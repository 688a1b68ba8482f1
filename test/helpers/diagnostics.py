"""What the nodes say of themselves on /diagnostics."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from om3d_ros.node import qos

PATIENCE_S = 30.0


class Diagnostics:
    """The newest status of each node."""

    def __init__(self, client):
        self.status: dict[str, DiagnosticStatus] = {}
        self._client = client
        client.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._take, qos.results()
        )

    def _take(self, message):
        self.status |= {status.name: status for status in message.status}

    def next(self, name):
        """A status that was published after now."""
        self.status.pop(name, None)
        self._client.spin_until(lambda: name in self.status, PATIENCE_S, f"diagnostics of {name}")
        return self.status[name]

    def values(self, name):
        return {value.key: value.value for value in self.next(name).values}

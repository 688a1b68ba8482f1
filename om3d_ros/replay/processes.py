"""The two nodes as processes of their own, on a DDS domain of their own, and surely ended."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from om3d_core.errors import Om3dError
from om3d_core.settings import Value

DOMAINS = range(1, 102)
PORT_BASE, PORTS_A_DOMAIN, UNICAST_OFFSET = 7400, 250, 10
INTERRUPT_S, TERMINATE_S = 8.0, 2.0
LOG_TAIL = 600
PR_SET_PDEATHSIG = 1


class NodeDiedError(Om3dError):
    """A node ended while it was needed."""


@contextmanager
def free_domain() -> Iterator[int]:
    """A DDS domain id that no process of this machine uses, reserved until the end."""
    first = os.getpid() % len(DOMAINS)
    for domain in (*DOMAINS[first:], *DOMAINS[:first]):
        path = Path(tempfile.gettempdir()) / f"om3d-domain-{domain}-{os.getuid()}.lock"
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            if _port_is_free(PORT_BASE + PORTS_A_DOMAIN * domain + UNICAST_OFFSET):
                yield domain
                return
    raise Om3dError(f"expected a free DDS domain among {DOMAINS}, all are in use")


def _port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


class NodeProcess:
    """``python -m module`` with ROS parameters and remaps; output goes to ``log``."""

    def __init__(
        self,
        module: str,
        log: Path,
        domain: int,
        parameters: Mapping[str, Value] | None = None,
        remaps: Mapping[str, str] | None = None,
        params_file: Path | None = None,
    ):
        self.name = module.rpartition(".")[2]
        self.log = log
        ros_arguments = ["--ros-args"]
        if params_file is not None:
            ros_arguments += ["--params-file", str(params_file)]
        for name, value in (parameters or {}).items():
            ros_arguments += ["-p", f"{name}:={_as_yaml(value)}"]
        for source, target in (remaps or {}).items():
            ros_arguments += ["-r", f"{source}:={target}"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *ros_arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(domain),
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise :class:`NodeDiedError` with the end of the log if the process has ended."""
        code = self._process.poll()
        if code is not None:
            tail = self.log.read_text(errors="replace")[-LOG_TAIL:].strip()
            raise NodeDiedError(f"{self.name} ended with status {code} (see {self.log}): {tail}")

    def wait(self, timeout_s: float) -> int:
        """Wait for the process to end by itself; return its exit status."""
        return self._process.wait(timeout_s)

    def send_signal(self, number: int) -> None:
        """Send a signal if the process still runs."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Interrupt, then terminate, then kill; return the exit status."""
        for number, patience_s in ((signal.SIGINT, INTERRUPT_S), (signal.SIGTERM, TERMINATE_S)):
            if self._process.poll() is None:
                self._process.send_signal(number)
                try:
                    return self._process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    continue
        if self._process.poll() is None:
            self.kill()
        return self._process.wait()


class Processes:
    """Several nodes, all of them stopped when the context ends, however it ends."""

    def __init__(self, nodes: Sequence[NodeProcess] = ()):
        self.nodes = list(nodes)

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for node in self.nodes:
            node.stop()

    def add(self, node: NodeProcess) -> NodeProcess:
        """Take over a started node."""
        self.nodes.append(node)
        return node

    def check(self) -> None:
        """Raise :class:`NodeDiedError` if any node has ended."""
        for node in self.nodes:
            node.check()


def _end_with_parent() -> None:
    """Ask Linux to terminate this process once the thread that started it is gone."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def environment(domain: int) -> dict[str, str]:
    """The environment of a process that joins ``domain`` on this machine."""
    return {
        **os.environ,
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


def _as_yaml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else repr(value)

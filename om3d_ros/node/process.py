"""The process of a node: from its arguments to its exit status."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from types import FrameType

import rclpy
import rclpy.logging
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import LoggingSeverity
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from om3d_core.errors import Om3dError, SettingsError
from om3d_ros.node.executor import NodeExecutor
from om3d_ros.node.lifecycle import ManagedNode
from om3d_ros.node.memory import give_back_freed_memory

EXIT_ERROR = 1
END_S = 4.0
# How long a busy worker keeps the interpreter's lock from a callback (Python's default: 5 ms).
SWITCH_S = 0.0005
PLACE_IN_SOURCE = re.compile(r"^failed to initialize rcl: | ?, at /\S+:\d+")

RCLError = rclpy_implementation.RCLError
RCLInvalidROSArgsError = rclpy_implementation.RCLInvalidROSArgsError
UnknownROSArgsError = rclpy_implementation.UnknownROSArgsError


def run(make_node: Callable[[], ManagedNode], args: Sequence[str] | None = None) -> int:
    """Run one node until SIGINT or SIGTERM; return the exit status.

    It is :data:`EXIT_ERROR` for arguments or parameters that are refused, which are told in one
    line, and for an autostart that fails. A fault of the node is raised. What is under way at
    the end has :data:`END_S` seconds to end by itself; a second SIGTERM does not wait.
    """
    give_back_freed_memory()
    stop = threading.Event()
    _stop_at_signals(stop)
    try:
        _init(args)
        node = _make(make_node)
        node.greet()
    except (Om3dError, ParameterException, NameValidationException) as error:
        print(f"om3d: error: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return EXIT_ERROR
    sys.setswitchinterval(SWITCH_S)
    process = _Process(node, stop)
    process.spin()
    process.end()
    return process.status


class _Process:
    """Callbacks run in threads, so that this one is free to hear a signal at once."""

    def __init__(self, node: ManagedNode, stop: threading.Event):
        self.status = 0
        self._node = node
        self._stop = stop
        self._ended: Future[None] = Future()
        self._fault: BaseException | None = None
        self._executor = NodeExecutor()
        self._executor.add_node(node)
        node.on_failed_start = self._fail

    def spin(self) -> None:
        """Run callbacks until the end is asked for."""
        spinner = threading.Thread(target=self._spin, name="executor", daemon=True)
        spinner.start()
        self._stop.wait()
        self._ended.set_result(None)
        spinner.join(END_S)

    def end(self) -> None:
        """Free everything in order, or end at once if what is under way takes too long."""
        ending = threading.Thread(target=self._free, name="end", daemon=True)
        ending.start()
        ending.join(END_S)
        if ending.is_alive():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status)
        rclpy.try_shutdown()
        if self._fault is not None:
            raise self._fault

    def _fail(self) -> None:
        self.status = EXIT_ERROR
        self._stop.set()

    def _spin(self) -> None:
        try:
            self._executor.spin_until_future_complete(self._ended)
        except BaseException as error:
            self._fault = error
            self._fail()

    def _free(self) -> None:
        self._node.close()
        self._executor.shutdown()
        self._node.destroy_node()


def _init(args: Sequence[str] | None) -> None:
    """Start rclpy; raises :class:`SettingsError` for arguments that it does not take."""
    rclpy.logging.set_logger_level("rcl", LoggingSeverity.FATAL)
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except UnknownROSArgsError as error:
        raise SettingsError(f"arguments: unknown after --ros-args: {error}") from error
    except (RCLError, RCLInvalidROSArgsError) as error:
        raise SettingsError(f"arguments: {_reason(error)}") from error
    except UnicodeDecodeError as error:  # a reason that was cut within a character
        raise SettingsError("arguments: expected shorter ones") from error
    finally:
        rclpy.logging.set_logger_level("rcl", LoggingSeverity.UNSET)


def _make(make_node: Callable[[], ManagedNode]) -> ManagedNode:
    """The node; raises :class:`SettingsError` for names, remapped ones too, that rcl refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return make_node()
        except RCLError as error:
            raise SettingsError(f"arguments: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What an error of rcl says, without where in its source."""
    return PLACE_IN_SOURCE.sub("", " ".join(str(error).split()))


def _stop_at_signals(stop: threading.Event) -> None:
    def take(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM and stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, take)

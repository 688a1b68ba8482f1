"""Typed errors to the error codes of om3d/msg/Error."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any, Protocol, TypeVar

from om3d.msg import Error

from om3d_core.data.text import one_line
from om3d_core.errors import (
    CanceledError,
    EmptyMapError,
    InputError,
    MapBusyError,
    MapFormatError,
    ModelError,
    NoRoomError,
    Om3dError,
    OutsideGridError,
    RobotBlockedError,
    SettingsError,
    SourceError,
    UnreachableError,
    UnsupportedQueryError,
)
from om3d_ros.node.worker import BusyError

MAX_MESSAGE = 1000


class NotActiveError(Om3dError):
    """The node is not in the lifecycle state active."""


class NoMapError(Om3dError):
    """There is no map yet."""


class InsufficientDataError(Om3dError):
    """There is too little data to build a map from."""


class FrameError(Om3dError):
    """The frame id of an input is not the map frame."""


class NotFoundError(Om3dError):
    """The map has no instance of an id, or nothing that a text asks for."""


class NoGridError(Om3dError):
    """There is no usable occupancy grid yet."""


CODES: tuple[tuple[type[BaseException], int], ...] = (
    (NotActiveError, Error.NOT_ACTIVE),
    (NoMapError, Error.NO_MAP),
    (FrameError, Error.TRANSFORM),
    (BusyError, Error.BUSY),
    (MapBusyError, Error.BUSY),
    (EmptyMapError, Error.NO_MAP),
    (InsufficientDataError, Error.INSUFFICIENT_DATA),
    (CanceledError, Error.CANCELED),
    (CancelledError, Error.CANCELED),
    (NotFoundError, Error.NOT_FOUND),
    (NoGridError, Error.NO_GRID),
    (OutsideGridError, Error.OUTSIDE_GRID),
    (RobotBlockedError, Error.ROBOT_BLOCKED),
    (NoRoomError, Error.NO_ROOM),
    (UnreachableError, Error.UNREACHABLE),
    (UnsupportedQueryError, Error.UNSUPPORTED),
    (ModelError, Error.UNSUPPORTED),
    (MapFormatError, Error.IO),
    (SourceError, Error.IO),
    (InputError, Error.INVALID_ARGUMENT),
    (SettingsError, Error.INVALID_ARGUMENT),
    (TimeoutError, Error.TIMEOUT),
    (OSError, Error.IO),
)


class Outcome(Protocol):
    """A response or result with an error code and a message."""

    error_code: int
    error_msg: str


R = TypeVar("R", bound=Outcome)


def code_of(error: BaseException) -> int:
    """The code of the first matching kind of error, INTERNAL for any other."""
    return next((code for kind, code in CODES if isinstance(error, kind)), Error.INTERNAL)


def carry_out(response: R, work: Callable[[R], None], logger: Any) -> R:
    """Let ``work`` fill ``response``; an error becomes the code and message of a fresh one."""
    try:
        work(response)
        return response
    except Exception as error:
        return failed(type(response)(), error, logger)


def failed(response: R, error: Exception, logger: Any) -> R:
    """Put ``error`` into ``response`` and log it: a fault of the node with its traceback, a
    request that came too early as information, any other as a warning.
    """
    response.error_code = code_of(error)
    response.error_msg = one_line(str(error) or type(error).__name__)[:MAX_MESSAGE]
    if response.error_code == Error.INTERNAL:
        import traceback

        logger.error("".join(traceback.format_exception(error)))
    elif response.error_code in {Error.NO_MAP, Error.NOT_ACTIVE}:
        logger.info(response.error_msg, throttle_duration_sec=10.0)
    else:
        logger.warning(response.error_msg, throttle_duration_sec=1.0)
    return response

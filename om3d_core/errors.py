"""Typed errors of the library: each says what was expected and what came."""

from __future__ import annotations

import pickle

MAX_REASON = 200


class Om3dError(Exception):
    """Base class of every error that om3d raises on purpose."""


class InputError(Om3dError, ValueError):
    """An input is malformed: wrong shape, dtype, range or unit."""


class UnusableFrameError(InputError):
    """A frame from which no map can be made; ``reason`` names the kind, for counting."""

    def __init__(self, stamp_ns: int, reason: str, expected_and_got: str):
        super().__init__(f"frame of stamp {stamp_ns} ns: expected {expected_and_got}")
        self.reason = reason


class SettingsError(Om3dError, ValueError):
    """A setting is unknown or out of its range."""


class SourceError(Om3dError):
    """A recorded scene (folder, bag, data set) cannot be read."""


class MountError(SourceError):
    """The poses of a recording are of a frame that nothing connects with the camera."""


class RegistrationError(SourceError):
    """Depth is of a camera of its own, and what registers it to color is lacking."""


class ExportError(Om3dError):
    """A map cannot be written in a format, or not there."""


class DisagreementError(SourceError):
    """The frames of a recording contradict each other, or the cloud that came with them."""


class NothingMappedError(SourceError):
    """No frame of a recording could be mapped, or the map of all of them is empty."""


class MapFormatError(Om3dError):
    """A saved map is missing, truncated, of another version, or not a map."""


class MapBusyError(Om3dError):
    """A map folder stays locked by another save for longer than was to be waited."""


class ModelError(Om3dError):
    """A model or its weights are missing, damaged or of the wrong kind."""


class UnsupportedQueryError(Om3dError):
    """The map holds no features that this kind of query can be compared with."""


class EmptyMapError(Om3dError):
    """A question was asked before the first map was built."""


class CanceledError(Om3dError):
    """A long operation was canceled between two of its steps."""


class NoPlaceError(Om3dError):
    """There is no place for the robot at an instance; the kind of error says why."""


class OutsideGridError(NoPlaceError):
    """The robot, or all that is near enough to the instance, is outside of the grid."""


class RobotBlockedError(NoPlaceError):
    """The robot is where it does not fit by the grid, so that nothing can be reached."""


class NoRoomError(NoPlaceError):
    """There is no free place that is near enough to the instance and large enough."""


class UnreachableError(NoPlaceError):
    """There are places, but none that the robot can drive to."""


def expect(condition: bool, expected: str, got: object) -> None:
    """Raise :class:`InputError` naming what was expected and what came."""
    if not condition:
        raise InputError(f"expected {expected}, got {got}")


def reason_of(error: BaseException) -> str:
    """What an error of another library says, in one line of at most 200 characters."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or holds objects other than arrays, which are never loaded"
    return " ".join(str(error).split())[:MAX_REASON] or repr(error)

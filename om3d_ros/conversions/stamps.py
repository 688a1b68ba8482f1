"""Headers: builtin_interfaces/Time to nanoseconds and back, and frames."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from om3d_core.data.poses import NS_PER_S
from om3d_core.data.tables import MAX_STAMP_NS
from om3d_core.errors import expect
from om3d_ros.node.outcomes import FrameError


def stamp_ns(stamp: Time) -> int:
    """Nanoseconds of a stamp; raises InputError for one that :func:`to_time` cannot give back."""
    value = stamp.sec * NS_PER_S + stamp.nanosec
    expect(0 <= value <= MAX_STAMP_NS, f"header.stamp of 0..{MAX_STAMP_NS} ns", value)
    return int(value)


def to_time(stamp_ns: int) -> Time:
    """The stamp of ``stamp_ns`` nanoseconds."""
    expect(0 <= stamp_ns <= MAX_STAMP_NS, f"a stamp of 0..{MAX_STAMP_NS} ns", stamp_ns)
    sec, nanosec = divmod(int(stamp_ns), NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)


def header(frame_id: str, stamp_ns: int) -> Header:
    """A header of a frame and a stamp."""
    return Header(frame_id=frame_id, stamp=to_time(stamp_ns))


def check_frame(name: str, header: Header, map_frame: str) -> None:
    """Raise :class:`FrameError` unless the message ``name`` is in the map frame."""
    if header.frame_id.lstrip("/") != map_frame:
        raise FrameError(
            f"{name}: expected header.frame_id {map_frame!r} (parameter map_frame), got "
            f"{header.frame_id!r}"
        )

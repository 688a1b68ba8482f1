"""Which of the maps that a query node follows a request is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from om3d_ros.followed_map import FollowedMap
from om3d_ros.node.outcomes import FrameError, NotFoundError


def named(maps: Mapping[str, FollowedMap], name: str) -> Sequence[FollowedMap]:
    """The map of a name, or all without one; raises :class:`NotFoundError`."""
    if not name:
        return tuple(maps.values())
    if name not in maps:
        known = ", ".join(filter(None, maps)) or "none, as the parameter maps is empty"
        raise NotFoundError(f"expected map to be one of maps ({known}), got {name!r:.200}")
    return (maps[name],)


def only(maps: Sequence[FollowedMap]) -> FollowedMap:
    """The map that an id is of; raises :class:`NotFoundError` if it could be of several."""
    if len(maps) > 1:
        names = ", ".join(followed.name for followed in maps)
        raise NotFoundError(f"expected map to tell whose instance_id it is, one of {names}")
    return maps[0]


def in_frame(maps: Sequence[FollowedMap], frame_id: str) -> Sequence[FollowedMap]:
    """Those in a frame, and those of which that is not known yet; raises :class:`FrameError`.

    A single map is left to who looks at its frame.
    """
    if len(maps) == 1:
        return maps
    held = [(followed, followed.current) for followed in maps]
    fitting = [f for f, current in held if current is None or current.frame_id == frame_id]
    if not fitting:
        names = ", ".join(followed.name for followed in maps)
        raise FrameError(f"expected a map in the frame {frame_id!r} (parameter map_frame) among"
                         f" {names}")
    return fitting

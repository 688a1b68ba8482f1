"""Color, depth and pose of one moment, put together from messages, live or recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from om3d_core.data.poses import Transform
from om3d_core.streams.pose_lookup import NotYet, PoseLookup
from om3d_core.streams.settings import SyncSettings
from om3d_core.streams.sync import StampSync

T = TypeVar("T")


class Posed(NamedTuple, Generic[T]):
    """The messages of one frame, one a channel, their stamp and the camera's (4, 4) pose."""

    stamp_ns: int
    messages: tuple[T, ...]
    map_from_camera: Transform


class FrameAssembler(Generic[T]):
    """Pairs messages by stamp, then holds each set until its pose is known.

    Messages are passed through as they are. A frame has the stamp of the first of ``channels``,
    which is "color". Sets without a pose that wait longer than ``sync.wait_s`` by stamps, or
    beyond ``sync.capacity``, are given up and counted under ``misses["pose"]``. A topic whose
    stamps go further back than that is taken for a jump of the clock: what waits is forgotten.
    ``received`` counts messages, ``paired`` frames, ``jumps`` such jumps.
    """

    def __init__(self, channels: Sequence[str], sync: SyncSettings, poses: PoseLookup):
        self._wait_ns, self._capacity = sync.wait_ns, sync.capacity
        self._sync: StampSync[T] = StampSync(channels, sync.slop_ns, sync.wait_ns, sync.capacity)
        self._poses = poses
        self._waiting: dict[int, tuple[T, ...]] = {}
        self._newest: dict[str, int] = {}
        self._no_pose = 0
        self.paired = 0
        self.jumps = 0
        self.received = dict.fromkeys((*channels, "pose"), 0)

    @property
    def pending(self) -> int:
        """Color images that wait for a partner or a pose."""
        return self._sync.pending + len(self._waiting)

    @property
    def lost(self) -> int:
        """Color images that were given up."""
        return self._sync.lost + self._no_pose

    @property
    def duplicates(self) -> int:
        """Messages whose stamp had been seen on their topic."""
        return self._sync.duplicates

    @property
    def misses(self) -> dict[str, int]:
        """For each input but color: the color images given up for want of it."""
        return {**self._sync.misses, "pose": self._no_pose}

    def add_message(self, channel: str, stamp_ns: int, message: T) -> list[Posed[T]]:
        """Take a message of one of the channels; return the frames that are complete now."""
        self.received[channel] += 1
        self._advance(channel, stamp_ns)
        self._waiting.update(self._sync.add(channel, stamp_ns, message))
        return self._complete()

    def add_pose(self, stamp_ns: int, learn: Callable[[], None]) -> list[Posed[T]]:
        """Call ``learn``, which tells the poses what came; return the frames complete now."""
        self.received["pose"] += 1
        self._advance("pose", stamp_ns)
        learn()
        return self._complete()

    def finish(self) -> list[Posed[T]]:
        """Nothing more will come: return the last complete frames and give up the rest."""
        self._waiting.update(self._sync.finish())
        complete = self._complete()
        self._no_pose += len(self._waiting)
        self._waiting.clear()
        return complete

    def clear(self) -> None:
        """Forget what waits and all poses, as after a backward jump of the clock."""
        self._no_pose += len(self._waiting)
        self._sync.clear()
        self._poses.clear()
        self._waiting.clear()
        self._newest.clear()

    def _advance(self, channel: str, stamp_ns: int) -> None:
        if self._newest.get(channel, stamp_ns) - stamp_ns > self._wait_ns:
            self.clear()
            self.jumps += 1
        self._newest[channel] = max(self._newest.get(channel, stamp_ns), stamp_ns)

    def _complete(self) -> list[Posed[T]]:
        ready: list[Posed[T]] = []
        newest = max(self._newest.values(), default=0)
        for at in sorted(self._waiting):
            pose = self._poses.at(at)
            late = newest - at > self._wait_ns or len(self._waiting) > self._capacity
            if isinstance(pose, NotYet) and not late:
                continue
            messages = self._waiting.pop(at)
            if pose is None or isinstance(pose, NotYet):
                self._no_pose += 1
            else:
                ready.append(Posed(at, messages, pose))
                self.paired += 1
        return ready

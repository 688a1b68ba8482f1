"""Color, depth and pose of one moment, put together from messages, live or recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, NamedTuple, TypeVar

from om3d_core.data.poses import Transform
from om3d_core.streams.held import HeldMessages
from om3d_core.streams.pose_lookup import NotYet, PoseLookup
from om3d_core.streams.settings import SyncSettings
from om3d_core.streams.sync import StampSync

T = TypeVar("T")


class Posed(NamedTuple, Generic[T]):
    """The messages of one frame, one a channel, their stamp and the camera's (4, 4) pose."""

    stamp_ns: int
    messages: tuple[T, ...]
    map_from_camera: Transform


@dataclass(frozen=True)
class StreamState:
    """What came and what became of it: the counters and offsets of a :class:`FrameAssembler`."""

    received: Mapping[str, int]
    misses: Mapping[str, int]
    offsets_ns: Mapping[str, int]
    paired: int
    lost: int
    pending: int
    duplicates: int
    jumps: int


class FrameAssembler(Generic[T]):
    """Pairs messages by stamp, then holds each set until its calibration and its pose are known.

    Messages are passed through as they are, in the order of ``channels``, then of ``held``. A
    frame has the stamp of the first of ``channels``, which is "color". Of the topics in ``held``
    a message holds until the next. ``awaits(stamp_ns, messages)`` says whether a set should wait
    for something else; it goes on without that in the end. Sets that wait longer than
    ``sync.wait_s`` by stamps, or beyond ``sync.capacity``, are given up and counted in ``misses``
    under what they lack. A topic whose stamps go further back than that is taken for a jump of the
    clock: what waits is forgotten. ``received`` counts messages, ``paired`` frames, ``jumps`` such
    jumps.
    """

    def __init__(
        self,
        channels: Sequence[str],
        sync: SyncSettings,
        poses: PoseLookup,
        held: Sequence[str] = (),
        awaits: Callable[[int, Sequence[T]], bool] = lambda stamp_ns, messages: False,
    ):
        self._wait_ns, self._capacity = sync.wait_ns, sync.capacity
        self._sync: StampSync[T] = StampSync(channels, sync.slop_ns, sync.wait_ns, sync.capacity)
        self._held = {name: HeldMessages[T](sync.slop_ns, sync.wait_ns) for name in held}
        self._poses, self._awaits = poses, awaits
        self._waiting: dict[int, tuple[T, ...]] = {}
        self._newest: dict[str, int] = {}
        self._without = dict.fromkeys((*held, "pose"), 0)
        self._lost = 0
        self._pose_offsets: deque[int] = deque(maxlen=self._capacity)
        self.paired = 0
        self.jumps = 0
        self.received = dict.fromkeys((*channels, *held, "pose"), 0)

    @property
    def state(self) -> StreamState:
        """All counters and offsets of now."""
        return StreamState(
            dict(self.received), self.misses, self.offsets_ns, self.paired, self.lost,
            self.pending, self.duplicates, self.jumps,
        )

    @property
    def pending(self) -> int:
        """Color images that wait for a partner, a calibration or a pose."""
        return self._sync.pending + len(self._waiting)

    @property
    def lost(self) -> int:
        """Color images that were given up."""
        return self._sync.lost + self._lost

    @property
    def duplicates(self) -> int:
        """Messages whose stamp had been seen on their topic."""
        return self._sync.duplicates

    @property
    def misses(self) -> dict[str, int]:
        """For each input but color: the color images given up for want of it."""
        return {**self._sync.misses, **self._without}

    @property
    def offsets_ns(self) -> dict[str, int]:
        """For inputs that color images lacked: how far their nearest stamps were off (median)."""
        poses = {"pose": round(median(self._pose_offsets))} if self._pose_offsets else {}
        return self._sync.offsets_ns | poses

    def add_message(self, channel: str, stamp_ns: int, message: T) -> list[Posed[T]]:
        """Take a message of one of the topics; return the frames that are complete now."""
        self.received[channel] += 1
        if channel in self._held:
            self._held[channel].add(stamp_ns, message)
        else:
            self._advance(channel, stamp_ns)
            self._waiting.update(self._sync.add(channel, stamp_ns, message))
        return self._complete()

    def add_pose(self, stamp_ns: int, learn: Callable[[], None]) -> list[Posed[T]]:
        """Call ``learn``, which tells the poses what came; return the frames complete now."""
        self.received["pose"] += 1
        self._advance("pose", stamp_ns)
        learn()
        return self._complete()

    def note_transforms(self, tell_poses: bool) -> list[Posed[T]]:
        """The poses have learned something of tf: return the frames complete now.

        tell_poses: whether that is what is counted as poses, rather than what completes those.
        """
        self.received["pose"] += tell_poses
        return self._complete()

    def look_again(self) -> list[Posed[T]]:
        """Something came that frames may have awaited: return those complete now."""
        return self._complete()

    def settle(self) -> list[Posed[T]]:
        """Nothing came for a while: return the frames that only waited for something better."""
        self._waiting.update(self._sync.settle())
        return self._complete(settled=True)

    def finish(self) -> list[Posed[T]]:
        """Nothing more will come: return the last complete frames and give up the rest."""
        self._waiting.update(self._sync.finish())
        complete = self._complete(settled=True)
        for at in sorted(self._waiting):
            self._give_up(at)
        return complete

    def jump(self, now_ns: int | None = None) -> None:
        """The clock jumped back, to ``now_ns`` if that is known: forget what waits, which counts
        as lost, and all poses of the time before."""
        self.jumps += 1
        self._lost += len(self._waiting)
        self._sync.clear()
        self._poses.clear(now_ns)
        for held in self._held.values():
            held.clear()
        self._waiting.clear()
        self._newest.clear()

    def _advance(self, channel: str, stamp_ns: int) -> None:
        if self._newest.get(channel, stamp_ns) - stamp_ns > self._wait_ns:
            self.jump(stamp_ns)
        self._newest[channel] = max(self._newest.get(channel, stamp_ns), stamp_ns)

    def _complete(self, settled: bool = False) -> list[Posed[T]]:
        ready: list[Posed[T]] = []
        newest = max(self._newest.values(), default=0)
        for at in sorted(self._waiting):
            late = newest - at > self._wait_ns or len(self._waiting) > self._capacity
            pose = self._poses.at(at, settled or late)
            held = [topic.at(at, settled or late) for topic in self._held.values()]
            known = [message for message in held if not isinstance(message, NotYet)]
            if pose is None:
                self._give_up(at)
            elif not isinstance(pose, NotYet) and len(known) == len(held):
                messages = *self._waiting[at], *known
                if settled or late or not self._awaits(at, messages):
                    del self._waiting[at]
                    ready.append(Posed(at, messages, pose))
                    self.paired += 1
            elif late:
                self._give_up(at)
        return ready

    def _give_up(self, at: int) -> None:
        """Count the set of this stamp as lost, under what it lacks."""
        del self._waiting[at]
        self._lost += 1
        for name, held in self._held.items():
            self._without[name] += isinstance(held.at(at, settled=True), NotYet)
        pose = self._poses.at(at, settled=True)
        if pose is None or isinstance(pose, NotYet):
            self._without["pose"] += 1
            if "pose" in self._newest:
                self._pose_offsets.append(self._newest["pose"] - at)

"""Color, depth, camera_info and pose of one moment, put together from four streams."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from om3d_core.streams.pose_buffer import PoseBuffer
from om3d_core.streams.settings import PoseSettings, SyncSettings
from om3d_core.streams.sync import StampSync

T = TypeVar("T")
NS_PER_S = 1_000_000_000
CHANNELS = ("color", "depth", "camera_info")


class Posed(NamedTuple, Generic[T]):
    """The messages of one frame, the stamp of its color image and its (4, 4) pose."""

    stamp_ns: int
    color: T
    depth: T
    camera_info: T
    map_from_camera: npt.NDArray[np.float64]


class FrameAssembler(Generic[T]):
    """Pairs images by stamp, then holds each set until its pose can be interpolated.

    Sets that wait longer than ``sync.wait_s`` by stamps, or beyond ``sync.capacity``, are given
    up and counted under ``misses["pose"]``. A topic whose stamps go further back than that is
    taken for a jump of the clock: what waits is forgotten. ``received`` counts messages,
    ``paired`` frames, ``jumps`` such jumps.
    """

    def __init__(self, sync: SyncSettings, pose: PoseSettings):
        self._wait_ns = round(sync.wait_s * NS_PER_S)
        self._capacity = sync.capacity
        self._sync: StampSync[T] = StampSync(
            CHANNELS, round(sync.slop_s * NS_PER_S), self._wait_ns, sync.capacity
        )
        keep_ns = 2 * self._wait_ns + round(pose.max_gap_s * NS_PER_S)
        self._poses = PoseBuffer(round(pose.max_gap_s * NS_PER_S), keep_ns)
        self._waiting: dict[int, tuple[T, ...]] = {}
        self._newest: dict[str, int] = {}
        self._no_pose = 0
        self.paired = 0
        self.jumps = 0
        self.received = dict.fromkeys((*CHANNELS, "pose"), 0)

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
        """Take one image or camera_info; return the frames that are complete now."""
        self.received[channel] += 1
        self._advance(channel, stamp_ns)
        found = self._sync.add(channel, stamp_ns, message)
        if found is not None:
            self._waiting[found[0]] = found[1]
        return self._complete()

    def add_pose(
        self, stamp_ns: int, map_from_camera: npt.NDArray[np.float64]
    ) -> list[Posed[T]]:
        """Take one pose (4, 4); return the frames that are complete now."""
        self.received["pose"] += 1
        self._advance("pose", stamp_ns)
        self._poses.add(stamp_ns, map_from_camera)
        return self._complete()

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
        newest = max(self._newest.values())
        for at in sorted(self._waiting):
            pose = self._poses.at(at)
            if pose is not None:
                color, depth, camera_info = self._waiting.pop(at)
                ready.append(Posed(at, color, depth, camera_info, pose))
                self.paired += 1
            elif newest - at > self._wait_ns or len(self._waiting) > self._capacity:
                del self._waiting[at]
                self._no_pose += 1
        return ready

"""The camera's poses of the last seconds, interpolated at the stamp of an image."""

from __future__ import annotations

from bisect import bisect_left, insort

from om3d_core.data.poses import Transform
from om3d_core.streams.pose_lookup import NOT_YET, NotYet
from om3d_core.streams.trajectory import Trajectory

MAX_POSES = 20_000
SETTLED = 3


class PoseBuffer:
    """Stamped poses map_from_camera, at most ``keep_ns`` of them back from the newest.

    Poses may come out of order: only when ``settled`` of them have come for later times is one
    interpolated, so that the one of the very stamp may overtake. gap_ns: the longest time between
    two poses that is interpolated.
    """

    def __init__(self, gap_ns: int, keep_ns: int, settled: int = SETTLED):
        self._gap_ns = gap_ns
        self._keep_ns = keep_ns
        self._settled = settled
        self._stamps: list[int] = []
        self._poses: dict[int, Transform] = {}

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def newest(self) -> tuple[int, Transform] | None:
        """The stamp of the latest pose and it, None before the first."""
        return (self._stamps[-1], self._poses[self._stamps[-1]]) if self._stamps else None

    def add(self, stamp_ns: int, map_from_camera: Transform) -> None:
        """Take a pose (4, 4); of two with one stamp the first stays."""
        if stamp_ns in self._poses:
            return
        insort(self._stamps, stamp_ns)
        self._poses[stamp_ns] = map_from_camera
        horizon = self._stamps[-1] - self._keep_ns
        old = max(bisect_left(self._stamps, horizon), len(self._stamps) - MAX_POSES)
        for stamp in self._stamps[:old]:
            del self._poses[stamp]
        del self._stamps[:old]

    def at(self, stamp_ns: int, settled: bool = False) -> Transform | NotYet | None:
        """The (4, 4) pose at a time, ``NOT_YET`` unless poses on both sides are near enough.

        None for a time before all that is kept. settled: no more poses will come for that time.
        """
        if stamp_ns in self._poses:
            return self._poses[stamp_ns]
        if not self._stamps:
            return NOT_YET
        if stamp_ns < self._stamps[-1] - self._keep_ns:
            return None
        after = bisect_left(self._stamps, stamp_ns)
        later = len(self._stamps) - after
        if after == 0 or later == 0 or (later < self._settled and not settled):
            return NOT_YET
        around = self._stamps[after - 1 : after + 1]
        poses = [self._poses[stamp] for stamp in around]
        pose = Trajectory(around, poses, gap_ns=self._gap_ns).at(stamp_ns)
        return NOT_YET if pose is None else pose

    def move(self, correction: Transform) -> None:
        """Put ``correction`` (4, 4) before all poses."""
        for stamp, pose in self._poses.items():
            self._poses[stamp] = correction @ pose

    def clear(self, now_ns: int | None = None) -> None:
        """Forget all poses, whatever the time is now."""
        self._stamps.clear()
        self._poses.clear()

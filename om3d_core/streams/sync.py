"""Pairs messages of several channels by their stamps, without ROS and without a clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class StampSync(Generic[T]):
    """Sets of one message a channel whose stamps lie within ``slop_ns`` of the first channel's.

    Messages may come in any order. A message is used once, the nearest partner wins, and a stamp
    that was seen before is a duplicate. At most ``capacity`` messages a channel wait, none longer
    than ``wait_ns`` of stamp time; a message of the first channel that is given up counts as a
    miss of every channel that had no partner for it.
    """

    def __init__(self, channels: Sequence[str], slop_ns: int, wait_ns: int, capacity: int):
        self.channels = tuple(channels)
        self.misses = dict.fromkeys(self.channels[1:], 0)
        self.duplicates = 0
        self.lost = 0
        self.slop_ns = slop_ns
        self._wait_ns = wait_ns
        self._capacity = capacity
        self._waiting: dict[str, dict[int, T]] = {name: {} for name in self.channels}
        self._used: deque[int] = deque(maxlen=4 * capacity)
        self._newest = -1

    @property
    def pending(self) -> int:
        """Messages of the first channel that wait for partners."""
        return len(self._waiting[self.channels[0]])

    def add(self, channel: str, stamp_ns: int, message: T) -> tuple[int, tuple[T, ...]] | None:
        """Take one message; return the set it completes with the stamp of its first channel."""
        waiting = self._waiting[channel]
        if stamp_ns in waiting or (channel == self.channels[0] and stamp_ns in self._used):
            self.duplicates += 1
            return None
        waiting[stamp_ns] = message
        self._newest = max(self._newest, stamp_ns)
        complete = self._complete(stamp_ns)
        self._give_up()
        return complete

    def clear(self) -> None:
        """Forget what waits, which counts as lost, and which stamps were seen."""
        self.lost += self.pending
        for waiting in self._waiting.values():
            waiting.clear()
        self._used.clear()
        self._newest = -1

    def _complete(self, stamp_ns: int) -> tuple[int, tuple[T, ...]] | None:
        first = self.channels[0]
        for reference in self._near(first, stamp_ns):
            stamps = [reference]
            for channel in self.channels[1:]:
                stamps += self._near(channel, reference)[:1]
            if len(stamps) == len(self.channels):
                self._used.append(reference)
                pairs = zip(self.channels, stamps, strict=True)
                return reference, tuple(self._waiting[name].pop(at) for name, at in pairs)
        return None

    def _near(self, channel: str, stamp_ns: int) -> list[int]:
        """The stamps that wait within the slop, nearest first, then oldest first."""
        found = [s for s in self._waiting[channel] if abs(s - stamp_ns) <= self.slop_ns]
        return sorted(found, key=lambda s: (abs(s - stamp_ns), s))

    def _give_up(self) -> None:
        horizon = self._newest - self._wait_ns
        first = self.channels[0]
        for channel in self.channels:
            waiting = self._waiting[channel]
            excess = max(0, len(waiting) - self._capacity)
            for at, stamp_ns in enumerate(sorted(waiting)):
                if at >= excess and stamp_ns >= horizon:
                    break
                if channel == first:
                    self._count_miss(stamp_ns)
                del waiting[stamp_ns]

    def _count_miss(self, stamp_ns: int) -> None:
        self.lost += 1
        for channel in self.channels[1:]:
            self.misses[channel] += not self._near(channel, stamp_ns)

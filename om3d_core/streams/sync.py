"""Pairs messages of several channels by their stamps, without ROS and without a clock."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Generic, TypeVar

T = TypeVar("T")


class StampSync(Generic[T]):
    """Sets of one message a channel whose stamps lie within ``slop_ns`` of the first channel's.

    Messages of two channels belong together if each is the nearest in time to the other; of two
    equally near the earlier. Such a pair is complete once no nearer message can come: the stamps
    are equal, both channels have moved on, or it has waited for ``wait_ns`` of stamp time. A
    message is used once, and a stamp that was seen before is a duplicate. At most ``capacity``
    messages a channel wait, none longer than ``wait_ns``; a message of the first channel that is
    given up counts as a miss of every channel that had no partner for it.
    """

    def __init__(self, channels: Sequence[str], slop_ns: int, wait_ns: int, capacity: int):
        self.channels = tuple(channels)
        self.misses = dict.fromkeys(self.channels[1:], 0)
        self.duplicates = 0
        self.lost = 0
        self._slop_ns = slop_ns
        self._wait_ns = wait_ns
        self._capacity = capacity
        self._waiting: dict[str, dict[int, T]] = {name: {} for name in self.channels}
        self._stamps: dict[str, list[int]] = {name: [] for name in self.channels}
        self._newest: dict[str, int] = {}
        self._used: deque[int] = deque(maxlen=4 * capacity)
        self._offsets: dict[str, deque[int]] = {
            name: deque(maxlen=capacity) for name in self.channels[1:]
        }

    @property
    def pending(self) -> int:
        """Messages of the first channel that wait for partners."""
        return len(self._waiting[self.channels[0]])

    @property
    def offsets_ns(self) -> dict[str, int]:
        """For channels that were missed: how far their nearest stamps were off, the median."""
        return {name: round(median(found)) for name, found in self._offsets.items() if found}

    def add(self, channel: str, stamp_ns: int, message: T) -> list[tuple[int, tuple[T, ...]]]:
        """Take one message; return the sets that are complete now, by the first channel's stamp.
        """
        if stamp_ns in self._waiting[channel] or (
            channel == self.channels[0] and stamp_ns in self._used
        ):
            self.duplicates += 1
            return []
        self._waiting[channel][stamp_ns] = message
        insort(self._stamps[channel], stamp_ns)
        self._newest[channel] = max(self._newest.get(channel, stamp_ns), stamp_ns)
        horizon = max(self._newest.values()) - self._wait_ns
        complete = self._complete(horizon)
        self._give_up(horizon)
        return complete

    def settle(self) -> list[tuple[int, tuple[T, ...]]]:
        """Nothing came for a while: return the sets that only waited for nearer partners."""
        return self._complete(self._end)

    def finish(self) -> list[tuple[int, tuple[T, ...]]]:
        """Nothing more will come: return the last complete sets and give up the rest."""
        complete = self.settle()
        self._give_up(self._end)
        return complete

    def clear(self) -> None:
        """Forget what waits, which counts as lost, and which stamps were seen."""
        self.lost += self.pending
        for channel in self.channels:
            self._waiting[channel].clear()
            self._stamps[channel].clear()
        self._used.clear()
        self._newest.clear()

    def _complete(self, horizon: int) -> list[tuple[int, tuple[T, ...]]]:
        """Take out the complete sets; those before ``horizon`` need not wait for nearer ones."""
        first = self.channels[0]
        complete = []
        found = True
        while found:
            found = False
            for reference in list(self._stamps[first]):
                partners = [
                    self._partner(channel, reference, reference < horizon)
                    for channel in self.channels[1:]
                ]
                stamps = [reference, *(stamp for stamp in partners if stamp is not None)]
                if len(stamps) == len(self.channels):
                    pairs = zip(self.channels, stamps, strict=True)
                    messages = tuple(self._take(channel, stamp) for channel, stamp in pairs)
                    complete.append((reference, messages))
                    self._used.append(reference)
                    found = True
        return sorted(complete, key=lambda entry: entry[0])

    def _partner(self, channel: str, reference: int, settled: bool) -> int | None:
        """The stamp in ``channel`` that belongs to one of the first channel, if there is one."""
        first = self.channels[0]
        stamp = self._nearest(channel, reference)
        if stamp is None or self._nearest(first, stamp) != reference:
            return None
        apart = abs(stamp - reference)
        moved_on = (
            self._newest[channel] >= reference + apart and self._newest[first] >= stamp + apart
        )
        return stamp if settled or apart == 0 or moved_on else None

    def _nearest(self, channel: str, stamp_ns: int) -> int | None:
        """The nearest stamp that waits within the slop; of two equally near the earlier."""
        stamps = self._stamps[channel]
        after = bisect_left(stamps, stamp_ns)
        around = stamps[max(after - 1, 0) : after + 1]
        best = min(around, key=lambda stamp: abs(stamp - stamp_ns), default=None)
        return None if best is None or abs(best - stamp_ns) > self._slop_ns else best

    def _take(self, channel: str, stamp_ns: int) -> T:
        stamps = self._stamps[channel]
        del stamps[bisect_left(stamps, stamp_ns)]
        return self._waiting[channel].pop(stamp_ns)

    def _give_up(self, horizon: int) -> None:
        first = self.channels[0]
        for channel in self.channels:
            stamps = self._stamps[channel]
            old = max(bisect_left(stamps, horizon), len(stamps) - self._capacity)
            for stamp in stamps[: max(old, 0)]:
                if channel == first:
                    self._count_miss(stamp)
                self._take(channel, stamp)

    def _count_miss(self, stamp_ns: int) -> None:
        self.lost += 1
        for channel in self.channels[1:]:
            if self._nearest(channel, stamp_ns) is None:
                self.misses[channel] += 1
                self._note_offset(channel, stamp_ns)

    def _note_offset(self, channel: str, stamp_ns: int) -> None:
        """Remember how far off the nearest message that waits is, or else the newest that came."""
        if channel in self._newest:
            known = self._stamps[channel] or [self._newest[channel]]
            off = min((stamp - stamp_ns for stamp in known), key=abs)
            self._offsets[channel].append(off)

    @property
    def _end(self) -> int:
        """A time after all that came."""
        return max(self._newest.values(), default=0) + 1

"""Messages that hold until the next one, such as the calibration of a camera."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Generic, TypeVar

from om3d_core.streams.pose_lookup import NOT_YET, NotYet

T = TypeVar("T")
KEPT = 200


class HeldMessages(Generic[T]):
    """The last messages of one topic, which may come once, now and then, or with every image.

    At a stamp holds the message within ``slop_ns`` of it; without one the last before, and before
    the first of all that one. Of a topic that talks on, the stamp's own message is awaited until
    it has lacked one for ``wait_ns`` of stamp time.
    """

    def __init__(self, slop_ns: int, wait_ns: int):
        self._slop_ns, self._wait_ns = slop_ns, wait_ns
        self._stamps: list[int] = []
        self._messages: dict[int, T] = {}
        self._last: tuple[int, T] | None = None
        self._lacks_since: int | None = None

    def add(self, stamp_ns: int, message: T) -> None:
        """Take a message; of two with one stamp the last stays."""
        if stamp_ns not in self._messages:
            insort(self._stamps, stamp_ns)
        self._messages[stamp_ns] = message
        self._last = stamp_ns, message
        for old in self._stamps[:-KEPT]:
            del self._messages[old]
        del self._stamps[:-KEPT]

    def at(self, stamp_ns: int, settled: bool = False) -> T | NotYet:
        """The message that holds at a time, ``NOT_YET`` where it may still come.

        settled: nothing more will come for that time.
        """
        if not self._stamps:
            return NOT_YET
        nearest = min(self._around(stamp_ns), key=lambda at: abs(at - stamp_ns))
        if abs(nearest - stamp_ns) <= self._slop_ns:
            return self._messages[nearest]
        if not settled and self._is_awaited(stamp_ns):
            return NOT_YET
        before = bisect_right(self._stamps, stamp_ns) - 1
        return self._messages[self._stamps[max(before, 0)]]

    def clear(self) -> None:
        """Forget all but the last that came, which holds on after a jump of the clock."""
        last = self._last
        self._stamps.clear()
        self._messages.clear()
        self._lacks_since = None
        if last is not None:
            self.add(*last)

    def _around(self, stamp_ns: int) -> list[int]:
        after = bisect_left(self._stamps, stamp_ns)
        return self._stamps[max(after - 1, 0) : after + 1]

    def _is_awaited(self, stamp_ns: int) -> bool:
        """Whether the topic sent more than one message and is not known to have fallen silent."""
        newest, since = self._stamps[-1], self._lacks_since
        if len(self._stamps) == 1 or stamp_ns < newest:
            return False
        if since is None or since <= newest or stamp_ns < since:
            self._lacks_since = since = stamp_ns
        return stamp_ns <= since + self._wait_ns

"""How much of what was sent arrives, and how much of that is used, over the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

WINDOW_S, LOW_SHARE, MIN_SENT = 10.0, 0.9, 10


class Arrivals:
    """Counts the messages of one topic and, by their sequence numbers, those that never came.

    The order does not matter. A message is counted each time that it is given.
    """

    def __init__(self) -> None:
        self.received = 0
        self._spans: dict[Hashable, list[int]] = {}

    @property
    def lost(self) -> int:
        """Messages between the first and the last one of a publisher that did not come."""
        return sum(max(0, last - first + 1 - n) for first, last, n in self._spans.values())

    def add(self, publisher: Hashable, number: int | None) -> None:
        """Count a message of a publisher, with its sequence number if that is known."""
        self.received += 1
        if number is None:
            return
        span = self._spans.setdefault(publisher, [number, number, 0])
        span[:] = min(span[0], number), max(span[1], number), span[2] + 1


@dataclass(frozen=True)
class Totals:
    """Counters that only grow.

    received, lost: messages of each topic that came, and that were lost on the way. used: color
    images that became frames. without: for each input, color images given up for want of it.
    pending: color images whose fate is open.
    """

    received: Mapping[str, int]
    lost: Mapping[str, int]
    without: Mapping[str, int]
    used: int = 0
    pending: int = 0

    @property
    def decided(self) -> int:
        """Color images that were sent, so far as can be known, and do not wait."""
        return self.received.get("color", 0) + self.lost.get("color", 0) - self.pending


class Window:
    """Counters over the last :data:`WINDOW_S` seconds."""

    def __init__(self, span_s: float = WINDOW_S):
        self.span_s = span_s
        self._samples: deque[tuple[float, Mapping[str, int]]] = deque()

    def __str__(self) -> str:
        return f"in the last {self.span_s:g} s"

    def add(self, now_s: float, counters: Mapping[str, int]) -> None:
        """Take the counters at a time; earlier ones than the window are forgotten."""
        self._samples.append((now_s, counters))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - self.span_s:
            self._samples.popleft()

    def change(self, name: str) -> int:
        """By how much a counter changed within the window; one that is new began at 0."""
        if not self._samples:
            return 0
        (_, old), (_, new) = self._samples[0], self._samples[-1]
        return new.get(name, 0) - old.get(name, 0)

    def grown(self, prefix: str) -> dict[str, int]:
        """By how much counters grew whose names begin so, by the rest of their names."""
        names = self._samples[-1][1] if self._samples else {}
        grown = {name: self.change(name) for name in names if name.startswith(prefix)}
        return {name.removeprefix(prefix): n for name, n in grown.items() if n > 0}


class Usage:
    """The share of the color images sent that became frames, over a :class:`Window`."""

    def __init__(self, window_s: float = WINDOW_S):
        self.window_s = window_s
        self._window = Window(window_s)

    def add(self, now_s: float, totals: Totals) -> None:
        """Take the counters at a time; earlier ones than the window are forgotten."""
        self._window.add(now_s, {
            "sent": totals.decided,
            "used": totals.used,
            **{f"lost {name}": n for name, n in totals.lost.items()},
            **{f"without {name}": n for name, n in totals.without.items()},
        })

    @property
    def share(self) -> float:
        """Used of sent, 1 where too few were sent to tell."""
        sent = self._window.change("sent")
        return self._window.change("used") / sent if sent >= MIN_SENT else 1.0

    @property
    def low(self) -> bool:
        """Whether the share is worth a warning."""
        return self.share < LOW_SHARE

    @property
    def lost(self) -> dict[str, int]:
        """Messages of each topic that were lost on the way within the window."""
        return self._window.grown("lost ")

    @property
    def without(self) -> dict[str, int]:
        """Color images given up within the window, for each input that they lacked."""
        return self._window.grown("without ")

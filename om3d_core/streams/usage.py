"""How much of what was sent arrives, and how much of that is used, over the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

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


@dataclass
class Usage:
    """The share of the color images sent that became frames, over the last :data:`WINDOW_S`."""

    window_s: float = WINDOW_S
    _samples: deque[tuple[float, Totals]] = field(default_factory=deque)

    def add(self, now_s: float, totals: Totals) -> None:
        """Take the counters at a time; earlier ones than the window are forgotten."""
        self._samples.append((now_s, totals))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - self.window_s:
            self._samples.popleft()

    @property
    def share(self) -> float:
        """Used of sent, 1 where too few were sent to tell."""
        if len(self._samples) < 2:
            return 1.0
        (_, old), (_, new) = self._samples[0], self._samples[-1]
        sent = new.decided - old.decided
        return (new.used - old.used) / sent if sent >= MIN_SENT else 1.0

    @property
    def low(self) -> bool:
        """Whether the share is worth a warning."""
        return self.share < LOW_SHARE

    @property
    def lost(self) -> dict[str, int]:
        """Messages of each topic that were lost on the way within the window."""
        return self._grown("lost")

    @property
    def without(self) -> dict[str, int]:
        """Color images given up within the window, for each input that they lacked."""
        return self._grown("without")

    def _grown(self, counters: str) -> dict[str, int]:
        if not self._samples:
            return {}
        old, new = (getattr(self._samples[at][1], counters) for at in (0, -1))
        return {name: n - old.get(name, 0) for name, n in new.items() if n > old.get(name, 0)}

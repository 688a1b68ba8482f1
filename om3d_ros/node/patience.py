"""When something that should have happened by now is to be tried again."""

from __future__ import annotations

import time

FIRST_S, LONGEST_S = 5.0, 60.0


class Patience:
    """Waits from when it is made or renewed, twice as long each time, up to a longest time.

    DDS can fail to bring an endpoint that was made anew to the notice of another, on a busy
    machine and if many come and go; what asks once more is heard.
    """

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S):
        self._first_s, self._longest_s = first_s, longest_s
        self.renew()

    def renew(self) -> None:
        """Begin with the first wait."""
        self._wait_s, self._since_s = self._first_s, time.monotonic()

    def ends(self) -> bool:
        """Whether the wait is over; if it is, the next one begins."""
        now = time.monotonic()
        if now - self._since_s < self._wait_s:
            return False
        self._wait_s, self._since_s = min(2 * self._wait_s, self._longest_s), now
        return True

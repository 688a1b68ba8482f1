"""Complaints for the console: each is told once when it lasts, not once a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping

LASTS_S, FORGOTTEN_S = 4.0, 10.0


class ToldOnce:
    """Tells a complaint that has lasted for :data:`LASTS_S`.

    It is told again only after it was gone for :data:`FORGOTTEN_S`.
    """

    def __init__(self, tell: Callable[[str], object]):
        self._tell = tell
        self._since: dict[str, float] = {}
        self._seen: dict[str, float] = {}
        self._told: set[str] = set()

    def take(self, now_s: float, complaints: Mapping[str, str]) -> None:
        """Take the complaints of now, by kind; times only grow."""
        for kind in [kind for kind, at in self._seen.items() if now_s - at > FORGOTTEN_S]:
            del self._since[kind], self._seen[kind]
            self._told.discard(kind)
        for kind, text in complaints.items():
            self._seen[kind] = now_s
            if now_s - self._since.setdefault(kind, now_s) >= LASTS_S and kind not in self._told:
                self._told.add(kind)
                self._tell(text)

"""The objects of a map that a motion planner holds, and what brings it up to date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from om3d_ros.conversions.solids import Solid


@dataclass(frozen=True)
class Difference:
    """What is put, by name, and the names of what is removed."""

    put: Mapping[str, Solid] = field(default_factory=dict)
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.gone)


class CollisionObjects:
    """Follows what a planner was told. What leaves the map is kept for ``keep_s`` seconds, in
    which it may come back. Times are of any clock that does not go back (s)."""

    def __init__(self, keep_s: float):
        self._keep_s = keep_s
        self._held: dict[str, Solid] = {}
        self._gone_s: dict[str, float] = {}

    @property
    def held(self) -> Mapping[str, Solid]:
        """What the planner holds, by name."""
        return dict(self._held)

    def update(self, wanted: Mapping[str, Solid], now_s: float, anew: bool) -> Difference:
        """What makes the planner hold ``wanted``; anew: what is not in it goes at once."""
        put = {name: solid for name, solid in wanted.items() if self._held.get(name) != solid}
        self._held |= put
        self._gone_s = {
            name: self._gone_s.get(name, now_s) for name in self._held if name not in wanted
        }
        gone = self._remove(list(self._gone_s)) if anew else self.expire(now_s).gone
        return Difference(put, tuple(gone))

    def expire(self, now_s: float) -> Difference:
        """The removal of what was kept long enough."""
        old = [name for name, gone_s in self._gone_s.items() if now_s - gone_s >= self._keep_s]
        return Difference(gone=self._remove(old))

    def remove_all(self) -> Difference:
        """The removal of all."""
        return Difference(gone=self._remove(list(self._held)))

    def _remove(self, names: list[str]) -> tuple[str, ...]:
        for name in names:
            del self._held[name]
            self._gone_s.pop(name, None)
        return tuple(names)

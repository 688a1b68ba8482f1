"""Whether the map in hand is one that a living mapper vouches for."""

from __future__ import annotations


class Freshness:
    """Stale from the loss of a mapper until a map is received after it.

    DDS counts the mappers that live; whose map is whose it does not say. So where one of several
    is lost, or one comes back, their updates have to be subscribed to anew: those who live then
    send their whole maps again, and those who do not, do not.

    mappers: how many are heard.
    """

    def __init__(self) -> None:
        self.mappers = 0
        self._lost = False
        self._asked = False

    @property
    def stale(self) -> bool:
        """Whether no living mapper has sent a map since one was lost."""
        return self.mappers == 0 or self._lost

    def subscribed(self) -> None:
        """Note that the topics are subscribed to: the maps of who lives are on their way."""
        self._lost, self._asked = True, True

    def count(self, mappers: int) -> bool:
        """Note how many mappers live; returns whether to subscribe anew, once after a loss."""
        if mappers < self.mappers:
            self._lost, self._asked = True, False
        self.mappers = mappers
        return self._lost and mappers > 0 and not self._asked

    def received(self) -> None:
        """Note that a map was received."""
        self._lost = False

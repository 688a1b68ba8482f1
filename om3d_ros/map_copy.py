"""A mapper's map, kept up to date by its updates."""

from __future__ import annotations

from om3d.msg import MapUpdate

from om3d_core.errors import Om3dError
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.conversions.map_updates import applied
from om3d_ros.node.patience import Patience


class MapCopy:
    """The newest revision of the map of each mapper that is heard.

    Where updates were missed, the topic has to be subscribed to anew: each mapper then sends its
    whole map.
    """

    def __init__(self) -> None:
        self._maps: dict[str, MapParts] = {}
        self._missed = self._asked = False
        self._patience = Patience()

    def take(self, update: MapUpdate, mappers: int = 1) -> tuple[MapParts, bool] | None:
        """The map that the update is about, and whether it is newer than before.

        None for an update of a revision that is not held. Raises an Om3dError for one that
        cannot be used. Of no more maps than there are ``mappers`` a copy is kept.
        """
        held = self._maps.get(update.map_id)
        if held is not None and update.revision <= held.revision:
            return held, False
        if update.base and (held is None or update.base != held.revision):
            self._missed = True
            return None
        try:
            made = applied(held if update.base else None, update)
        except Om3dError:
            self._missed = True
            raise
        self._maps.pop(made.map_id, None)
        self._maps[made.map_id] = made
        while len(self._maps) > max(mappers, 1):
            del self._maps[next(iter(self._maps))]
        self._missed = self._asked = False
        return made, True

    def expect(self, map_id: str, revision: int) -> None:
        """Note that this revision was published: unless it comes soon, it was missed."""
        held = self._maps.get(map_id)
        if not self._missed and (held is None or held.revision < revision):
            self._missed = self._asked = True
            self._patience.renew()

    def asks(self) -> bool:
        """Whether to subscribe anew now: as soon as something was missed, then with patience."""
        if not self._missed:
            return False
        if not self._asked:
            self._asked = True
            self._patience.renew()
            return True
        return self._patience.ends()

"""The map of one mapper, as a query node has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from om3d.msg import MapUpdate, SearchedMap
from std_msgs.msg import Header

from om3d_core.data.boxes import Box
from om3d_core.data.scene import Scene
from om3d_core.query.scene_query import SceneQuery
from om3d_core.query.settings import QuerySettings
from om3d_core.query.text_memory import TextMemory
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.freshness import Freshness
from om3d_ros.map_copy import MapCopy
from om3d_ros.node.outcomes import NoMapError
from om3d_ros.query_encoders import QueryEncoders

MAX_PREPARED = 8


@dataclass(frozen=True, eq=False)
class Map:
    """One revision of a map, ready to be asked; texts puts questions into its spaces.

    name: of its mapper, empty where there is but one. boxes: of the instances, by id, as the
    mapper says: to fit them again would take seconds.
    """

    name: str
    header: Header
    scene: Scene
    texts: TextMemory
    boxes: Mapping[int, Box]

    @property
    def frame_id(self) -> str:
        """The frame of the map."""
        return str(self.header.frame_id)


class FollowedMap:
    """Keeps the newest revision of a mapper's map, and what answers from it.

    Messages come from one thread and questions from another; neither waits for the other.
    """

    def __init__(self, name: str, freshness: Freshness):
        self.name = name
        self.copy = MapCopy()
        self.current: Map | None = None
        self._freshness = freshness
        self._queries: tuple[Map, dict[QuerySettings, SceneQuery]] | None = None

    def take(self, message: MapUpdate, encoders: QueryEncoders) -> None:
        """Take what became of the map; raises an Om3dError for what cannot be used."""
        taken = self.copy.take(message, self._freshness.mappers)
        if taken is not None:
            self._use(message.header, *taken, encoders)

    def told(self) -> tuple[Map | None, SearchedMap]:
        """The map, and what to say of it; staleness is asked first lest it is told too fresh."""
        stale, current = self._freshness.stale, self.current
        told = SearchedMap(name=self.name, stale=stale)
        if current is not None:
            told.frame_id, told.map_id = current.frame_id, current.scene.map_id
            told.revision = current.scene.revision
        return current, told

    def require(self) -> tuple[Map, bool]:
        """The map and whether it is stale; raises :class:`NoMapError` without one."""
        current, told = self.told()
        if current is None:
            of = f" of {self.name}" if self.name else ""
            raise NoMapError(f"expected a map{of} to search, got none yet")
        return current, told.stale

    def query(self, current: Map, settings: QuerySettings) -> SceneQuery:
        """What answers about ``current``, a revision of this map, prepared once."""
        if self._queries is None or self._queries[0] is not current:
            self._queries = (current, {})
        prepared = self._queries[1]
        if settings not in prepared:
            if len(prepared) >= MAX_PREPARED:
                prepared.clear()
            prepared[settings] = SceneQuery(
                current.scene, current.texts, settings, current.boxes
            )
        return prepared[settings]

    def complaints(self) -> Iterator[tuple[str, str]]:
        """What is wrong, by its kind, for people."""
        mappers = self._freshness.mappers
        if self.current is None:
            yield "map", "no map yet"
        elif self._freshness.stale:
            yield "stale", "the map is stale: its mapper is lost and no map came since"
        if mappers > 1:
            yield "mappers", (f"{mappers} mappers publish: answers are about the map that came"
                              " last")

    def values(self) -> dict[str, object]:
        """What is held, for people."""
        scene = self.current.scene if self.current else None
        return {
            "map": scene.map_id if scene else "",
            "revision": scene.revision if scene else 0,
            "instances": len(scene) if scene else 0,
            "mappers": self._freshness.mappers,
        }

    def _use(
        self, header: Header, parts: MapParts, newer: bool, encoders: QueryEncoders
    ) -> None:
        """Answer from this map from now on, if it is news or the one in hand is stale."""
        held = self.current.scene if self.current is not None else None
        same = held is not None and (held.map_id, held.revision) == (parts.map_id, parts.revision)
        if not (same or newer or self._freshness.stale):
            return
        if parts.is_empty:
            self.current = None
        elif not same:
            scene = parts.scene()
            texts = encoders.for_map([table.space for table in scene.features], self.name)
            boxes = {name: instance.box for name, instance in parts.instances.items()}
            self.current = Map(self.name, header, scene, texts, boxes)
        self._freshness.received()

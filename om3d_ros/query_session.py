"""What a configured query node does: the newest map, and the answers to questions about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from om3d.msg import MapUpdate
from om3d.srv import QueryText
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from om3d_core.data.boxes import Box
from om3d_core.data.scene import Scene
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import InputError, Om3dError
from om3d_core.query.answer import Answer
from om3d_core.query.scene_query import AS_FOR_TEXT, QuerySettings, SceneQuery, TextMemory
from om3d_core.streams.usage import Window
from om3d_ros.conversions.images import to_rgb
from om3d_ros.conversions.instances import to_instances, to_views
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.conversions.markers import answer_markers, instance_markers, no_markers
from om3d_ros.conversions.matches import from_answer
from om3d_ros.freshness import Freshness
from om3d_ros.map_copy import MapCopy
from om3d_ros.node.diagnostics import Health, Latencies
from om3d_ros.node.memory import give_back_now
from om3d_ros.node.outcomes import NoMapError, NotFoundError
from om3d_ros.node.settings import QueryNodeSettings
from om3d_ros.query_encoders import QueryEncoders

MAX_PREPARED = 8


@dataclass(frozen=True, eq=False)
class Map:
    """One revision of the map, ready to be asked; texts puts questions into its spaces.

    boxes: of the instances, by id, as the mapper says: to fit them again would take seconds.
    """

    header: Header
    scene: Scene
    texts: TextMemory
    boxes: Mapping[int, Box]

    @property
    def frame_id(self) -> str:
        """The frame of the map."""
        return str(self.header.frame_id)


@dataclass(frozen=True, eq=False)
class Shown:
    """An answer and the map that it is about."""

    about: Map
    answer: Answer


@dataclass(frozen=True, eq=False)
class Found:
    """One instance: its row in the scene of ``about``, its box, and how probably it is meant."""

    about: Map
    stale: bool
    row: int
    box: Box
    probability: float


class Answering:
    """Keeps a copy of the mapper's map and answers from its newest revision.

    Messages come from one thread and questions from another; neither waits for the other.
    """

    def __init__(
        self,
        node: QueryNodeSettings,
        query: QuerySettings,
        encoders: EncoderSettings,
        freshness: Freshness,
        logger: Any,
    ):
        self._settings = node
        self._query_settings = query
        self._encoders = QueryEncoders(encoders, node.answer.encoder_wait_s, logger)
        self._freshness = freshness
        self._logger = logger
        self.copy = MapCopy()
        self._map: Map | None = None
        self._queries: tuple[Map, dict[QuerySettings, SceneQuery]] | None = None
        self._newest: Shown | None = None
        self._shown: Shown | None = None
        self._cleaned = False
        self._drawn: tuple[object, ...] | None = None
        self._rejected = 0
        self._answered = 0
        self._failed = 0
        self._last_error = ""
        self._recent = Window()
        self.latencies = Latencies()

    def apply(self, node: QueryNodeSettings, query: QuerySettings) -> None:
        """Take over the settings that can change while configured."""
        self._settings, self._query_settings = node, query
        self._encoders.wait_s = node.answer.encoder_wait_s

    def close(self) -> None:
        """Free the encoders."""
        self._encoders.close()

    def take_update(self, message: MapUpdate) -> None:
        """Take what became of a mapper's map."""
        try:
            with self.latencies.measure("map"):
                taken = self.copy.take(message, self._freshness.mappers)
                if taken is not None:
                    self._use(message.header, *taken)
            give_back_now()
        except Om3dError as error:
            self._rejected += 1
            self._last_error = str(error)
            self._logger.warning(f"map rejected: {error}", throttle_duration_sec=2.0)

    def text(self, request: Any, response: Any) -> Any:
        """Answer om3d/QueryText; returns the response."""
        text = self._checked(request.text)
        return self._answer(request, response, lambda query: query.text(text))

    def image(self, request: Any, response: Any) -> Any:
        """Answer om3d/QueryImage; returns the response."""
        if bool(request.image.data) == bool(request.compressed.data):
            raise InputError("expected exactly one of image and compressed to hold data, got "
                             f"{'both' if request.image.data else 'none'}")
        whole = bool(request.image.data)
        rgb = to_rgb(request.image if whole else request.compressed)
        return self._answer(request, response, lambda query: query.image(rgb))

    def list(self, request: Any, response: Any) -> Any:
        """Answer om3d/ListInstances; returns the response."""
        current, response.stale = self._require()
        scene = current.scene
        rows = [
            i for i in range(len(scene))
            if request.include_structure or not scene.masks.structure[i]
        ]
        response.map = to_instances(scene, current.header, rows, current.boxes)
        parts = request.include_features, request.include_thumbnails
        response.views = [to_views(scene, i, *parts) for i in rows] if any(parts) else []
        return response

    def find(self, instance_id: int, text: str) -> Found:
        """The instance of an id, or where that is 0 the one that ``text`` is judged to mean.

        The latter is shown as the answer to a question. Raises :class:`NotFoundError`.
        """
        current, stale = self._require()
        scene = current.scene
        if instance_id:
            rows = np.flatnonzero(scene.ids == instance_id)
            if not len(rows):
                raise NotFoundError(f"expected the id of an instance, got {instance_id}")
            row = int(rows[0])
            return Found(current, stale, row, current.boxes[instance_id], 1.0)
        text = self._checked(text)
        answer = self._query(current, QueryText.Request()).text(text, top_k=1)
        self._newest = Shown(current, answer)
        if not answer.present:
            best = "".join(
                f", the best match is instance {match.instance_id} with probability"
                f" {match.probability:.2f} (present_threshold)" for match in answer.matches
            )
            raise NotFoundError(f"expected {text!r} in the map, got none{best}")
        match = answer.matches[0]
        return Found(current, stale, match.index, match.box, match.probability)

    def markers(self) -> MarkerArray | None:
        """The markers of the newest answer while its map is there, else none; None if these are
        what was returned last. To be called from one thread.
        """
        newest, current = self._newest, self._map
        if newest and (current is None or current.scene.map_id != newest.about.scene.map_id):
            newest = None
        if newest is self._shown and self._cleaned:
            return None
        self._shown, self._cleaned = newest, True
        if newest is None:
            return no_markers(self._settings.map_frame)
        about = newest.about
        with self.latencies.measure("markers"):
            return answer_markers(
                about.frame_id, newest.answer, about.scene, self._settings.markers
            )

    def instance_markers(self) -> MarkerArray | None:
        """The markers of all instances of the map, none without one; None if these are what was
        returned last. To be called from one thread.
        """
        settings = self._settings.markers
        shown = self._map if settings.max_instances else None
        wanted = (shown.scene.map_id, shown.scene.revision, settings) if shown else ()
        if wanted == self._drawn:
            return None
        self._drawn = wanted
        if shown is None:
            return no_markers(self._settings.map_frame)
        with self.latencies.measure("instance markers"):
            return instance_markers(shown.frame_id, shown.scene, shown.boxes, settings)

    def health(self, active: bool) -> Health:
        """Complaints and values for people."""
        current = self._map
        recent = self._recent
        recent.add(time.monotonic(), {"rejected": self._rejected, "failed": self._failed})
        warnings = {}
        if active and current is None:
            warnings["map"] = "no map yet"
        elif active and self._freshness.stale:
            warnings["stale"] = "the map is stale: its mapper is lost and no map came since"
        if self._freshness.mappers > 1:
            warnings["mappers"] = (f"{self._freshness.mappers} mappers publish: answers are about"
                                   " the map that came last")
        if missing := self._encoders.complaints():
            warnings["encoders"] = "; ".join(missing)
        if recent.change("rejected") + recent.change("failed"):
            warnings["error"] = f"last error {recent}: {self._last_error}"
        values: dict[str, object] = {
            "active": active,
            "map": current.scene.map_id if current else "",
            "revision": current.scene.revision if current else 0,
            "instances": len(current.scene) if current else 0,
            "mappers": self._freshness.mappers,
            "maps rejected": self._rejected,
            "queries answered": self._answered,
            "queries failed": self._failed,
        }
        return Health({}, warnings, values | self.latencies.values())

    def count_failure(self, error: str) -> None:
        """Note that a query was answered with an error."""
        self._failed += 1
        self._last_error = error

    def _use(self, header: Header, parts: MapParts, newer: bool) -> None:
        """Answer from this map from now on, if it is news or the one in hand is stale."""
        held = self._map.scene if self._map is not None else None
        same = held is not None and (held.map_id, held.revision) == (parts.map_id, parts.revision)
        if not (same or newer or self._freshness.stale):
            return
        if parts.is_empty:
            self._map = None
        elif not same:
            scene = parts.scene()
            texts = self._encoders.for_map([table.space for table in scene.features])
            boxes = {name: instance.box for name, instance in parts.instances.items()}
            self._map = Map(header, scene, texts, boxes)
        self._freshness.received()

    def _require(self) -> tuple[Map, bool]:
        """The map and whether it is stale, asked in this order lest it is called too fresh."""
        stale, current = self._freshness.stale, self._map
        if current is None:
            raise NoMapError("expected a map to search, got none yet")
        return current, stale

    def _checked(self, text: str) -> str:
        """The text of a request without white space around it."""
        limit = self._settings.answer.max_text_bytes
        size = len(text.encode("utf-8", "replace"))
        if size > limit:
            raise InputError(f"expected text of at most {limit} bytes, got {size}")
        if not text.strip():
            raise InputError("expected text that is not blank")
        return text.strip()

    def _answer(
        self, request: Any, response: Any, ask: Callable[[SceneQuery], Answer]
    ) -> Any:
        start, settings = time.monotonic(), self._settings
        current, response.stale = self._require()
        answer = ask(self._query(current, request))
        thumbnails = settings.answer.thumbnails if request.include_thumbnails else 0
        from_answer(answer, current.scene, current.header, thumbnails, response)
        if request.include_markers:
            response.markers = answer_markers(
                current.frame_id, answer, current.scene, settings.markers
            )
        self._newest = Shown(current, answer)
        response.latency_s = time.monotonic() - start
        self.latencies.add("query", response.latency_s)
        self._answered += 1
        return response

    def _query(self, current: Map, request: Any) -> SceneQuery:
        """What answers about ``current`` with the settings that the request asks for."""
        base = self._query_settings
        settings = replace(
            base,
            top_k=int(request.top_k) or base.top_k,
            aggregation=request.aggregation or base.aggregation,
            image_aggregation=AS_FOR_TEXT if request.aggregation else base.image_aggregation,
            include_structure=request.include_structure or base.include_structure,
        )
        if self._queries is None or self._queries[0] is not current:
            self._queries = (current, {})
        prepared = self._queries[1]
        if settings not in prepared:
            if len(prepared) >= MAX_PREPARED:
                prepared.clear()
            prepared[settings] = SceneQuery(current.scene, current.texts, settings)
        return prepared[settings]

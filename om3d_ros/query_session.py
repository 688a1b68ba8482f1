"""What a configured query node does: the newest maps, and answers to questions about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from om3d.msg import InstanceArray, InstanceViews, MapUpdate
from visualization_msgs.msg import MarkerArray

from om3d_core.data.boxes import Box
from om3d_core.encoders.settings import EncoderSettings
from om3d_core.errors import InputError, Om3dError
from om3d_core.query.answer import Answer
from om3d_core.query.known_words import known_words
from om3d_core.query.scene_query import SceneQuery
from om3d_core.query.settings import AS_FOR_TEXT, QuerySettings
from om3d_core.streams.usage import Window
from om3d_ros.conversions.images import to_rgb
from om3d_ros.conversions.instances import to_instances, to_views
from om3d_ros.conversions.markers import answer_markers, instance_markers, of_maps
from om3d_ros.conversions.matches import from_answer, join
from om3d_ros.conversions.poses import to_viewpoint
from om3d_ros.followed_map import FollowedMap, Map
from om3d_ros.freshness import Freshness
from om3d_ros.map_choice import in_frame, named, only
from om3d_ros.node.diagnostics import Health, Latencies
from om3d_ros.node.memory import give_back_now
from om3d_ros.node.outcomes import NoMapError, NotFoundError, failed
from om3d_ros.node.settings import MarkerSettings, QueryNodeSettings
from om3d_ros.query_encoders import QueryEncoders
from om3d_ros.search import Part, search


@dataclass(frozen=True, eq=False)
class Found:
    """One instance: its row in the scene of ``about``, its box, and how probably it is meant."""

    about: Map
    stale: bool
    row: int
    box: Box
    probability: float


class Answering:
    """Keeps a copy of each mapper's map and answers from their newest revisions.

    freshness: of each map, by its name; empty is that of the only one.

    Messages come from one thread and questions from another; neither waits for the other.
    """

    def __init__(
        self,
        node: QueryNodeSettings,
        query: QuerySettings,
        encoders: EncoderSettings,
        freshness: Mapping[str, Freshness],
        logger: Any,
    ):
        self._settings = node
        self._query_settings = query
        if query.language:
            known_words()  # read now: the first question need not wait
        self._encoders = QueryEncoders(encoders, node.answer.encoder_wait_s, logger)
        self._logger = logger
        self.maps = {name: FollowedMap(name, mine) for name, mine in freshness.items()}
        self._newest: tuple[Part, ...] = ()
        self._shown: tuple[Part, ...] | None = None
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

    def take_update(self, message: MapUpdate, name: str = "") -> None:
        """Take what became of the map of the mapper ``name``."""
        try:
            with self.latencies.measure("map"):
                self.maps[name].take(message, self._encoders)
            give_back_now()
        except Om3dError as error:
            self._rejected += 1
            self._last_error = str(error)
            of = f" of {name}" if name else ""
            self._logger.warning(f"map{of} rejected: {error}", throttle_duration_sec=2.0)

    def text(self, request: Any, response: Any) -> Any:
        """Answer om3d/QueryText; returns the response."""
        text, limit = self._checked(request.text), int(request.top_k) or None

        def ask(query: SceneQuery, frame_id: str) -> Answer:
            return query.text(text, limit, to_viewpoint(request.viewpoint, frame_id))

        return self._answer(request, response, ask)

    def image(self, request: Any, response: Any) -> Any:
        """Answer om3d/QueryImage; returns the response."""
        if bool(request.image.data) == bool(request.compressed.data):
            raise InputError("expected exactly one of image and compressed to hold data, got "
                             f"{'both' if request.image.data else 'none'}")
        whole = bool(request.image.data)
        rgb = to_rgb(request.image if whole else request.compressed)
        text = self._checked(request.text) if request.text else ""
        limit = int(request.top_k) or None

        def ask(query: SceneQuery, frame_id: str) -> Answer:
            return query.image(rgb, limit, text, to_viewpoint(request.viewpoint, frame_id))

        return self._answer(request, response, ask)

    def list(self, request: Any, response: Any) -> Any:
        """Answer om3d/ListInstances; returns the response."""
        asked = [followed.told() for followed in named(self.maps, request.map)]
        missing = NoMapError("expected a map to list, got none yet")
        if all(current is None for current, _ in asked):
            raise missing
        maps = []
        for current, told in asked:
            if current is None:
                failed(told, missing, self._logger)
                maps.append(InstanceArray())
            else:
                listed, views = _listed(current, request)
                maps.append(listed)
                response.views += views
            response.searched.append(told)
            response.stale |= told.stale
        if len(maps) == 1:
            response.map = maps[0]
        else:
            response.maps = maps
        return response

    def find(self, instance_id: int, text: str, map_name: str = "") -> Found:
        """The instance of an id, or where that is 0 the one that ``text`` is judged to mean.

        The latter is shown as the answer to a question. Of several maps those in ``map_frame``
        count, unless ``map_name`` tells which; an id needs that. Raises :class:`NotFoundError`.
        """
        asked = named(self.maps, map_name)
        if instance_id:
            current, stale = only(asked).require()
            rows = np.flatnonzero(current.scene.ids == instance_id)
            if not len(rows):
                raise NotFoundError(f"expected the id of an instance, got {instance_id}")
            return Found(current, stale, int(rows[0]), current.boxes[instance_id], 1.0)
        text = self._checked(text)
        asked = in_frame(asked, self._settings.map_frame)
        settings = replace(self._query_settings, top_k=1)
        found = search(asked, settings, lambda query, _: query.text(text), self._logger)
        self._newest = found.parts
        best, others = found.parts[0], [told for told in found.searched if told.error_code]
        if not best.answer.present:
            near = "".join(
                f", the best match is instance {match.instance_id} with probability"
                f" {match.probability:.2f} (present_threshold)" for match in best.answer.matches
            )
            missed = ", ".join(best.answer.not_understood)
            near += f"; not understood: {missed}" if missed else ""
            silent = "".join(f"; {told.name}: {told.error_msg}" for told in others)
            raise NotFoundError(f"expected {text!r} in the map, got none{near}{silent}")
        match = best.answer.matches[0]
        return Found(best.about, best.stale, match.index, match.box, match.probability)

    def markers(self) -> MarkerArray | None:
        """The markers of the newest answer of the maps that are there, else none; None if these
        are what was returned last. To be called from one thread.
        """
        parts = tuple(part for part in self._newest if self._is_there(part.about))
        if parts == self._shown:
            return None
        self._shown = parts
        settings = self._settings
        with self.latencies.measure("markers"):
            return of_maps([_markers(part, settings.markers) for part in parts],
                           settings.map_frame)

    def instance_markers(self) -> MarkerArray | None:
        """The markers of all instances of the maps, none without one; None if these are what was
        returned last. To be called from one thread.
        """
        settings = self._settings.markers
        held = [followed.current for followed in self.maps.values()]
        shown = [current for current in held if current] if settings.max_instances else []
        wanted = tuple((m.name, m.scene.map_id, m.scene.revision, settings) for m in shown)
        if wanted == self._drawn:
            return None
        self._drawn = wanted
        with self.latencies.measure("instance markers"):
            return of_maps(
                [
                    (m.name, instance_markers(m.frame_id, m.scene, m.boxes, settings))
                    for m in shown
                ],
                self._settings.map_frame,
            )

    def health(self, active: bool) -> Health:
        """Complaints and values for people, those of each map after its name."""
        recent = self._recent
        recent.add(time.monotonic(), {"rejected": self._rejected, "failed": self._failed})
        warnings: dict[str, str] = {}
        values: dict[str, object] = {"active": active}
        for name, followed in self.maps.items():
            before = f"{name}: " if name else ""
            for kind, complaint in followed.complaints() if active else ():
                warnings[before + kind] = before + complaint
            values |= {before + what: value for what, value in followed.values().items()}
        if missing := self._encoders.complaints():
            warnings["encoders"] = "; ".join(missing)
        if recent.change("rejected") + recent.change("failed"):
            warnings["error"] = f"last error {recent}: {self._last_error}"
        values |= {
            "maps rejected": self._rejected,
            "queries answered": self._answered,
            "queries failed": self._failed,
        }
        return Health({}, warnings, values | self.latencies.values())

    def count_failure(self, error: str) -> None:
        """Note that a query was answered with an error."""
        self._failed += 1
        self._last_error = error

    def _is_there(self, about: Map) -> bool:
        """Whether this map is still the one of its mapper, of whatever revision."""
        current = self.maps[about.name].current
        return current is not None and current.scene.map_id == about.scene.map_id

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
        self, request: Any, response: Any, ask: Callable[[SceneQuery, str], Answer]
    ) -> Any:
        start, settings = time.monotonic(), self._settings
        asked = named(self.maps, request.map)
        found = search(asked, self._query(request), ask, self._logger)
        thumbnails = settings.answer.thumbnails if request.include_thumbnails else 0
        others = [type(response)() for _ in found.parts[1:]]
        for part, out in zip(found.parts, (response, *others), strict=True):
            about = part.about
            from_answer(part.answer, about.scene, about.header, thumbnails, out, about.name)
        if len(asked) > 1:
            join(response, others)
        response.searched = found.searched
        response.stale = any(told.stale for told in found.searched)
        if request.include_markers:
            shown = [_markers(part, settings.markers) for part in found.parts]
            response.markers = of_maps(shown, settings.map_frame)
        self._newest = found.parts
        response.latency_s = time.monotonic() - start
        self.latencies.add("query", response.latency_s)
        self._answered += 1
        return response

    def _query(self, request: Any) -> QuerySettings:
        """The settings with those that the request asks for."""
        base = self._query_settings
        return replace(
            base,
            top_k=int(request.top_k) or base.top_k,
            aggregation=request.aggregation or base.aggregation,
            image_aggregation=AS_FOR_TEXT if request.aggregation else base.image_aggregation,
            include_structure=request.include_structure or base.include_structure,
        )


def _listed(about: Map, request: Any) -> tuple[InstanceArray, list[InstanceViews]]:
    """The instances of a map, and if asked for what their views show."""
    scene = about.scene
    rows = [
        i for i in range(len(scene)) if request.include_structure or not scene.masks.structure[i]
    ]
    parts = request.include_features, request.include_thumbnails
    views = [to_views(scene, i, *parts) for i in rows] if any(parts) else []
    return to_instances(scene, about.header, rows, about.boxes), views


def _markers(part: Part, settings: MarkerSettings) -> tuple[str, MarkerArray]:
    about = part.about
    return about.name, answer_markers(about.frame_id, part.answer, about.scene, settings)

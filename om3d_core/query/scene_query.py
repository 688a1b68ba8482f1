"""Questions to a scene, by text or by picture, answered with ranked instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from operator import add

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box
from om3d_core.data.feature_space import space_for
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable
from om3d_core.encoders.base import Encoder
from om3d_core.errors import EmptyMapError, UnsupportedQueryError, expect
from om3d_core.query.aggregation import (
    cosines,
    pooled_features,
    without_outliers,
)
from om3d_core.query.answer import NOT_UNDERSTOOD, Answer, Match, ViewSimilarity
from om3d_core.query.beliefs import MANY, Beliefs, distinct, known_boxes
from om3d_core.query.colors import ColorMemory
from om3d_core.query.found import Found, Searched, combined
from om3d_core.query.known_words import known_words
from om3d_core.query.printed_words import PrintedMatch, PrintedWords
from om3d_core.query.question import ONE, Phrase, Question
from om3d_core.query.relations import Places, Viewpoint
from om3d_core.query.seen_as import SeenAs
from om3d_core.query.settings import AS_FOR_TEXT, QuerySettings
from om3d_core.query.text_memory import TextMemory
from om3d_core.query.usual_size import UsualSizes
from om3d_core.query.verdict import composed_probability, conclude, explained
from om3d_core.query.weighing import DOUBT, corrected, is_noun, is_picture_of, understood, weigh

CONSIDERED = 32
"""Instances among which rivals of the first match are sought."""
ROUGH_POINTS = 20_000
"""Points of an instance that its box is measured of where it is only compared with others."""


class SceneQuery:
    """Answers questions about one scene.

    encoder: that which filled the scene's features, or a :class:`TextMemory` of it to keep its
    text vectors from one scene to the next. Features of two spaces are never compared. boxes: of
    the instances, by id, where they are known; others are measured when they are needed.
    """

    def __init__(
        self,
        scene: Scene,
        encoder: Encoder | TextMemory,
        settings: QuerySettings | None = None,
        boxes: Mapping[int, Box] | None = None,
    ):
        self._scene = scene
        self._mask_scores = scene.masks.scores.astype(np.float64)
        self._texts = encoder if isinstance(encoder, TextMemory) else TextMemory(encoder)
        self._settings = s = settings or QuerySettings()
        self._printed = PrintedWords(scene, used=s.printed_text)
        self._seen = SeenAs(scene, used=s.detections)
        for_text = s.aggregation, s.remove_outliers
        for_image = (
            s.aggregation if s.image_aggregation == AS_FOR_TEXT else s.image_aggregation,
            s.remove_outliers and s.image_outliers,
        )
        self._by_text = self._searched(*for_text)
        self._by_image = (
            self._by_text if for_image == for_text else self._searched(*for_image)
        )
        self._box_of = known_boxes(scene, boxes)
        self._sizes = UsualSizes(scene, used=s.usual_sizes)
        self._rough_box_of = known_boxes(scene, boxes, ROUGH_POINTS)
        self._colors = ColorMemory(scene)
        self._centroids: dict[int, npt.NDArray[np.float64]] = {}

    def text(
        self, text: str, top_k: int | None = None, viewpoint: Viewpoint | None = None
    ) -> Answer:
        """The instances that ``text`` describes.

        viewpoint: whose left and right are meant, and to whom a thing is near; by default one
        stands in the middle of the map. For a plural there are as many matches as match, unless
        ``top_k`` says how many at most.

        Raises :class:`InputError` for a text that says nothing or a ``top_k`` below 1,
        :class:`EmptyMapError` for a scene without instances, and
        :class:`UnsupportedQueryError` if the scene has no features that text can be compared
        with.
        """
        searched = self._in_space(self._by_text, image=False)
        limit = self._limit(top_k)
        question = understood(text, known_words()) if self._settings.language else None
        seen = is_picture_of if searched.table.space.image else is_noun
        if question is None or seen(question):
            vector = self._texts.vector(text, searched.table.space.name)
            fit, printed = self._sizes.fit(text, searched.space), self._printed.match(text)
            taken = self._seen.match(text)
            found = searched.best(
                vector, max(limit, CONSIDERED), fit, printed.added, taken.share
            )
            found = replace(found, words=printed.words, checks=taken.checks(found.rows))
        else:
            found = self._composed(searched, question, viewpoint)
        return self._answer("text", text, searched, found, question, top_k, viewpoint)

    def image(
        self,
        rgb: npt.NDArray[np.uint8],
        top_k: int | None = None,
        text: str = "",
        viewpoint: Viewpoint | None = None,
    ) -> Answer:
        """The instances that look like ``rgb`` (H, W, 3) uint8; raises as :meth:`text`.

        text: what they are besides, such as "not on the table"; empty to go by the picture alone.
        """
        searched = self._in_space(self._by_image, image=True)
        limit = self._limit(top_k)
        expect(
            isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.ndim == 3
            and rgb.shape[2] == 3 and rgb.size > 0,
            "an RGB image (H, W, 3) uint8",
            (getattr(rgb, "shape", type(rgb).__name__), getattr(rgb, "dtype", None)),
        )  # fmt: skip
        vector = self._texts.encoder.encode_images([rgb])[searched.table.space.name][0]
        question = understood(text, known_words()) if text else None
        everything = len(self._scene) if question else max(limit, CONSIDERED)
        found = searched.best(vector, everything)
        if question is not None:
            in_text = self._in_space(self._by_text, image=False)
            found = combined(
                found, self._composed(in_text, question, viewpoint),
                any(target.text for target in question.targets),
            )
        return self._answer(
            "image", text or "image", searched, found, question, top_k, viewpoint
        )

    def _searched(self, aggregation: str, remove_outliers: bool) -> dict[str, Searched]:
        """What is searched, by the name of the space."""
        s, searched, masks = self._settings, {}, self._scene.masks
        for table in self._scene.features:
            if remove_outliers:
                table = without_outliers(table, s.outlier_distance, s.outlier_share)
            eligible = table.valid.any(axis=1) & (masks.sizes > 0)
            if not s.include_structure:
                eligible &= ~masks.structure
            searched[table.space.name] = Searched(
                table, aggregation, pooled_features(table, aggregation), self._scene.ids,
                eligible, self._mask_scores,
            )  # fmt: skip
        return searched

    def _in_space(self, searched: dict[str, Searched], *, image: bool) -> Searched:
        """The one whose space the encoder puts a question in."""
        if len(self._scene) == 0:
            raise EmptyMapError("expected a map with instances, got one without")
        spaces = {space.name: space for space in self._texts.encoder.spaces}
        shared = [spaces[name] for name in searched if name in spaces]
        space = space_for(shared, image=image)
        if space is not None:
            return searched[space.name]
        stored = ", ".join(table.space.name for table in self._scene.features) or "none"
        raise UnsupportedQueryError(
            f"expected features for {'image' if image else 'text'} queries in one of the"
            f" encoder's spaces ({', '.join(spaces)}), the map holds {stored}"
        )

    def _limit(self, top_k: int | None) -> int:
        limit = self._settings.top_k if top_k is None else top_k
        expect(type(limit) is int and limit >= 1, "a top_k of at least 1", limit)
        return limit

    def _composed(
        self, searched: Searched, question: Question, viewpoint: Viewpoint | None
    ) -> Found:
        """What a question of several parts may mean."""

        def encoded(phrase: Phrase) -> str:
            # An encoder of pictures and texts sees colors, too.
            colors = phrase.colors if searched.table.space.image else ()
            return " ".join((*colors, phrase.text))

        @cache
        def similarity_to(text: str) -> npt.NDArray[np.float64]:
            return searched.similarities(self._texts.vector(text, searched.space))

        @cache
        def probabilities_of(phrase: Phrase) -> npt.NDArray[np.float64]:
            fit = self._sizes.fit(phrase.text, searched.space)
            added = printed_on(phrase).added
            seen = self._seen.match(phrase.text).share
            return searched.probabilities(similarity_to(encoded(phrase)) + added, fit, seen)

        def printed_on(phrase: Phrase) -> PrintedMatch:
            return self._printed.match(" ".join((phrase.text, *phrase.printed)))

        beliefs = Beliefs(
            self._scene, probabilities_of,
            self._rough_box_of, viewpoint or self._middle(), self._colors, self._printed,
        )  # fmt: skip
        asked = corrected(question, known_words()) if question.unknown else question
        weighed = weigh(asked, beliefs, self._mask_scores)
        probability = composed_probability(weighed.probability, asked)
        rows, vector, words, checks = weighed.rows, None, {}, weighed.checks
        compared = np.zeros(len(rows)), np.zeros(len(rows))
        if noun := next((target for target in asked.targets if target.text), None):
            vector = self._texts.vector(encoded(noun), searched.space)
            compared = searched.compared(rows, similarity_to(encoded(noun)))
            words = printed_on(noun).words
            told = self._seen.match(noun.text).checks(rows)
            checks = tuple(map(add, checks, told)) if told else checks
        return Found(
            rows, *compared, probability, vector, checks,
            tuple(map(str, weighed.unchecked)), words,
        )  # fmt: skip

    def _middle(self) -> Viewpoint:
        points = self._scene.cloud.points
        some = points[:: max(1, len(points) // 10_000)]
        return Viewpoint(some.mean(axis=0, dtype=np.float64), name="the middle of the map")

    def _answer(
        self,
        kind: str,
        query: str,
        searched: Searched,
        found: Found,
        question: Question | None,
        top_k: int | None,
        viewpoint: Viewpoint | None,
    ) -> Answer:
        threshold = self._settings.present_threshold
        doubtful = question is not None and bool(question.unknown)
        if doubtful:
            found = replace(found, probability=found.probability * DOUBT)
        likely = 0 if doubtful else min(int((found.probability >= threshold).sum()), MANY)
        places = Places.of([self._box_of(int(row)) for row in found.rows[:likely]], self._scene.up)
        kept = np.flatnonzero(distinct(places))
        one = question is None or question.quantity == ONE
        if one or not likely:
            shown = np.arange(min(self._limit(top_k), len(found.rows)))
        else:
            shown = kept[: top_k or len(kept)]
        matches = explained(tuple(
            self._match(searched.table, found, int(i), rank, doubtful)
            for rank, i in enumerate(shown, 1)
        ))  # fmt: skip
        verdict, clarification = conclude(
            self._scene, self._colors, question, found.rows[kept], found.probability[kept],
            places[kept], viewpoint or self._middle,
        )  # fmt: skip
        unknown = () if question is None else tuple(map(str, question.not_understood))
        return Answer(
            kind, query, searched.table.space.name, matches,
            bool(matches) and matches[0].present, self._scene.revision,
            NOT_UNDERSTOOD if doubtful else verdict,
            str(question) if question is not None else query if kind == "text" else "",
            (*unknown, *found.unchecked), len(kept), clarification,
        )  # fmt: skip

    def _match(
        self, table: FeatureTable, found: Found, i: int, rank: int, doubtful: bool
    ) -> Match:
        scene, row = self._scene, int(found.rows[i])
        vector, probability = found.vector, float(found.probability[i])
        views = [
            ViewSimilarity(int(scene.views.stamps[row, view]), float(value))
            for view, value in enumerate(cosines(table.vectors[row], vector))
            if table.valid[row, view]
        ] if vector is not None else []  # fmt: skip
        return Match(
            instance_id=int(scene.ids[row]),
            index=row,
            rank=rank,
            similarity=float(found.similarity[i]),
            score=float(found.score[i]),
            probability=probability,
            present=probability >= self._settings.present_threshold and not doubtful,
            box=self._box_of(row),
            centroid=self._centroid(row),
            n_points=len(scene.masks[row]),
            label=scene.labels[row],
            label_probability=float(scene.label_probabilities[row]),
            view_similarities=tuple(views),
            checks=found.checks[i] if found.checks else (),
            words=found.words.get(row, ()),
        )

    def _centroid(self, row: int) -> npt.NDArray[np.float64]:
        """The mean point of an instance, measured once."""
        if row not in self._centroids:
            points = self._scene.cloud.points[self._scene.masks[row]]
            self._centroids[row] = points.mean(axis=0, dtype=np.float64)
        return self._centroids[row]

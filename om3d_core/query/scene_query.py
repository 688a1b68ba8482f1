"""Questions to a scene, by text or by picture, answered with ranked instances."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box, fit_box
from om3d_core.data.feature_space import space_for
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable
from om3d_core.encoders.base import Encoder
from om3d_core.errors import EmptyMapError, UnsupportedQueryError, expect
from om3d_core.query.aggregation import (
    AGGREGATIONS,
    OUTLIER_DISTANCE,
    OUTLIER_SHARE,
    Floats,
    cosines,
    pooled_features,
    similarities,
    without_outliers,
)
from om3d_core.query.answer import Answer, Match, ViewSimilarity
from om3d_core.query.calibration import Calibration, calibration_of
from om3d_core.settings import Settings, setting

REMEMBERED_TEXTS = 1024
AS_FOR_TEXT = "same"


@dataclass(frozen=True)
class QuerySettings(Settings):
    """How a question is answered."""

    top_k: int = setting(5, "most matches in an answer", low=1, high=1_000_000)
    aggregation: str = setting(
        "mean",
        "views of an instance combined: mean of the features of views or of all crops, mean or"
        " max of the views' similarities, or the features' largest value in each dimension",
        choices=AGGREGATIONS,
    )
    image_aggregation: str = setting(
        AS_FOR_TEXT, "views combined where the question is a picture; same: as aggregation says",
        choices=(AS_FOR_TEXT, *AGGREGATIONS),
    )
    remove_outliers: bool = setting(
        False, "leave out views unlike the others (DBSCAN), as OpenMask3D++ does"
    )
    image_outliers: bool = setting(
        True, "where outliers are removed, do so where the question is a picture too"
    )
    outlier_distance: float = setting(
        OUTLIER_DISTANCE, "cosine distance within which two views are alike", low=0.0, high=2.0
    )
    outlier_share: float = setting(
        OUTLIER_SHARE, "share of an instance's views that must be alike", low=0.0, high=1.0
    )
    include_structure: bool = setting(False, "rank floor, walls and ceiling too")
    present_threshold: float = setting(
        0.5, "probability from which a match is said to be present", low=0.0, high=1.0
    )


@dataclass(frozen=True, eq=False)
class _Ranking:
    """The rows of the best instances with their similarities and scores, and the mean of all."""

    rows: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    mean: float


@dataclass(frozen=True, eq=False)
class _Searched:
    """The views of one space that take part in an answer, and how they are combined.

    pooled: (N, D) unit features, or None where similarities are combined.
    """

    table: FeatureTable
    aggregation: str
    pooled: Floats | None

    def similarities(self, vector: Floats) -> npt.NDArray[np.float64]:
        """(N,) similarity of each instance with a unit query (D,)."""
        if self.pooled is not None:
            return cosines(self.pooled, vector).astype(np.float64)
        return similarities(self.table, vector, self.aggregation).astype(np.float64)


class TextMemory:
    """Text vectors of one encoder; the least recently used are forgotten."""

    def __init__(self, encoder: Encoder, capacity: int = REMEMBERED_TEXTS):
        self.encoder = encoder
        self._capacity = capacity
        self._known: OrderedDict[str, dict[str, Floats]] = OrderedDict()

    def vector(self, text: str, space: str) -> Floats:
        """The unit vector (D,) of a text in a space."""
        if text not in self._known:
            rows = self.encoder.encode_texts([text])
            self._known[text] = {name: matrix[0] for name, matrix in rows.items()}
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        self._known.move_to_end(text)
        return self._known[text][space]


class SceneQuery:
    """Answers questions about one scene.

    encoder: that which filled the scene's features, or a :class:`TextMemory` of it to keep its
    text vectors from one scene to the next. Features of two spaces are never compared.
    """

    def __init__(
        self, scene: Scene, encoder: Encoder | TextMemory, settings: QuerySettings | None = None
    ):
        self._scene = scene
        self._mask_scores = scene.masks.scores.astype(np.float64)
        self._texts = encoder if isinstance(encoder, TextMemory) else TextMemory(encoder)
        self._settings = s = settings or QuerySettings()
        for_text = s.aggregation, s.remove_outliers
        for_image = (
            s.aggregation if s.image_aggregation == AS_FOR_TEXT else s.image_aggregation,
            s.remove_outliers and s.image_outliers,
        )
        self._by_text = self._searched(*for_text)
        self._by_image = (
            self._by_text if for_image == for_text else self._searched(*for_image)
        )
        self._places: dict[int, tuple[Box, npt.NDArray[np.float64]]] = {}

    def text(self, text: str, top_k: int | None = None) -> Answer:
        """The instances that ``text`` describes.

        Raises :class:`InputError` for a text that says nothing or a ``top_k`` below 1,
        :class:`EmptyMapError` for a scene without instances, and
        :class:`UnsupportedQueryError` if the scene has no features that text can be compared
        with.
        """
        searched = self._in_space(self._by_text, image=False)
        vector = self._texts.vector(text, searched.table.space.name)
        return self._answer("text", text, searched, vector, top_k)

    def image(self, rgb: npt.NDArray[np.uint8], top_k: int | None = None) -> Answer:
        """The instances that look like ``rgb`` (H, W, 3) uint8; raises as :meth:`text`."""
        searched = self._in_space(self._by_image, image=True)
        expect(
            isinstance(rgb, np.ndarray) and rgb.dtype == np.uint8 and rgb.ndim == 3
            and rgb.shape[2] == 3 and rgb.size > 0,
            "an RGB image (H, W, 3) uint8",
            (getattr(rgb, "shape", type(rgb).__name__), getattr(rgb, "dtype", None)),
        )  # fmt: skip
        vector = self._texts.encoder.encode_images([rgb])[searched.table.space.name][0]
        return self._answer("image", "image", searched, vector, top_k)

    def _searched(self, aggregation: str, remove_outliers: bool) -> dict[str, _Searched]:
        """What is searched, by the name of the space."""
        s, searched = self._settings, {}
        for table in self._scene.features:
            if remove_outliers:
                table = without_outliers(table, s.outlier_distance, s.outlier_share)
            pooled = pooled_features(table, aggregation)
            searched[table.space.name] = _Searched(table, aggregation, pooled)
        return searched

    def _in_space(self, searched: dict[str, _Searched], *, image: bool) -> _Searched:
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

    def _answer(
        self, kind: str, query: str, searched: _Searched, vector: Floats, top_k: int | None
    ) -> Answer:
        limit = self._settings.top_k if top_k is None else top_k
        expect(type(limit) is int and limit >= 1, "a top_k of at least 1", limit)
        table = searched.table
        calibration = calibration_of(table.space.name)
        ranking = self._rank(searched, vector, limit, calibration)
        probability = calibration.probability(
            ranking.similarity, ranking.mean, self._mask_scores[ranking.rows]
        )
        matches = tuple(
            self._match(table, vector, ranking, float(p), i) for i, p in enumerate(probability)
        )
        present = bool(matches) and matches[0].present
        return Answer(kind, query, table.space.name, matches, present, self._scene.revision)

    def _rank(
        self, searched: _Searched, vector: Floats, limit: int, calibration: Calibration
    ) -> _Ranking:
        """The most relevant ``limit`` instances; of equal ones the lower id comes first."""
        eligible = searched.table.valid.any(axis=1) & (self._scene.masks.sizes > 0)
        if not self._settings.include_structure:
            eligible &= ~self._scene.masks.structure
        rows = np.flatnonzero(eligible)
        similarity = searched.similarities(vector)[rows]
        mean = float(similarity.mean()) if len(rows) else 0.0
        deviation = similarity - mean
        spread = float(np.sqrt(np.mean(deviation**2))) if len(rows) else 0.0
        score = deviation / spread if spread > 1e-9 else np.zeros_like(deviation)
        relevance = calibration.relevance(similarity, self._mask_scores[rows])
        order = np.lexsort((self._scene.ids[rows], -relevance))[:limit]
        return _Ranking(rows[order], similarity[order], score[order], mean)

    def _match(
        self, table: FeatureTable, vector: Floats, ranking: _Ranking, probability: float, i: int
    ) -> Match:
        scene, row = self._scene, int(ranking.rows[i])
        box, centroid = self._place(row)
        views = [
            ViewSimilarity(int(scene.views.stamps[row, view]), float(value))
            for view, value in enumerate(cosines(table.vectors[row], vector))
            if table.valid[row, view]
        ]
        return Match(
            instance_id=int(scene.ids[row]),
            index=row,
            rank=i + 1,
            similarity=float(ranking.similarity[i]),
            score=float(ranking.score[i]),
            probability=probability,
            present=probability >= self._settings.present_threshold,
            box=box,
            centroid=centroid,
            n_points=len(scene.masks[row]),
            label=scene.labels[row],
            label_probability=float(scene.label_probabilities[row]),
            view_similarities=tuple(views),
        )

    def _place(self, row: int) -> tuple[Box, npt.NDArray[np.float64]]:
        """The box and the mean point of an instance, measured once."""
        if row not in self._places:
            points = self._scene.cloud.points[self._scene.masks[row]]
            centroid = points.mean(axis=0, dtype=np.float64)
            self._places[row] = fit_box(points, self._scene.up), centroid
        return self._places[row]

"""Instances that a question found, and the views that were searched for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from om3d_core.data.tables import FeatureTable
from om3d_core.query.aggregation import Floats, cosines, similarities
from om3d_core.query.answer import Check
from om3d_core.query.calibration import calibration_of
from om3d_core.query.ranking import best_first

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Found:
    """Instances, best first, with what an answer says of each.

    vector: (D,) what their views are compared with, None for nothing. checks: what was weighed for
    each, empty for a noun alone. unchecked: parts of the question that the map cannot tell. words:
    those printed on an instance that the question names, by row.
    """

    rows: Rows
    similarity: Doubles
    score: Doubles
    probability: Doubles
    vector: Floats | None
    checks: tuple[tuple[Check, ...], ...] = ()
    unchecked: tuple[str, ...] = ()
    words: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Searched:
    """The views of one space that take part in an answer, and how they are combined.

    pooled: (N, D) unit features, or None where similarities are combined. eligible: (N,) which
    instances are ranked. mask_scores: (N,) 0..1.
    """

    table: FeatureTable
    aggregation: str
    pooled: Floats | None
    ids: Rows
    eligible: npt.NDArray[np.bool_]
    mask_scores: Doubles

    @property
    def space(self) -> str:
        """The name of the space."""
        return self.table.space.name

    def similarities(self, vector: Floats) -> Doubles:
        """(N,) similarity of each instance with a unit query (D,)."""
        if self.pooled is not None:
            return cosines(self.pooled, vector).astype(np.float64)
        return similarities(self.table, vector, self.aggregation).astype(np.float64)

    def probabilities(self, similarity: Doubles, size_fit: Doubles, seen: Doubles) -> Doubles:
        """(N,) probability of instances of these similarities (N,), 0 where one is not ranked.

        size_fit: (N,) how well the size of each fits, 0..1. seen: (N,) how far a detector took it
        for the thing, 0..1.
        """
        mean = float(similarity[self.eligible].mean()) if self.eligible.any() else 0.0
        probability = calibration_of(self.space).probability(
            similarity, mean, self.mask_scores, size_fit, seen
        )
        result: Doubles = np.where(self.eligible, probability, 0.0)
        return result

    def best(
        self, vector: Floats, limit: int, size_fit: Doubles | None = None,
        added: Doubles | None = None, seen: Doubles | None = None,
    ) -> Found:
        """The most relevant ``limit`` instances; of equal ones the lower id comes first.

        size_fit: (N,) how well the size of each fits, 0..1; None where sizes do not count. added:
        (N,) what else than its looks adds to the similarity of each. seen: (N,) how far a detector
        took each for the thing, 0..1.
        """
        calibration = calibration_of(self.space)
        rows = np.flatnonzero(self.eligible)
        cosine = self.similarities(vector)[rows]
        similarity = cosine if added is None else cosine + added[rows]
        mean, score = _standardized(similarity)
        fit = np.ones(len(rows)) if size_fit is None else size_fit[rows]
        taken = np.zeros(len(rows)) if seen is None else seen[rows]
        relevance = calibration.relevance(similarity, self.mask_scores[rows], fit, taken)
        order = best_first(relevance, self.ids[rows], limit)
        rows, similarity = rows[order], similarity[order]
        probability = calibration.probability(
            similarity, mean, self.mask_scores[rows], fit[order], taken[order]
        )
        return Found(rows, cosine[order], score[order], probability, vector)

    def compared(self, rows: Rows, similarity: Doubles) -> tuple[Doubles, Doubles]:
        """Similarities and scores of some rows, given those of all (N,); 0 for what is unseen."""
        score = np.zeros_like(similarity)
        score[self.eligible] = _standardized(similarity[self.eligible])[1]
        seen = self.table.valid[rows].any(axis=1)
        return np.where(seen, similarity[rows], 0.0), score[rows]


def combined(by_image: Found, by_text: Found, has_noun: bool) -> Found:
    """What looks like a picture and is what a text says; a noun counts as much as the picture."""
    place = {row: i for i, row in enumerate(by_image.rows.tolist())}
    shared = [(i, place[row]) for i, row in enumerate(by_text.rows.tolist()) if row in place]
    of_text = np.array([i for i, _ in shared], np.int64)
    of_image = np.array([i for _, i in shared], np.int64)
    probability = by_image.probability[of_image] * by_text.probability[of_text]
    if has_noun:
        probability = np.sqrt(probability)
    order = np.argsort(-probability, kind="stable")
    of_text, of_image = of_text[order], of_image[order]
    return Found(
        by_image.rows[of_image], by_image.similarity[of_image], by_image.score[of_image],
        probability[order], by_image.vector, tuple(by_text.checks[i] for i in of_text),
        by_text.unchecked, by_text.words,
    )  # fmt: skip


def _standardized(similarity: Doubles) -> tuple[float, Doubles]:
    """The mean, and the standard deviations above it."""
    mean = float(similarity.mean()) if len(similarity) else 0.0
    deviation = similarity - mean
    spread = float(np.sqrt(np.mean(deviation**2))) if len(similarity) else 0.0
    return mean, deviation / spread if spread > 1e-9 else np.zeros_like(deviation)

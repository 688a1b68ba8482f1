"""Labels for instances, from their similarities with the names of a label set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.errors import expect
from om3d_core.evaluation.benchmark import GroundTruthCounts, ScenePredictions
from om3d_core.evaluation.protocols import Protocol
from om3d_core.settings import Settings, setting
from om3d_core.sources.datasets.label_sets import LabelSet

PROMPT = "a {} in a scene"


@dataclass(frozen=True)
class AssignSettings(Settings):
    """How similarities become labels with scores."""

    top_k: int = setting(5, "candidate labels of an instance", low=1, high=1000)
    temperature: float = setting(
        0.01, "softness of the softmax over the labels that gives a candidate its probability",
        low=1e-4, high=10.0,
    )
    missing_is_first: bool = setting(
        False, "an instance without a view gets the first label, as in OpenMask3D, instead of none"
    )


@dataclass(frozen=True, eq=False)
class Candidates:
    """k labels of each of N instances, best first.

    ids: (N, k) int64 label ids, -1 where an instance has none. probabilities: (N, k) in 0..1.
    """

    ids: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        expect(
            self.ids.ndim == 2 and self.ids.shape == self.probabilities.shape,
            "ids and probabilities of one shape (N, k)",
            (self.ids.shape, self.probabilities.shape),
        )

    def first(self) -> Candidates:
        """Only the best label of each."""
        return Candidates(self.ids[:, :1], self.probabilities[:, :1])


def assign_labels(
    similarities: npt.NDArray[np.floating], labels: LabelSet, settings: AssignSettings
) -> Candidates:
    """The labels of highest similarity; equal ones in the order of the set.

    similarities: (N, C) cosines with the C names, NaN or -inf in the rows of instances that have
    no view.
    """
    expect(
        similarities.ndim == 2 and similarities.shape[1] == len(labels),
        f"similarities (N, {len(labels)})",
        similarities.shape,
    )
    values = np.asarray(similarities, np.float64)
    seen = np.isfinite(values.sum(axis=1))
    values = np.where(seen[:, None], values, 0.0)
    order = np.argsort(-values, axis=1, kind="stable")[:, : min(settings.top_k, len(labels))]
    soft = np.exp((values - values.max(axis=1, keepdims=True, initial=-np.inf))
                  / settings.temperature)
    soft /= np.maximum(soft.sum(axis=1, keepdims=True), 1e-300)
    ids = labels.ids[order]
    probabilities = np.take_along_axis(soft, order, axis=1)
    if not settings.missing_is_first:
        ids[~seen], probabilities[~seen] = -1, 0.0
    return Candidates(ids, probabilities)


def label_predictions(
    counts: GroundTruthCounts, candidates: Candidates, labels: LabelSet, protocol: Protocol
) -> ScenePredictions:
    """Predictions for the benchmark: one a mask with an oracle, else one a (mask, candidate).

    labels: the scored classes. Without an oracle the score of a prediction is that of its mask
    times the probability of its label, so that second choices rank behind first ones.
    """
    n, k = candidates.ids.shape
    expect(n == len(counts.overlaps.pred_sizes), f"candidates of {n} masks",
           len(counts.overlaps.pred_sizes))
    classes = labels.index_of(candidates.ids)
    usable: npt.NDArray[np.bool_] = classes >= 0
    if protocol.stop_at_unscored:
        usable &= np.logical_and.accumulate(usable, axis=1)
    if protocol.oracle:
        chosen = _oracle(counts, classes, usable)
        picked = np.where(chosen >= 0, classes[np.arange(n), chosen], -1)
        return counts.labeled(picked, counts.overlaps.scores)
    mask, candidate = np.nonzero(usable)
    scores = counts.overlaps.scores[mask] * candidates.probabilities[mask, candidate]
    return counts.repeated(mask).labeled(classes[mask, candidate], scores)


def _oracle(
    counts: GroundTruthCounts, classes: npt.NDArray[np.int64], usable: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """(N,) usable candidate whose class has the instance that shares most points, -1 if none."""
    n, k = classes.shape
    best = np.full((n, k), -1, np.int64)
    for j in range(k):
        same = classes[:, j, None] == counts.gt_classes[None, :]
        best[:, j] = np.where(same, counts.overlaps.shared, 0).max(axis=1, initial=0)
    best[~usable] = -1
    chosen = best.argmax(axis=1) if k else np.zeros(n, np.int64)
    return np.where(usable.any(axis=1), chosen, -1)

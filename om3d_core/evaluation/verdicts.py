"""Whether the probability of an answer is how often it is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene
from om3d_core.evaluation.ground_truth import GroundTruth
from om3d_core.evaluation.query_file import LabeledQuery
from om3d_core.evaluation.query_hits import evaluate_queries
from om3d_core.query.answer import Answer

Doubles = npt.NDArray[np.float64]

N_BINS = 10
COMPOSED = ("on", "near", "nearest", "largest", "color")
"""Kinds of questions whose parts multiply; the rest are nouns."""


@dataclass(frozen=True)
class Outcome:
    """One answer: the probability that its first match is right, and whether it is.

    absent: whether the thing is absent in truth. attainable: whether the map holds a right
    instance. present, verdict: what the answer said.
    """

    kind: str
    text: str
    probability: float
    right: bool
    absent: bool
    attainable: bool
    present: bool
    verdict: str


@dataclass(frozen=True)
class Bin:
    """Answers of like probability: how many, their mean probability, the share that is right."""

    count: int
    probability: float
    right: float


def outcomes(
    kind: str, ask: Callable[[str], Answer], scene: Scene, queries: Sequence[LabeledQuery],
    truth: GroundTruth,
) -> list[Outcome]:
    """Ask each question and judge its first match as :func:`evaluate_queries` does."""
    answers = {query.text: ask(query.text) for query in queries}
    quality = evaluate_queries(lambda text: answers[text], scene, queries, truth)
    return [
        Outcome(kind, r.text, answers[r.text].probability, r.rank == 1, r.absent, r.attainable,
                r.present, answers[r.text].verdict)
        for r in quality.results
    ]  # fmt: skip


def reliability(found: Sequence[Outcome], n_bins: int = N_BINS) -> list[Bin]:
    """The answers in bins of equal width by probability, empty ones left out."""
    probability = np.array([outcome.probability for outcome in found])
    right = np.array([outcome.right for outcome in found], np.float64)
    place = np.minimum((probability * n_bins).astype(np.int64), n_bins - 1)
    return [
        Bin(int(inside.sum()), float(probability[inside].mean()), float(right[inside].mean()))
        for inside in (place == i for i in range(n_bins)) if inside.any()
    ]  # fmt: skip


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error (Naeini et al. 2015): mean gap of bins by their counts."""
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.probability - b.right) for b in bins) / max(total, 1)


def fit_logistic(probability: Doubles, right: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and bias of the logit (Platt 1999) that make probabilities (n,) likeliest.

    A weak pull to slope 1 and bias 0 keeps few answers from extremes.
    """
    from scipy.optimize import minimize

    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    logit = np.log(inside / (1 - inside))

    def loss(parameters: Doubles) -> float:
        slope, bias = parameters
        value = slope * logit + bias
        likelihood = np.logaddexp(0, -np.where(right, value, -value)).sum()
        return float(likelihood + (slope - 1) ** 2 + 0.1 * bias**2)

    slope, bias = minimize(loss, np.array([1.0, 0.0])).x
    return float(slope), float(bias)

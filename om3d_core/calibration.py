"""From similarities to the probability that an instance is what was asked for.

Similarities of different queries and models are not comparable: a threshold on the cosine says
little. Evidence is taken relative to what else the map holds and to what else the instance could
be called, and weighed by a logistic regression fitted on labeled scenes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from om3d_core.errors import expect

Doubles = npt.NDArray[np.float64]
GENERIC = "generic"


@dataclass(frozen=True)
class Evidence:
    """What speaks for each of M instances. similarity: (M,) cosine. score: (M,) similarity in
    standard deviations above the mean of all instances. margin: (M,) similarity above the best
    word of the background vocabulary for the instance; None where there is no vocabulary.
    """

    similarity: Doubles
    score: Doubles
    margin: Doubles | None = None


@dataclass(frozen=True)
class Calibration:
    """Logistic regression on :class:`Evidence`, and the vocabulary for its margin.

    weights: of similarity, score and margin. provenance: the data it was fitted on.
    """

    weights: tuple[float, float, float]
    bias: float
    background: tuple[str, ...]
    provenance: str

    def __post_init__(self) -> None:
        numbers = (*self.weights, self.bias)
        expect(
            len(numbers) == 4 and bool(np.isfinite(numbers).all()), "four finite numbers", numbers
        )

    def probability(self, evidence: Evidence) -> Doubles:
        """(M,) probability in 0..1 that an instance is what was asked for."""
        margin = np.zeros_like(evidence.score) if evidence.margin is None else evidence.margin
        logit = (
            self.weights[0] * evidence.similarity
            + self.weights[1] * evidence.score
            + self.weights[2] * margin
            + self.bias
        )
        result: Doubles = 0.5 * (1.0 + np.tanh(0.5 * logit))
        return result


@cache
def calibration_of(space: str) -> Calibration:
    """The calibration of a feature space by name.

    A space that nobody calibrated gets one that looks at the standardized score alone.
    """
    text = files("om3d_core").joinpath("calibration.json").read_text("utf-8")
    table = json.loads(text)
    entry = table.get(space, table[GENERIC])
    return Calibration(
        tuple(entry["weights"]),
        entry["bias"],
        tuple(entry["background"]),
        entry["provenance"],
    )

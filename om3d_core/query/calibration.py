"""From similarities to the probability that an instance is what was asked for.

Cosines of different models and queries are not comparable, so a threshold on them says little. A
logistic regression weighs how similar the instance is, how much more similar than the map is as a
whole, how sure its mask is, how usual its size, and how far a detector took it for the thing. It
is fitted for each feature space on labeled scenes.
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
FLOOR = 1e-3


@dataclass(frozen=True)
class Calibration:
    """The logit: ``level log(s) + contrast log(s / mean) + mask log(m) + size log(f) + seen d +
    bias``.

    s: similarity. mean: that of all instances that were ranked. m: score of the mask, 0..1. f: how
    well the size fits, 0..1. All are taken as at least 0.001. d: how far a detector took the
    instance for what is asked for, 0..1. provenance: the data that the numbers were fitted on.
    """

    level: float
    contrast: float
    bias: float
    provenance: str
    mask: float = 0.0
    size: float = 0.0
    seen: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.level, self.contrast, self.bias, self.mask, self.size, self.seen)
        expect(bool(np.isfinite(numbers).all()), "finite numbers", numbers)

    def relevance(
        self, similarity: Doubles, mask_scores: Doubles, size_fit: Doubles | float = 1.0,
        seen: Doubles | float = 0.0,
    ) -> Doubles:
        """(M,) similarities scaled by what else is known: the order of the probabilities.

        Fragments and mergers of objects look like much and are seldom meant; without a weight for
        mask, size and detections the relevance is the similarity itself.
        """
        total = self.level + self.contrast
        result = similarity
        for weight, values in ((self.mask, mask_scores), (self.size, size_fit)):
            if weight:
                result = result * np.maximum(values, FLOOR) ** (weight / total)
        return result * np.exp(self.seen / total * seen) if self.seen else result

    def probability(
        self, similarity: Doubles, mean: float, mask_scores: Doubles,
        size_fit: Doubles | float = 1.0, seen: Doubles | float = 0.0,
    ) -> Doubles:
        """(M,) probabilities in 0..1 for similarities (M,) and what else is known, (M,) each."""
        level = np.log(np.maximum(similarity, FLOOR))
        contrast = level - np.log(max(mean, FLOOR))
        others = self.mask * np.log(np.maximum(mask_scores, FLOOR))
        others = others + self.size * np.log(np.maximum(size_fit, FLOOR)) + self.seen * seen
        logit = self.level * level + self.contrast * contrast + others + self.bias
        result: Doubles = 0.5 * (1.0 + np.tanh(0.5 * logit))
        return result


@cache
def calibration_of(space: str) -> Calibration:
    """The calibration of a feature space by name.

    A space that nobody calibrated gets a cautious one that looks at the contrast alone.
    """
    text = files("om3d_core.query").joinpath("calibration.json").read_text("utf-8")
    table = json.loads(text)
    return Calibration(**table.get(space, table[GENERIC]))

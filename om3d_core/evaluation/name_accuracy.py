"""How often the names of instances are right, on labeled rooms, and the numbers that fit best."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene
from om3d_core.errors import expect
from om3d_core.evaluation.ground_truth import GroundTruth
from om3d_core.evaluation.instance_truth import MIN_IOU, InstanceOverlaps
from om3d_core.mapping.name_evidence import Floats, NameEvidence, NameFit

GRID = (
    (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3),
    (0.0, 0.5, 1.0, 2.0, 3.0),
    (0.0, 0.5, 1.0, 1.5, 2.0),
    (0.0, 0.2, 0.4, 0.6),
)
"""Temperatures, and weights of size, common and words."""
LEAST = 1e-9
WANTED_PRECISION = 0.7


@dataclass(frozen=True)
class NameAccuracy:
    """objects: of the map that are an object of the ground truth. named: of all that are no
    structure, objects or not, those that have a name. right: those whose name is right.
    """

    objects: int
    named: int
    right: int

    @property
    def precision(self) -> float:
        """Share of the names that are right, 0 without any."""
        return self.right / max(self.named, 1)

    @property
    def recall(self) -> float:
        """Share of the objects with a right name."""
        return self.right / max(self.objects, 1)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"precision": self.precision, "recall": self.recall}


@dataclass(frozen=True)
class Fit:
    """What suits the names of labeled rooms best: an entry of names.json, and how good it is."""

    numbers: NameFit
    accuracy: NameAccuracy


@cache
def right_names() -> Mapping[str, frozenset[str]]:
    """The names that are right for each class of ``om3d synth``."""
    text = files("om3d_core.evaluation").joinpath("right_names.toml").read_text("utf-8")
    return {name: frozenset(names) for name, names in tomllib.loads(text).items()}


def allowed_names(scene: Scene, truth: GroundTruth) -> list[frozenset[str] | None]:
    """The right names of each instance of a map, None for one that is no object of the truth.

    An instance is the object of highest overlap, from an IoU of 0.25.
    """
    overlaps = InstanceOverlaps.of(scene, truth)
    classes = [c for c, s in zip(truth.classes, truth.masks.structure, strict=True) if not s]
    allowed: list[frozenset[str] | None] = []
    for row in overlaps.iou:
        best = int(row.argmax()) if len(row) else -1
        known = best >= 0 and row[best] >= MIN_IOU
        own = right_names().get(classes[best]) if known else None
        allowed.append((own or frozenset({classes[best]})) if known else None)
    return allowed


def accuracy_of(
    labels: Sequence[str], allowed: Sequence[frozenset[str] | None]
) -> NameAccuracy:
    """Of the labels of what is no structure; empty ones are none."""
    right = sum(ok is not None and label in ok for label, ok in zip(labels, allowed, strict=True))
    return NameAccuracy(sum(ok is not None for ok in allowed), sum(map(bool, labels)), right)


def fit(
    evidence: NameEvidence, names: Sequence[str], allowed: Sequence[frozenset[str] | None],
    scores: Floats, background: str = "",
) -> Fit:
    """The weights under which the right names of the objects are likeliest, and the lowest
    probability from which 0.7 of the names are right.

    evidence: of N instances for the names, without the ``background``. scores: (N,) of their
    masks, as :meth:`Namer.name <om3d_core.mapping.names.Namer.name>` weighs them.
    """
    shape = len(allowed), len(names)
    expect(evidence.similarities.shape == shape and len(allowed) > 0,
           f"evidence {shape} of at least one instance", evidence.similarities.shape)
    right = np.array([[ok is not None and name in ok for name in names] for ok in allowed], bool)
    known = np.flatnonzero(right.any(axis=1))
    of_objects = evidence[known]
    best = min(
        (NameFit(*weights[:1], 0.0, "", *weights[1:]) for weights in product(*GRID)),
        key=lambda weights: _surprise(of_objects.probabilities(weights), right[known]),
    )
    probabilities = evidence.probabilities(best)
    likeliest = probabilities.argmax(axis=1)
    found = (probabilities.max(axis=1) * scores).astype(np.float64)
    hit = right[np.arange(len(allowed)), likeliest]
    objects = sum(ok is not None for ok in allowed)
    least = _threshold(found, hit)
    kept = found >= least
    accuracy = NameAccuracy(objects, int(kept.sum()), int(hit[kept].sum()))
    told = f"{accuracy.named} of {len(allowed)} named, {accuracy.right} rightly"
    return Fit(replace(best, min_probability=least, background=background,
                       provenance=f"om3d eval-names --fit: {told}"), accuracy)  # fmt: skip


def _surprise(probabilities: Floats, right: npt.NDArray[np.bool_]) -> float:
    """The mean negative logarithm of the probability of the right names (O, V) together."""
    if not len(right):
        return 0.0
    together = (probabilities * right).sum(axis=1, dtype=np.float64)
    return float(-np.log(together + LEAST).mean())


def _threshold(probabilities: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """The lowest probability from which 0.7 are right, rounded down; else 1."""
    order = np.argsort(-probabilities, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= WANTED_PRECISION)
    if not len(good):
        return 1.0
    return float(np.floor(probabilities[order[good[-1]]] * 1000) / 1000)

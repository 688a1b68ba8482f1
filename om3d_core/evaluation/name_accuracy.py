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
from scipy.optimize import minimize

from om3d_core.data.scene import Scene
from om3d_core.errors import expect
from om3d_core.evaluation.ground_truth import GroundTruth
from om3d_core.evaluation.instance_truth import MIN_IOU, InstanceOverlaps
from om3d_core.mapping.kinds import Kinds
from om3d_core.mapping.name_evidence import Floats, NameEvidence, NameFit, log_odds

Rights = npt.NDArray[np.bool_]
GRID = (
    (0.04, 0.06, 0.1, 0.15, 0.2, 0.3),
    (0.0, 1.0, 2.0, 4.0, 6.0),
    (0.0, 1.0, 1.5, 2.0),
    (0.0, 0.2, 0.4),
    (0.0, 0.1, 0.2, 0.4, 0.6),
)
"""Temperatures, and weights of size, common, words and seen."""
BOUNDS = ((0.05, 20.0), (-20.0, 20.0))
"""Of sharpness and offset."""
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
    """The weights under which the names of the instances, the likeliest first, have the highest
    average precision, the line through their log-odds that fits best (Platt 1999), and the lowest
    probability from which 0.7 of them are right.

    evidence: of N instances for the names, without the ``background``. scores: (N,) of their
    masks, as :meth:`Namer.name <om3d_core.mapping.names.Namer.name>` weighs them.
    """
    shape = len(allowed), len(names)
    expect(evidence.similarities.shape == shape and len(allowed) > 0,
           f"evidence {shape} of at least one instance", evidence.similarities.shape)
    right = np.array([[ok is not None and name in ok for name in names] for ok in allowed], bool)
    kinds, instances = Kinds(names), np.arange(len(allowed))

    def told(weights: NameFit) -> tuple[Floats, Rights]:
        likeliest, probabilities = kinds.likeliest(evidence.probabilities(weights))
        return probabilities, right[instances, likeliest]

    best = max(
        (NameFit(*weights[:1], 0.0, "", *weights[1:]) for weights in product(*GRID)),
        key=lambda weights: _average_precision(*told(weights), scores),
    )
    probabilities, hit = told(best)
    sharpness, offset = _line(log_odds(probabilities * scores), hit)
    best = replace(best, sharpness=sharpness, offset=offset)
    found = best.chances(probabilities, scores).astype(np.float64)
    objects = sum(ok is not None for ok in allowed)
    least = _threshold(found, hit)
    kept = found >= least
    accuracy = NameAccuracy(objects, int(kept.sum()), int(hit[kept].sum()))
    outcome = f"{accuracy.named} of {len(allowed)} named, {accuracy.right} rightly"
    return Fit(replace(best, min_probability=least, background=background,
                       provenance=f"om3d eval-names --fit: {outcome}"), accuracy)  # fmt: skip


def _average_precision(probabilities: Floats, right: Rights, scores: Floats) -> float:
    """Of names by descending probability, over the number of instances: that of objects is the
    same for all weights."""
    hits = right[np.argsort(-probabilities * scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1) * hits).mean())


def _line(odds: npt.NDArray[np.float64], right: Rights) -> tuple[float, float]:
    """The sharpness and offset under which it is likeliest which names are right."""
    n_right = int(right.sum())
    wanted = np.where(right, (n_right + 1) / (n_right + 2), 1 / (len(right) - n_right + 2))

    def surprise(line: npt.NDArray[np.float64]) -> float:
        values = line[0] * odds + line[1]
        return float((np.logaddexp(0, values) - wanted * values).sum())

    found = minimize(surprise, (1.0, 0.0), method="L-BFGS-B", bounds=BOUNDS)
    return round(float(found.x[0]), 3), round(float(found.x[1]), 3)


def _threshold(probabilities: npt.NDArray[np.float64], right: Rights) -> float:
    """The lowest probability from which 0.7 are right, rounded down; else 1."""
    order = np.argsort(-probabilities, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= WANTED_PRECISION)
    if not len(good):
        return 1.0
    return float(np.floor(probabilities[order[good[-1]]] * 1e5) / 1e5)

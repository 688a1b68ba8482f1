"""What a question is answered with: ranked matches and a verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box


@dataclass(frozen=True)
class ViewSimilarity:
    """The cosine of a query and one view; stamp_ns is that of its frame."""

    stamp_ns: int
    similarity: float


@dataclass(frozen=True, eq=False)
class Match:
    """One instance of an answer.

    index: its row in the scene. rank: from 1, by probability. similarity: cosine in -1..1. score:
    similarity in standard deviations above the mean of all ranked instances. probability:
    calibrated, 0..1; present: whether it reaches the threshold. label_probability: of the
    label, not of the match. centroid: (3,) meters. view_similarities: best view first.
    """

    instance_id: int
    index: int
    rank: int
    similarity: float
    score: float
    probability: float
    present: bool
    box: Box
    centroid: npt.NDArray[np.float64]
    n_points: int
    label: str
    view_similarities: tuple[ViewSimilarity, ...]
    label_probability: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: lengths in meters, in the map frame; ``index`` is left out."""
        return {
            "id": self.instance_id,
            "rank": self.rank,
            "label": self.label,
            "label_probability": self.label_probability,
            "similarity": self.similarity,
            "score": self.score,
            "probability": self.probability,
            "present": self.present,
            "centroid": self.centroid.tolist(),
            "box": {
                "center": self.box.center.tolist(),
                "size": self.box.size.tolist(),
                "map_from_box": self.box.map_from_box.tolist(),
            },
            "n_points": self.n_points,
            "views": [asdict(view) for view in self.view_similarities],
        }


@dataclass(frozen=True, eq=False)
class Answer:
    """Matches of one question, best first.

    kind: ``text`` or ``image``. query: the text, or ``image``. space: name of the feature space.
    present: verdict on the first match, false without one. revision: that of the scene.
    """

    kind: str
    query: str
    space: str
    matches: tuple[Match, ...]
    present: bool
    revision: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "query": self.query,
            "kind": self.kind,
            "space": self.space,
            "present": self.present,
            "revision": self.revision,
            "matches": [match.to_json() for match in self.matches],
        }

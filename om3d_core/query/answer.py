"""What a question is answered with: ranked matches and a verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box
from om3d_core.errors import expect

UNIQUE, AMBIGUOUS, ABSENT, NOT_UNDERSTOOD = "unique", "ambiguous", "absent", "not_understood"
VERDICTS = (UNIQUE, AMBIGUOUS, ABSENT, NOT_UNDERSTOOD)
"""unique: the first match is meant, or for a plural all that match. ambiguous: one is asked for
and several match. absent: nothing matches. not_understood: a noun is not known."""


@dataclass(frozen=True)
class ViewSimilarity:
    """The cosine of a query and one view; stamp_ns is that of its frame."""

    stamp_ns: int
    similarity: float


@dataclass(frozen=True)
class Check:
    """One thing that was weighed, such as "near table #19", and how far it is so, 0..1."""

    what: str
    fit: float

    def __str__(self) -> str:
        return f"{self.what} {self.fit:.2f}"


@dataclass(frozen=True, eq=False)
class Match:
    """One instance of an answer.

    index: its row in the scene. rank: from 1, by probability. similarity: cosine in -1..1. score:
    similarity in standard deviations above the mean of all ranked instances. probability:
    calibrated, 0..1; present: whether it reaches the threshold. label_probability: of the
    label, not of the match. centroid: (3,) meters. view_similarities: best view first. checks:
    what was weighed where the question was more than a noun. explanation: why it is the best, or
    what the best one has over it; empty where there is nothing to say. words: those printed on the
    instance that the question names; score, rank and probability count them, similarity does not.
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
    checks: tuple[Check, ...] = ()
    explanation: str = ""
    words: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: lengths in meters, in the map frame; ``index`` is left out."""
        return {
            "id": self.instance_id,
            "rank": self.rank,
            "label": self.label,
            "label_probability": self.label_probability,
            "words": list(self.words),
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
            "checks": [asdict(check) for check in self.checks],
            "explanation": self.explanation,
        }


@dataclass(frozen=True, eq=False)
class Answer:
    """Matches of one question, best first.

    kind: ``text`` or ``image``. query: the text, or ``image``. space: name of the feature space.
    present: verdict on the first match, false without one. revision: that of the scene.
    verdict: one of :data:`VERDICTS`, by default what ``present`` says. read_as: the question as it
    was understood, empty for a picture alone. not_understood: parts of it that were not, each with
    the nearest known word where there is one. n_matching: how many instances are judged to be what
    was asked for, those beyond the matches too; of several in one place one counts. clarification:
    the question that tells rivals apart, empty without any.
    """

    kind: str
    query: str
    space: str
    matches: tuple[Match, ...]
    present: bool
    revision: int
    verdict: str = ""
    read_as: str = ""
    not_understood: tuple[str, ...] = ()
    n_matching: int = 0
    clarification: str = ""

    def __post_init__(self) -> None:
        verdict = self.verdict or (UNIQUE if self.present else ABSENT)
        expect(verdict in VERDICTS, f"one of the verdicts {', '.join(VERDICTS)}", verdict)
        object.__setattr__(self, "verdict", verdict)

    @property
    def probability(self) -> float:
        """That the first match is what was asked for; 0 without one."""
        return self.matches[0].probability if self.matches else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "query": self.query,
            "kind": self.kind,
            "space": self.space,
            "present": self.present,
            "verdict": self.verdict,
            "probability": self.probability,
            "read_as": self.read_as,
            "not_understood": list(self.not_understood),
            "n_matching": self.n_matching,
            "clarification": self.clarification,
            "revision": self.revision,
            "matches": [match.to_json() for match in self.matches],
        }


def told(answer: Answer) -> str:
    """The verdict in a few words: "found", "not in the map", "2 found", "which of 3?"."""
    if answer.verdict == UNIQUE and answer.n_matching > 1:
        return f"{answer.n_matching} found"
    return {
        UNIQUE: "found",
        AMBIGUOUS: f"found, which of {answer.n_matching}?",
        ABSENT: "not in the map",
        NOT_UNDERSTOOD: "not understood",
    }[answer.verdict]

"""How often a query's first matches are right, and absent things said to be absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from om3d_core.data.boxes import fit_box
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.errors import InputError, expect
from om3d_core.evaluation.ground_truth import GroundTruth
from om3d_core.evaluation.instance_truth import InstanceOverlaps
from om3d_core.evaluation.query_file import LabeledQuery
from om3d_core.query.answer import Answer


@dataclass(frozen=True)
class QueryResult:
    """Outcome of one query.

    absent: whether the thing is absent in truth. rank: place of the first right match, from 1, or
    None. matched: id of the first match, similarity: its similarity, None without any match.
    present: whether the first match is called present. right: a hit at the first place, or an
    absent thing not called present. attainable: whether any instance of the map is a hit.
    """

    text: str
    absent: bool
    rank: int | None
    matched: int | None
    similarity: float | None
    present: bool
    right: bool
    attainable: bool


@dataclass(frozen=True)
class QueryQuality:
    """The outcomes of a query file, and the fractions that sum them up."""

    results: tuple[QueryResult, ...]

    def top(self, k: int) -> float | None:
        """Part of the present things with a hit among the first ``k`` matches, or None."""
        ranks = [result.rank for result in self.results if not result.absent]
        return _fraction([rank is not None and rank <= k for rank in ranks])

    @property
    def absent(self) -> float | None:
        """Part of the absent things that are not called present, or None."""
        return _fraction([result.right for result in self.results if result.absent])

    @property
    def attainable(self) -> float | None:
        """Part of the present things that some instance of the map would answer, or None."""
        return _fraction([result.attainable for result in self.results if not result.absent])

    def to_json(self) -> dict[str, Any]:
        """top1, top3, top5, absent and attainable as fractions or None, and each query."""
        fractions = {f"top{k}": self.top(k) for k in (1, 3, 5)}
        return {
            **fractions,
            "absent": self.absent,
            "attainable": self.attainable,
            "queries": [asdict(result) for result in self.results],
        }


def evaluate_queries(
    answers_for: Callable[[str], Answer],
    scene: Scene,
    queries: Sequence[LabeledQuery],
    truth: GroundTruth | None = None,
) -> QueryQuality:
    """Ask each query and judge the answer.

    A match is a hit when it overlaps one of the query's instances in ``truth`` with an IoU of at
    least 0.25. For a query without instances it is one when one of the query's positions lies
    within its radius of a point of the match and the longest side of the match's box is at most
    its maximum extent. Structure is never a hit. Raises :class:`InputError` for no queries, for
    instances that the truth does not hold, and if the queries fail against an oracle.
    """
    expect(len(queries) > 0, "at least one query", 0)
    by_instance = any(query.instances for query in queries)
    expect(truth is not None or not by_instance, "the ground truth of the instances", None)
    self_check(queries)
    overlaps = InstanceOverlaps.of(scene, truth) if truth is not None and by_instance else None
    judge = _Judge(scene.cloud.points, scene.masks, scene.ids, scene.up, overlaps)
    return QueryQuality(tuple(judge.result(query, answers_for(query.text)) for query in queries))


def self_check(queries: Sequence[LabeledQuery]) -> None:
    """Raise :class:`InputError` unless a perfect map has a right answer to every query.

    The perfect map holds a small instance at the first position of each query. Queries with
    instances are left out: what an instance overlaps best is itself.
    """
    queries = [query for query in queries if not query.instances]
    positions = [query.positions[:1] for query in queries]
    points = np.concatenate([np.zeros((0, 3)), *positions])
    owner = np.repeat(np.arange(len(queries)), [len(p) for p in positions])
    masks = InstanceMasks.from_lists(
        [np.flatnonzero(owner == i) for i in range(len(queries))], len(points)
    )
    up = np.array([0.0, 0.0, 1.0])
    judge = _Judge(points, masks, np.arange(len(queries)) + 1, up)
    wrong = [
        query.text for i, query in enumerate(queries)
        if not query.absent and not judge.hits(query)[i]
    ]
    if wrong:
        raise InputError(f"expected queries that an oracle answers, got {wrong}")


class _Judge:
    """Decides which instances of a map are hits; one spatial index for all queries."""

    def __init__(
        self,
        points: npt.NDArray[np.floating],
        masks: InstanceMasks,
        ids: npt.NDArray[np.int64],
        up: npt.NDArray[np.float64],
        overlaps: InstanceOverlaps | None = None,
    ) -> None:
        self._points = points
        self._tree = cKDTree(points.astype(np.float64))
        self._masks = masks
        self._membership = masks.to_csr()
        self._ids = ids
        self._up = up
        self._overlaps = overlaps

    def hits(self, query: LabeledQuery) -> npt.NDArray[np.bool_]:
        """(N,) whether each instance is a right answer."""
        if query.instances and self._overlaps is not None:
            return self._overlaps.hits(query.instances)
        near = np.zeros(self._masks.n_points, np.float32)
        for found in self._tree.query_ball_point(query.positions, query.radius_m):
            near[found] = 1
        hits: npt.NDArray[np.bool_] = (self._membership @ near > 0) & ~self._masks.structure
        for i in np.flatnonzero(hits):
            box = fit_box(self._points[self._masks[int(i)]], self._up)
            hits[i] = box.size.max() <= query.max_extent_m
        return hits

    def result(self, query: LabeledQuery, answer: Answer) -> QueryResult:
        """The outcome of one query."""
        hits = self.hits(query)
        matches = list(answer.matches)
        for match in matches:
            if not 0 <= match.index < len(hits) or self._ids[match.index] != match.instance_id:
                raise InputError(
                    f"expected matches of this map, got id {match.instance_id} at {match.index}"
                )
        rank = next((i for i, match in enumerate(matches, 1) if hits[match.index]), None)
        first = matches[0] if matches else None
        present = first is not None and bool(first.present)
        return QueryResult(
            text=query.text,
            absent=query.absent,
            rank=rank,
            matched=None if first is None else int(first.instance_id),
            similarity=None if first is None else float(first.similarity),
            present=present,
            right=not present if query.absent else rank == 1,
            attainable=bool(hits.any()),
        )


def _fraction(verdicts: Sequence[bool]) -> float | None:
    return sum(verdicts) / len(verdicts) if verdicts else None

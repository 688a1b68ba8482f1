"""The numbers of a table, from the records of its scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError
from om3d_core.evaluation.assign import Candidates, label_predictions
from om3d_core.evaluation.benchmark import (
    BenchmarkResult,
    InstanceCounts,
    ScenePredictions,
    evaluate_scenes,
)
from om3d_core.evaluation.paper.records import SceneRecord
from om3d_core.evaluation.paper.rows import PAPER, PLANS, Row
from om3d_core.evaluation.protocols import PROTOCOLS, Protocol
from om3d_core.sources.datasets.label_sets import LabelSet, label_set_of

TOP_K = (1, 5)

Percents = list[float | None]
"""Three numbers; None where there is nothing to measure."""
Columns = dict[str, dict[str, Percents]]
"""By number of candidate labels (top1, top5), then by row."""


@dataclass(frozen=True)
class Summary:
    """What the rows of a table score over all scenes, in percent.

    protocols: AP, AP50 and AP25 by protocol. groups: AP of the head, common and tail classes by
    protocol, empty where the label set has no such groups. masks: AP, AP50 and AP25 of the masks
    whatever their labels (class-agnostic). published: what the paper prints, perhaps nothing.
    """

    protocols: dict[str, Columns]
    groups: dict[str, Columns]
    masks: Percents
    published: Columns

    def to_json(self) -> dict[str, object]:
        """What there is, by name."""
        parts = {"groups": self.groups, "masks": self.masks, "published": self.published}
        return {**self.protocols, **{name: part for name, part in parts.items() if part}}


def summarize(
    records: Sequence[SceneRecord], rows: Sequence[Row], labels: LabelSet, dataset: str
) -> Summary:
    """Score every row. Raises InputError unless the ground truth scores 100 against itself."""
    protocols: dict[str, Columns] = {}
    groups: dict[str, Columns] = {}
    for name, protocol in PROTOCOLS.items():
        perfect = perfect_numbers(records, labels, protocol)
        if not (perfect == 1.0).all():
            raise InputError(
                f"expected ground truth that scores 1 against itself, got {perfect}, where NaN is"
                " that no scene has an instance of a scored class"
            )
        protocols[name], groups[name] = {}, {}
        for k in TOP_K:
            results = {r.name: row_result(records, r.name, labels, protocol, k) for r in rows}
            protocols[name][f"top{k}"] = {n: percents(r.mean) for n, r in results.items()}
            groups[name][f"top{k}"] = {
                n: percents(r.group_means[:, 0]) for n, r in results.items()
            }
    published: Columns = {}
    if dataset in PAPER:
        numbers: dict[str, Percents] = {row: [*ap] for row, ap in PAPER[dataset].items()}
        published = {f"top{PLANS[dataset].paper_top_k}": numbers}
    return Summary(
        protocols,
        groups if any(labels.groups) else {},
        percents(mask_numbers(records, labels)),
        published,
    )


def row_result(
    records: Sequence[SceneRecord], row: str, labels: LabelSet, protocol: Protocol, top_k: int
) -> BenchmarkResult:
    """What a row scores over the recorded scenes with its ``top_k`` best labels a mask."""
    scored = labels.scored
    scenes = []
    for record in records:
        found = record.rows[row]
        chosen = Candidates(found.ids[:, :top_k], found.probabilities[:, :top_k])
        counts = record.counts.against(scored, protocol)
        scenes.append(label_predictions(counts, chosen, scored, protocol))
    return evaluate_scenes(scenes, scored, protocol)


def mask_numbers(records: Sequence[SceneRecord], labels: LabelSet) -> npt.NDArray[np.float64]:
    """(3,) AP, AP50 and AP25 of the masks by their own scores, as if there was one class, 0..1."""
    protocol, scenes = PROTOCOLS["benchmark"], []
    for record in records:
        counts = record.counts.against(labels.scored, protocol)
        n, g = counts.overlaps.shared.shape
        same = np.zeros(g, np.int64)
        scenes.append(
            ScenePredictions(counts.overlaps, same, counts.gt_group, np.zeros(n, np.int64))
        )
    return evaluate_scenes(scenes, label_set_of(["object"]), protocol).mean


def perfect_numbers(
    records: Sequence[SceneRecord], labels: LabelSet, protocol: Protocol
) -> npt.NDArray[np.float64]:
    """(3,) what the ground truth of the recorded scenes scores against itself; 1 unless broken."""
    scored = labels.scored
    scenes = []
    for record in records:
        c = record.counts
        itself = InstanceCounts(
            np.ones(len(c.gt_sizes)), c.gt_sizes, c.instance_ids, c.gt_sizes, np.diag(c.gt_sizes)
        )
        ids = (c.instance_ids // 1000)[:, None]
        right = Candidates(ids, np.ones(ids.shape))
        scenes.append(
            label_predictions(itself.against(scored, protocol), right, scored, protocol)
        )
    return evaluate_scenes(scenes, scored, protocol).mean


def percents(values: npt.NDArray[np.floating]) -> Percents:
    """Fractions as percent, rounded."""
    return [None if np.isnan(value) else round(100 * float(value), 2) for value in values]

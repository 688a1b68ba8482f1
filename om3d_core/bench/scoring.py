"""P8: average precision at 1,659 classes, against the published loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.bench import published_evaluation
from om3d_core.bench.clock import seconds
from om3d_core.bench.rows import Bar, Check, Row, measured
from om3d_core.bench.workbench import Workbench
from om3d_core.data.masks import InstanceMasks
from om3d_core.evaluation.assign import Candidates, label_predictions
from om3d_core.evaluation.benchmark import count_instances, evaluate_scenes
from om3d_core.evaluation.protocols import PROTOCOLS
from om3d_core.sources.datasets.label_sets import LabelSet, load_label_set

SCENES, POINTS, TRUE, PREDICTED, CANDIDATES, ROUNDS = 2, 50_000, 40, 80, 5, 3

LabeledScene = tuple[Any, Any, Any, Any]
"""Masks (P, N) bool, candidate label ids (N, k), scores (N,), ids of instances (P,)."""


def random_scene(rng: np.random.Generator, labels: LabelSet) -> LabeledScene:
    """Instances are runs of points; masks are runs that are shifted a little."""
    edges = np.sort(rng.choice(POINTS, TRUE + 1, replace=False))
    gt_ids = np.zeros(POINTS, np.int64)
    classes = rng.choice(labels.ids[:60], TRUE)
    for i in range(TRUE):
        gt_ids[edges[i] : edges[i + 1]] = classes[i] * 1000 + i + 1
    dense = np.zeros((POINTS, PREDICTED), bool)
    candidates = rng.choice(labels.ids, (PREDICTED, CANDIDATES))
    for j in range(PREDICTED):
        i, shift = int(rng.integers(TRUE)), int(rng.normal(0, 20))
        dense[max(0, edges[i] + shift) : max(0, edges[i + 1] + shift), j] = True
        if rng.random() < 0.7:
            candidates[j, rng.integers(CANDIDATES)] = classes[i]
    return dense, candidates, rng.choice([0.2, 0.5, 0.9], PREDICTED), gt_ids


def scoring(bench: Workbench) -> Row:
    """P8. From masks and candidate labels to AP of every class, by both."""
    labels = load_label_set("scannetpp")
    protocol = replace(PROTOCOLS["paper"], uniform_scores=False)
    rng = np.random.default_rng(8)
    scenes = [random_scene(rng, labels) for _ in range(SCENES)]
    label_ids = labels.ids.tolist()
    found: dict[str, npt.NDArray[np.float64]] = {}

    def published() -> None:
        tables = [
            published_evaluation.associate(dense, c.tolist(), scores, gt_ids, label_ids)
            for dense, c, scores, gt_ids in scenes
        ]
        found["published"] = published_evaluation.evaluate(
            tables, label_ids, redundant_reset=True
        )

    def ours() -> None:
        predictions = []
        for dense, candidates, scores, gt_ids in scenes:
            counts = count_instances(InstanceMasks.from_dense(dense), gt_ids, scores)
            chosen = Candidates(candidates, np.ones(candidates.shape))
            against = counts.against(labels, protocol)
            predictions.append(label_predictions(against, chosen, labels, protocol))
        found["ours"] = evaluate_scenes(predictions, labels, protocol).ap

    ours()
    times = []
    for done in range(ROUNDS):
        bench.job.step("score", done, ROUNDS)
        times.append(seconds(ours))
    published_s = seconds(published)
    times.append(seconds(ours))
    off = float(np.nanmax(np.abs(found["ours"] - found["published"])))
    return measured(
        "P8", "times faster", published_s / float(np.median(times)),
        Check("largest difference of AP", off, Bar("<=", 1e-9)),
        published_s=published_s, ours_s=float(np.median(times)), classes=len(labels),
    )  # fmt: skip

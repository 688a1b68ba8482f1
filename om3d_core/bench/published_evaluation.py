"""The published evaluation loop of ScanNet and OpenMask3D++, plainly: a reference for speed and
result. It walks over classes and instances in dictionaries and compares whole point arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.25)

Ints = npt.NDArray[np.integer]
Doubles = npt.NDArray[np.float64]
Instances = dict[int, list[dict[str, Any]]]
"""Dictionaries with sizes and overlaps, by label id."""
Associated = tuple[Instances, Instances]
"""Ground truth and predictions of a scene."""


def associate(
    dense: npt.NDArray[np.bool_],
    candidates: Sequence[Sequence[int]],
    scores: npt.NDArray[np.floating],
    gt_ids: Ints,
    label_ids: Sequence[int],
) -> Associated:
    """Predictions and instances a class; of a mask's candidates the one that overlaps most.

    dense: (P, N) masks. candidates: label ids of each mask. scores: (N,). gt_ids: (P,)
    ``label id * 1000 + instance``, 0 where a point has no label. label_ids: the scored classes.
    """
    gt: Instances = {label: [] for label in label_ids}
    for instance in np.unique(gt_ids):
        label = int(instance) // 1000
        if instance != 0 and label in gt:
            size = int(np.count_nonzero(gt_ids == instance))
            gt[label].append({"id": int(instance), "size": size, "preds": []})
    preds: Instances = {label: [] for label in label_ids}
    void = ~np.isin(gt_ids // 1000, label_ids)
    for number in range(dense.shape[1]):
        mask = dense[:, number]
        known, overlaps = [], []
        for label in candidates[number]:
            if label not in gt:
                break
            counts = [int(np.count_nonzero((gt_ids == g["id"]) & mask)) for g in gt[label]]
            known.append(label)
            overlaps.append(max(counts, default=0))
        size = int(np.count_nonzero(mask))
        if not known or size < 100:
            continue
        label = known[int(np.argmax(overlaps))]
        pred: dict[str, Any] = {
            "number": number, "size": size, "score": float(scores[number]), "gts": [],
            "void": int(np.count_nonzero(void & mask)),
        }  # fmt: skip
        for g in gt[label]:
            shared = int(np.count_nonzero((gt_ids == g["id"]) & mask))
            if shared:
                pred["gts"].append((g, shared))
                g["preds"].append((pred, shared))
        preds[label].append(pred)
    return gt, preds


def evaluate(
    scenes: Sequence[Associated], label_ids: Sequence[int], *, redundant_reset: bool
) -> Doubles:
    """(C, T) average precision. redundant_reset: clear the marks once a class, as published."""
    ap = np.full((len(label_ids), len(THRESHOLDS)), np.nan)
    for t, threshold in enumerate(THRESHOLDS):
        visited: dict[tuple[int, int], bool] = {}
        for s, (_, preds) in enumerate(scenes):
            for _ in preds if redundant_reset else range(1):
                for label in label_ids:
                    for pred in preds[label]:
                        visited[s, pred["number"]] = False
        for c, label in enumerate(label_ids):
            ap[c, t] = _class_ap(scenes, label, threshold, visited)
    return ap


def _class_ap(
    scenes: Sequence[Associated],
    label: int,
    threshold: float,
    visited: dict[tuple[int, int], bool],
) -> float:
    y_true: list[int] = []
    y_score: list[float] = []
    missed, has_gt, has_pred = 0, False, False
    for s, (gt, preds) in enumerate(scenes):
        instances = [g for g in gt[label] if g["id"] >= 1000 and g["size"] >= 100]
        has_gt, has_pred = has_gt or bool(instances), has_pred or bool(preds[label])
        for g in instances:
            best = None
            for pred, shared in g["preds"]:
                iou = shared / (g["size"] + pred["size"] - shared)
                if visited[s, pred["number"]] or iou <= threshold:
                    continue
                if best is None:
                    best = pred["score"]
                    visited[s, pred["number"]] = True
                else:
                    y_true.append(0)
                    y_score.append(min(best, pred["score"]))
                    best = max(best, pred["score"])
            if best is None:
                missed += 1
            else:
                y_true.append(1)
                y_score.append(best)
        for pred in preds[label]:
            reached = any(
                shared / (g["size"] + pred["size"] - shared) > threshold
                for g, shared in pred["gts"]
            )
            ignored = pred["void"]
            for g, shared in pred["gts"]:
                ignored += shared * ((g["id"] < 1000) + (g["size"] < 100))
            if not reached and ignored / pred["size"] <= threshold:
                y_true.append(0)
                y_score.append(pred["score"])
    if not has_gt:
        return float("nan")
    return _area(np.array(y_true), np.array(y_score), missed) if has_pred else 0.0


def _area(y_true: npt.NDArray[Any], y_score: npt.NDArray[Any], missed: int) -> float:
    order = np.argsort(y_score)
    y_true, y_score = y_true[order], y_score[order]
    below = np.append(np.cumsum(y_true), 0)
    total = below[-2] if len(y_true) else 0
    _, firsts = np.unique(y_score, return_index=True)
    precision, recall = np.ones(len(firsts) + 1), np.zeros(len(firsts) + 1)
    for i, first in enumerate(firsts):
        lost = below[first - 1]
        precision[i] = (total - lost) / (len(y_true) - first)
        recall[i] = (total - lost) / (total + missed)
    padded = np.concatenate([recall[:1], recall, [0.0]])
    return float(precision @ np.convolve(padded, [-0.5, 0, 0.5], "valid"))

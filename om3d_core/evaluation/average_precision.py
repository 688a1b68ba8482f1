"""Average precision of instance masks by the rules of the ScanNet benchmark.

Source: the instance evaluation of ScanNet (Dai et al. 2017), without classes. The curve is the
benchmark's own (one point a distinct score, trapezoids in recall), not the interpolated one of
PASCAL VOC. Predictions are matched by falling score; where ground truth does not overlap and the
threshold is at least 0.5, this gives exactly the benchmark's result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.errors import expect

AP_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Point counts of N predictions and G ground-truth masks of one scene.

    scores: (N,) float. pred_sizes: (N,), gt_sizes: (G,), shared: (N, G) int64 points.
    ignored: (N,) int64 points of a prediction that lie on void.
    """

    scores: npt.NDArray[np.floating]
    pred_sizes: npt.NDArray[np.int64]
    gt_sizes: npt.NDArray[np.int64]
    shared: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        n, g = len(self.scores), len(self.gt_sizes)
        shapes = (self.pred_sizes.shape, self.shared.shape, self.ignored.shape)
        expect(shapes == ((n,), (n, g), (n,)), f"shapes {((n,), (n, g), (n,))}", shapes)

    @property
    def iou(self) -> npt.NDArray[np.float64]:
        """(N, G) intersection over union."""
        union = self.pred_sizes[:, None] + self.gt_sizes[None, :] - self.shared
        result: npt.NDArray[np.float64] = self.shared / np.maximum(union, 1)
        return result

    @property
    def ignored_share(self) -> npt.NDArray[np.float64]:
        """(N,) part of each prediction that lies on void, 0..1."""
        result: npt.NDArray[np.float64] = self.ignored / np.maximum(self.pred_sizes, 1)
        return result


@dataclass(frozen=True, eq=False)
class Matching:
    """Verdicts at one threshold: (N,) ground truth taken by each prediction, or -1, and
    (N,) whether the prediction counts at all (it does not if it lies on void)."""

    gt_of_pred: npt.NDArray[np.int64]
    counts: npt.NDArray[np.bool_]


def match(overlaps: Overlaps, threshold: float) -> Matching:
    """Give each prediction, by falling score, the best free mask with IoU above ``threshold``.

    Equal scores go by falling best IoU. A prediction that finds its masks taken is wrong; one that
    reaches no mask is wrong too, unless more than ``threshold`` of it lies on void.
    """
    iou = overlaps.iou
    best = iou.max(axis=1, initial=0.0)
    free = np.ones(len(overlaps.gt_sizes), bool)
    gt_of_pred = np.full(len(overlaps.scores), -1, np.int64)
    for i in np.lexsort((-best, -overlaps.scores)):
        reach = np.flatnonzero(free & (iou[i] > threshold))
        if len(reach):
            taken = reach[np.argmax(iou[i, reach])]
            gt_of_pred[i], free[taken] = taken, False
    return Matching(gt_of_pred, (best > threshold) | (overlaps.ignored_share <= threshold))


def average_precision(scenes: Sequence[Overlaps], threshold: float) -> float:
    """AP at one IoU threshold with the predictions of all scenes on one curve.

    NaN if there is no ground truth.
    """
    n_gt = sum(len(scene.gt_sizes) for scene in scenes)
    if not n_gt:
        return float("nan")
    matchings = [match(scene, threshold) for scene in scenes]
    scores = np.concatenate([s.scores[m.counts] for s, m in zip(scenes, matchings, strict=True)])
    right = np.concatenate([m.gt_of_pred[m.counts] >= 0 for m in matchings])
    return curve_area(scores, right, n_gt)


def curve_area(
    scores: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], n_gt: int
) -> float:
    """Area under the precision-recall curve, as ScanNet integrates it.

    scores, right: (N,) score and verdict of each counted prediction; n_gt >= 1 masks to find.
    """
    precision, recalls = curve(scores, right, n_gt)
    return area(precision, recalls)


def curve(
    scores: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], n_gt: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Precision and recall at each distinct score, from the highest on, after the point (1, 0)."""
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(right[order])
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)[: len(scores)])
    precision = np.concatenate([[1.0], found[last] / (last + 1)])
    return precision, np.concatenate([[0.0], found[last] / n_gt])


def area(values: npt.NDArray[np.float64], recalls: npt.NDArray[np.float64]) -> float:
    """Integral of ``values`` over rising ``recalls`` with the weights of ScanNet's benchmark."""
    padded = np.concatenate([[0.0], recalls, [recalls[-1]]])
    return float(values @ (padded[2:] - padded[:-2]) / 2)


def mean_average_precision(scenes: Sequence[Overlaps]) -> float:
    """Mean AP over the IoU thresholds 0.50, 0.55, ... 0.90; NaN if there is no ground truth."""
    return float(np.mean([average_precision(scenes, t) for t in AP_THRESHOLDS]))


def recall(scenes: Sequence[Overlaps], threshold: float) -> float:
    """Part of the ground-truth masks matched at one IoU threshold; NaN if there is none."""
    n_gt = sum(len(scene.gt_sizes) for scene in scenes)
    found = sum(int((match(scene, threshold).gt_of_pred >= 0).sum()) for scene in scenes)
    return found / n_gt if n_gt else float("nan")

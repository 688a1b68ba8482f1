"""Class-agnostic quality of instance masks: AP, recall, over- and under-segmentation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.masks import InstanceMasks, intersection_counts
from om3d_core.errors import InputError, expect
from om3d_core.evaluation.average_precision import (
    Overlaps,
    average_precision,
    mean_average_precision,
    recall,
)
from om3d_core.settings import Settings, setting

MOSTLY = 0.5


@dataclass(frozen=True)
class MaskEvaluationSettings(Settings):
    """What counts as an instance."""

    min_region_points: int = setting(
        100, "smaller masks are neither ground truth nor predictions, points", low=1
    )


@dataclass(frozen=True)
class MaskQuality:
    """Class-agnostic results, fractions in 0..1 (NaN where there is nothing to measure).

    ap, ap50, ap25: average precision over IoU 0.50 to 0.90, at 0.50 and at 0.25.
    recall50: part of the ground truth matched at IoU 0.50.
    over_segmentation: mean over the ground truth of how many predictions beyond the first lie
    mostly (more than half of their points) inside it; 0 is best, 7 means eight pieces each.
    under_segmentation: part of the predictions that hold most (more than half) of the points of
    two or more ground-truth masks; 0 is best.
    n_pred: predictions that count (not structure, not mostly void, not small).
    n_gt: masks to find.
    """

    ap: float
    ap50: float
    ap25: float
    recall50: float
    over_segmentation: float
    under_segmentation: float
    n_pred: int
    n_gt: int

    def to_json(self) -> dict[str, float | int | None]:
        """The fields by name; None where there was nothing to measure."""
        return {
            name: None if math.isnan(value) else value for name, value in vars(self).items()
        }


def evaluate_masks(
    pred: InstanceMasks,
    gt: InstanceMasks,
    void: npt.NDArray[np.bool_],
    settings: MaskEvaluationSettings | None = None,
) -> MaskQuality:
    """Quality of ``pred`` on one scene, both sets of masks over the same P points.

    void: (P,) bool, points without a verdict. Structure is void on the side of the ground truth
    and leaves the predictions. Raises :class:`InputError` if the ground truth fails against
    itself.
    """
    return evaluate_overlaps([count_overlaps(pred, gt, void, settings)])


def count_overlaps(
    pred: InstanceMasks,
    gt: InstanceMasks,
    void: npt.NDArray[np.bool_],
    settings: MaskEvaluationSettings | None = None,
) -> Overlaps:
    """The point counts of one scene; checks first that its ground truth scores a perfect AP."""
    settings = settings or MaskEvaluationSettings()
    self_check(gt, void, settings)
    return _count(pred, gt, void, settings.min_region_points)


def self_check(
    gt: InstanceMasks, void: npt.NDArray[np.bool_], settings: MaskEvaluationSettings
) -> None:
    """Raise :class:`InputError` unless the ground truth, as a prediction, gets the maximum."""
    objects = gt.select(~gt.structure)
    perfect = InstanceMasks.from_lists([objects[i] for i in range(len(objects))], gt.n_points)
    quality = evaluate_overlaps([_count(perfect, gt, void, settings.min_region_points)])
    best = (quality.ap, quality.ap50, quality.ap25, quality.recall50)
    if quality.n_gt and any(value != 1.0 for value in best):
        raise InputError(f"expected ground truth that scores AP 1 against itself, got {quality}")


def evaluate_overlaps(scenes: Sequence[Overlaps]) -> MaskQuality:
    """Quality over several scenes, their predictions pooled on one curve."""
    extra, merged, counted = [np.zeros(0)], 0, 0
    for scene in scenes:
        counts = scene.ignored_share <= MOSTLY
        shared = scene.shared[counts]
        inside = shared > MOSTLY * scene.pred_sizes[counts, None]
        covers = shared > MOSTLY * scene.gt_sizes[None, :]
        extra.append(np.maximum(inside.sum(axis=0) - 1, 0))
        merged += int((covers.sum(axis=1) > 1).sum())
        counted += int(counts.sum())
    n_gt = sum(len(scene.gt_sizes) for scene in scenes)
    return MaskQuality(
        ap=mean_average_precision(scenes),
        ap50=average_precision(scenes, 0.5),
        ap25=average_precision(scenes, 0.25),
        recall50=recall(scenes, 0.5),
        over_segmentation=float(np.concatenate(extra).mean()) if n_gt else math.nan,
        under_segmentation=merged / counted if counted else math.nan,
        n_pred=counted,
        n_gt=n_gt,
    )


def _count(
    pred: InstanceMasks, gt: InstanceMasks, void: npt.NDArray[np.bool_], min_points: int
) -> Overlaps:
    expect(void.shape == (gt.n_points,) and void.dtype == np.bool_,
           f"void of shape {(gt.n_points,)} and dtype bool", (void.shape, void.dtype))
    expect(pred.n_points == gt.n_points, f"predictions over {gt.n_points} points", pred.n_points)
    big = gt.sizes >= min_points
    objects = gt.select(big & ~gt.structure)
    ignored = void | _union(gt.select(~big | gt.structure))
    ignored &= ~_union(objects)
    pred = pred.select(~pred.structure & (pred.sizes >= min_points))
    return Overlaps(
        scores=pred.scores,
        pred_sizes=pred.sizes,
        gt_sizes=objects.sizes,
        shared=intersection_counts(pred, objects),
        ignored=np.rint(pred.to_csr() @ ignored.astype(np.float32)).astype(np.int64),
    )


def _union(masks: InstanceMasks) -> npt.NDArray[np.bool_]:
    covered = np.zeros(masks.n_points, bool)
    covered[masks.indices] = True
    return covered

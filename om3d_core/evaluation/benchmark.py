"""Average precision a class by the rules of the ScanNet instance benchmark.

Source: the evaluation of ScanNet (Dai et al. 2017) as OpenMask3D and OpenMask3D++ use it. One
count gives the points that every mask shares with every ground-truth instance; classes and
thresholds then work on that table, so that the time does not grow with the number of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import expect
from om3d_core.evaluation.average_precision import AP_THRESHOLDS, Overlaps, area, curve
from om3d_core.evaluation.protocols import Protocol
from om3d_core.sources.datasets.label_sets import GROUPS, LabelSet

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

THRESHOLDS = (*AP_THRESHOLDS, 0.25)
AT_50, AT_25 = 0, len(AP_THRESHOLDS)
INSTANCES_A_LABEL = 1000


@dataclass(frozen=True, eq=False)
class ScenePredictions:
    """N labeled masks and the G ground-truth instances of one scene.

    overlaps: their point counts; ``ignored`` counts void. gt_classes: (G,) row of the label set.
    gt_group: (G,) bool, instances that are never to be found. pred_classes: (N,) row of the label
    set, or -1 for a mask without a label.
    """

    overlaps: Overlaps
    gt_classes: Ints
    gt_group: Flags
    pred_classes: Ints

    def __post_init__(self) -> None:
        n, g = self.overlaps.shared.shape
        shapes = (self.gt_classes.shape, self.gt_group.shape, self.pred_classes.shape)
        expect(shapes == ((g,), (g,), (n,)), f"shapes {((g,), (g,), (n,))}", shapes)


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """Results over S scenes for C classes at T thresholds (:data:`THRESHOLDS`), 0..1.

    ap, recall, average_recall: (C, T), NaN for a class without ground truth. average_recall is the
    integral of recall over itself that OpenMask3D calls AR. found_categories: (S, T) part of the
    scene's classes of which at least one instance is found (PCDC), NaN in a scene without any.
    """

    labels: LabelSet
    ap: Floats
    recall: Floats
    average_recall: Floats
    found_categories: Floats

    @property
    def class_ap(self) -> Floats:
        """(C, 3) AP, AP50 and AP25 of each class."""
        return summary_of(self.ap)

    @property
    def mean(self) -> Floats:
        """(3,) AP, AP50 and AP25, mean over the classes with ground truth."""
        return _mean(self.class_ap)

    @property
    def group_means(self) -> Floats:
        """(3, 3) the rows head, common and tail of :attr:`mean`."""
        return np.stack([_mean(self.class_ap[self.labels.in_group(g)]) for g in GROUPS])


def evaluate_scenes(
    scenes: Sequence[ScenePredictions], labels: LabelSet, protocol: Protocol
) -> BenchmarkResult:
    """Score labeled masks over all scenes; ``labels`` are the scored classes."""
    n_classes, n_thresholds = len(labels), len(THRESHOLDS)
    tables = [_Table(scene, protocol) for scene in scenes]
    n_gt = np.zeros(n_classes, np.int64)
    for table in tables:
        n_gt += np.bincount(table.gt_classes, minlength=n_classes)
    measures = np.full((3, n_classes, n_thresholds), np.nan)
    measures[:, n_gt > 0] = 0.0
    found = np.full((len(scenes), n_thresholds), np.nan)
    for t, threshold in enumerate(THRESHOLDS):
        verdicts = [table.verdicts(threshold) for table in tables]
        for s, (table, verdict) in enumerate(zip(tables, verdicts, strict=True)):
            present = np.unique(table.gt_classes)
            if len(present):
                found[s, t] = len(np.unique(verdict.classes[verdict.right])) / len(present)
        for c, scores, right in _by_class(verdicts):
            if n_gt[c]:
                precision, recalls = curve(scores, right, int(n_gt[c]))
                measures[:, c, t] = area(precision, recalls), recalls[-1], area(recalls, recalls)
    ap, recall, average_recall = measures
    if protocol.carry_average_recall:
        average_recall = _carry(average_recall)
    return BenchmarkResult(labels, ap, recall, average_recall, found)


def summary_of(values: Floats) -> Floats:
    """(..., 3) of values (..., T): the mean of 0.50 to 0.90, then those at 0.50 and at 0.25."""
    mean = values[..., : len(AP_THRESHOLDS)].mean(axis=-1)
    return np.stack([mean, values[..., AT_50], values[..., AT_25]], axis=-1)


@dataclass(frozen=True, eq=False)
class InstanceCounts:
    """Points that N masks share with G annotated instances, whatever classes are scored.

    scores, pred_sizes: (N,). instance_ids: (G,) ascending ``label id * 1000 + instance``;
    gt_sizes: (G,); shared: (N, G). The rest of a mask lies on points without a label.
    """

    scores: npt.NDArray[np.floating]
    pred_sizes: Ints
    instance_ids: Ints
    gt_sizes: Ints
    shared: Ints

    def against(self, labels: LabelSet, protocol: Protocol) -> GroundTruthCounts:
        """The scored instances; all that has no label, or one that is not scored, is void."""
        classes = labels.index_of(self.instance_ids // INSTANCES_A_LABEL)
        scored = np.flatnonzero(classes >= 0)
        unlabeled = self.pred_sizes - self.shared.sum(axis=1)
        void = self.shared[:, classes < 0].sum(axis=1)
        if not (protocol.zero_is_a_class and labels.index_of(np.zeros(1, np.int64))[0] >= 0):
            void = void + unlabeled
        overlaps = Overlaps(
            self.scores, self.pred_sizes, self.gt_sizes[scored], self.shared[:, scored], void
        )
        group = protocol.zero_is_a_class & (self.instance_ids[scored] < INSTANCES_A_LABEL)
        return GroundTruthCounts(overlaps, classes[scored], group)


@dataclass(frozen=True, eq=False)
class GroundTruthCounts:
    """Masks against the ground truth of one scene, before the masks have labels.

    overlaps, gt_classes, gt_group: as in :class:`ScenePredictions`.
    """

    overlaps: Overlaps
    gt_classes: Ints
    gt_group: Flags

    def labeled(self, pred_classes: Ints, scores: npt.ArrayLike) -> ScenePredictions:
        """With a class row and a score for each mask."""
        o = self.overlaps
        scored = Overlaps(
            np.asarray(scores, np.float64), o.pred_sizes, o.gt_sizes, o.shared, o.ignored
        )
        return ScenePredictions(scored, self.gt_classes, self.gt_group, pred_classes)

    def repeated(self, rows: Ints) -> GroundTruthCounts:
        """With the masks at ``rows``, which may repeat."""
        o = self.overlaps
        chosen = Overlaps(
            o.scores[rows], o.pred_sizes[rows], o.gt_sizes, o.shared[rows], o.ignored[rows]
        )
        return GroundTruthCounts(chosen, self.gt_classes, self.gt_group)


def count_instances(
    masks: InstanceMasks,
    gt_ids: npt.NDArray[np.integer],
    scores: npt.ArrayLike | None = None,
) -> InstanceCounts:
    """Count the points that each mask shares with each annotated instance.

    scores: (N,), by default those of the masks. gt_ids: (P,) ``label id * 1000 + instance`` of
    each point, instance from 1, or 0 where a point has no label (ScanNet's format).
    """
    ids = np.asarray(gt_ids, np.int64)
    expect(ids.shape == (masks.n_points,), f"gt_ids of shape {(masks.n_points,)}", ids.shape)
    expect(not len(ids) or int(ids.min()) >= 0, "gt_ids of at least 0", "a negative one")
    instance_ids, column = np.unique(ids, return_inverse=True)
    n, g = len(masks), len(instance_ids)
    rows = np.repeat(np.arange(n), masks.sizes)
    flat = np.bincount(rows * g + column[masks.indices], minlength=n * g)
    real = instance_ids != 0
    return InstanceCounts(
        scores=np.asarray(masks.scores if scores is None else scores),
        pred_sizes=masks.sizes,
        instance_ids=instance_ids[real],
        gt_sizes=np.bincount(column, minlength=g)[real].astype(np.int64),
        shared=flat.reshape(n, g)[:, real].astype(np.int64),
    )


@dataclass(frozen=True, eq=False)
class _Verdicts:
    """(V,) class row, score and verdict of every counted prediction of a scene."""

    classes: Ints
    scores: Floats
    right: Flags


class _Table:
    """The predictions of a scene that count, against its instances of the same class."""

    def __init__(self, scene: ScenePredictions, protocol: Protocol):
        o, smallest = scene.overlaps, protocol.min_region_points
        keep = (scene.pred_classes >= 0) & (o.pred_sizes >= smallest)
        self.pred_classes = scene.pred_classes[keep]
        self.scores = (
            np.ones(int(keep.sum())) if protocol.uniform_scores
            else o.scores[keep].astype(np.float64)
        )  # fmt: skip
        same = self.pred_classes[:, None] == scene.gt_classes[None, :]
        shared = np.where(same, o.shared[keep], 0)
        iou = shared / (o.pred_sizes[keep][:, None] + o.gt_sizes[None, :] - shared)
        small = o.gt_sizes < smallest
        ignored = o.ignored[keep] + shared @ (small.astype(np.int64) + scene.gt_group)
        self._ignored_share = ignored / o.pred_sizes[keep]
        self._best_iou = iou.max(axis=1, initial=0.0)
        counted = np.flatnonzero(~small & ~scene.gt_group)
        self.gt_classes = scene.gt_classes[counted]
        self._gt, self._pred = np.nonzero(iou[:, counted].T > min(THRESHOLDS))
        self._iou = iou[self._pred, counted[self._gt]]

    def verdicts(self, threshold: float) -> _Verdicts:
        """Instances by id take masks in their order; of two masks the lower score is wrong.

        A mask that lost stays free for another instance. A mask that reaches no instance is
        wrong too, unless more than ``threshold`` of it is void or on instances that do not count.
        """
        taken: set[int] = set()
        holder: dict[int, float] = {}
        lost: list[tuple[int, float]] = []
        reach = self._iou > threshold
        pairs = zip(self._gt[reach].tolist(), self._pred[reach].tolist(), strict=True)
        for gt, pred in pairs:
            if pred in taken:
                continue
            score = float(self.scores[pred])
            if gt in holder:
                lost.append((gt, min(holder[gt], score)))
                holder[gt] = max(holder[gt], score)
            else:
                holder[gt] = score
                taken.add(pred)
        wrong = (self._best_iou <= threshold) & (self._ignored_share <= threshold)
        won = np.array(list(holder), np.int64)
        beaten = np.array([gt for gt, _ in lost], np.int64)
        scores = [*holder.values(), *(score for _, score in lost)]
        right = np.zeros(len(scores) + int(wrong.sum()), bool)
        right[: len(won)] = True
        return _Verdicts(
            np.concatenate(
                [self.gt_classes[won], self.gt_classes[beaten], self.pred_classes[wrong]]
            ),
            np.concatenate([np.array(scores, np.float64), self.scores[wrong]]),
            right,
        )


def _by_class(verdicts: Sequence[_Verdicts]) -> list[tuple[int, Floats, Flags]]:
    """The scores and verdicts of each class, over all scenes."""
    classes = np.concatenate([np.zeros(0, np.int64), *(v.classes for v in verdicts)])
    if not len(classes):
        return []
    order = np.argsort(classes, kind="stable")
    scores = np.concatenate([v.scores for v in verdicts])[order]
    right = np.concatenate([v.right for v in verdicts])[order]
    present, starts = np.unique(classes[order], return_index=True)
    return [
        (int(c), s, r)
        for c, s, r in zip(
            present, np.split(scores, starts[1:]), np.split(right, starts[1:]), strict=True
        )
    ]


def _mean(class_ap: Floats) -> Floats:
    """(3,) mean over the classes that are not NaN; NaN where all are."""
    rows = class_ap[~np.isnan(class_ap).any(axis=1)]
    return rows.mean(axis=0) if len(rows) else np.full(class_ap.shape[1], np.nan)


def _carry(values: Floats) -> Floats:
    """NaN replaced by the entry before it, in the order threshold by threshold."""
    flat = values.T.ravel()
    last = np.maximum.accumulate(np.where(np.isnan(flat), -1, np.arange(len(flat))))
    filled = np.where(last >= 0, flat[np.maximum(last, 0)], np.nan)
    return np.ascontiguousarray(filled.reshape(values.T.shape).T)

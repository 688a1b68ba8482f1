"""Mask quality: numbers by hand, a brute-force comparison, void, structure."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import InputError
from om3d_core.evaluation.average_precision import (
    AP_THRESHOLDS,
    average_precision,
    match,
)
from om3d_core.evaluation.mask_quality import (
    MaskEvaluationSettings,
    count_overlaps,
    evaluate_masks,
    evaluate_overlaps,
)

ANY_SIZE = MaskEvaluationSettings(min_region_points=1)


def spans(*ranges, n=100, scores=None, structure=None):
    members = [np.arange(a, b) for a, b in ranges]
    return InstanceMasks.from_lists(members, n, scores, structure)


def quality(pred, gt, void=(), sizes=ANY_SIZE):
    is_void = np.zeros(gt.n_points, bool)
    is_void[list(void)] = True
    return evaluate_masks(pred, gt, is_void, sizes)


def test_ground_truth_against_itself_is_perfect():
    gt = spans((0, 10), (10, 40), (50, 90))
    result = quality(gt, gt, void=range(40, 50))
    assert (result.ap, result.ap50, result.ap25, result.recall50) == (1.0, 1.0, 1.0, 1.0)
    assert (result.over_segmentation, result.under_segmentation) == (0.0, 0.0)
    assert (result.n_pred, result.n_gt) == (3, 3)


def test_no_prediction_scores_zero():
    result = quality(InstanceMasks.empty(100), spans((0, 10)))
    assert (result.ap, result.ap50, result.ap25, result.recall50) == (0.0, 0.0, 0.0, 0.0)
    assert math.isnan(result.under_segmentation)
    assert result.to_json()["under_segmentation"] is None


def test_no_ground_truth_is_no_number():
    result = quality(spans((0, 10)), InstanceMasks.empty(100))
    assert math.isnan(result.ap)
    assert json.loads(json.dumps(result.to_json()))["ap"] is None


def test_a_wrong_prediction_costs_more_when_it_is_trusted_more():
    gt = spans((0, 20), (20, 40))
    masks = [(0, 20), (20, 40), (60, 80)]
    modest = quality(spans(*masks, scores=[0.9, 0.8, 0.1]), gt)
    proud = quality(spans(*masks, scores=[0.5, 0.4, 0.9]), gt)
    # The wrong one comes last, at full recall: it takes no area away.
    assert modest.ap50 == 1.0
    # It comes first: precisions 1, 0, 1/2, 2/3 at recalls 0, 0, 1/2, 1.
    assert proud.ap50 == pytest.approx(0 * 0.25 + 0.5 * 0.5 + 2 / 3 * 0.25)


def test_overlap_must_exceed_the_threshold():
    gt = spans((0, 20))
    half = quality(spans((0, 10)), gt)
    assert (half.ap50, half.ap25) == (0.0, 1.0)
    assert quality(spans((0, 11)), gt).ap50 == 1.0


def test_average_over_thresholds_by_hand():
    # IoU 0.72 passes 0.50, 0.55, 0.60, 0.65 and 0.70 out of nine.
    result = quality(spans((0, 18)), spans((0, 25)))
    assert result.ap == pytest.approx(5 / 9)


def test_a_second_match_of_the_same_mask_is_wrong():
    gt = spans((0, 20))
    result = quality(spans((0, 20), (0, 19), scores=[0.5, 0.9]), gt)
    # The better scored one takes the mask; the exact one is a duplicate.
    assert result.ap50 == 1.0
    assert result.n_pred == 2
    overlaps = count_overlaps(
        spans((0, 20), (0, 19), scores=[0.5, 0.9]), gt, np.zeros(100, bool), ANY_SIZE
    )
    assert match(overlaps, 0.5).gt_of_pred.tolist() == [-1, 0]


def test_prediction_on_void_is_ignored():
    gt = spans((0, 20))
    scores = [0.5, 0.9]
    counted = quality(spans((0, 20), (40, 60), scores=scores), gt)
    ignored = quality(spans((0, 20), (40, 60), scores=scores), gt, void=range(40, 60))
    assert counted.ap50 < 1.0
    assert (ignored.ap50, ignored.n_pred) == (1.0, 1)


@pytest.mark.parametrize(("on_void", "is_ignored"), [(10, False), (11, True)])
def test_void_must_be_most_of_the_prediction(on_void, is_ignored):
    pred = spans((0, 20), (40, 60), scores=[0.5, 0.9])
    result = quality(pred, spans((0, 20)), void=range(40, 40 + on_void))
    assert (result.ap50 == 1.0) == is_ignored


def test_structure_is_void_and_leaves_the_predictions():
    gt = spans((0, 20), (20, 80), structure=[False, True])
    flagged = spans((0, 20), (20, 80), scores=[0.5, 0.9], structure=[False, True])
    unflagged = spans((0, 20), (20, 80), scores=[0.5, 0.9])
    for pred in (flagged, unflagged):
        result = quality(pred, gt)
        assert (result.ap, result.n_gt, result.n_pred) == (1.0, 1, 1)


def test_small_masks_are_no_instances():
    sizes = MaskEvaluationSettings(min_region_points=10)
    gt = spans((0, 20), (30, 35))
    result = quality(spans((0, 20), (28, 38), (50, 55), scores=[0.5, 0.8, 0.9]), gt, (), sizes)
    assert (result.n_gt, result.n_pred) == (1, 2)
    # Half of the second prediction lies on a small mask, which is void: not more than half.
    assert result.ap50 < 1.0
    assert quality(spans((0, 20), (29, 39)), gt, (36,), sizes).ap50 == 1.0


def test_over_and_under_segmentation_by_hand():
    gt = spans((0, 40), (40, 60), (60, 80))
    pieces = quality(spans((0, 10), (10, 25), (25, 40), (40, 60), (60, 80)), gt)
    assert pieces.over_segmentation == pytest.approx(2 / 3)
    assert pieces.under_segmentation == 0.0
    merged = quality(spans((0, 40), (40, 75)), gt)
    assert merged.under_segmentation == pytest.approx(1 / 2)
    assert merged.over_segmentation == 0.0


def test_predictions_of_all_scenes_share_one_curve():
    none = np.zeros(100, bool)
    good = count_overlaps(spans((0, 20), scores=[0.4]), spans((0, 20)), none, ANY_SIZE)
    bad = count_overlaps(spans((50, 60), scores=[0.9]), spans((0, 20)), none, ANY_SIZE)
    pooled = evaluate_overlaps([good, bad])
    # Precisions 1, 0, 1/2 at recalls 0, 0, 1/2.
    assert pooled.ap50 == pytest.approx(0.5 * 0.25)
    assert (pooled.recall50, pooled.n_gt, pooled.n_pred) == (0.5, 2, 2)


labels = hnp.arrays(np.int64, 40, elements=st.integers(0, 4))


@st.composite
def labels_and_predictions(draw):
    """Ground-truth labels (40,), 0 is void, and predictions (40, N) near them."""
    gt_labels = draw(labels)
    targets = draw(st.lists(st.integers(0, 4), max_size=6))
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((40, len(targets)))
    return gt_labels, (gt_labels[:, None] == targets) ^ (noise < draw(st.floats(0, 0.2)))


def brute_force(pred, scores, gt_labels, threshold):
    """AP of ScanNet's published loop: ground truth by ground truth, point by point.

    gt_labels: 0 is void. For ground truth without overlap and thresholds from 0.5 on.
    """
    verdicts, unmatched = [], 0
    used = set()
    wanted = [g for g in np.unique(gt_labels) if g > 0]
    for g in wanted:
        inside = gt_labels == g
        reached = []
        for i in range(pred.shape[1]):
            union = (pred[:, i] | inside).sum()
            if union and (pred[:, i] & inside).sum() / union > threshold:
                reached.append(scores[i])
                used.add(i)
        reached.sort()
        unmatched += not reached
        verdicts += [(s, False) for s in reached[:-1]] + [(s, True) for s in reached[-1:]]
    for i in set(range(pred.shape[1])) - used:
        size = pred[:, i].sum()
        if size and (pred[:, i] & (gt_labels == 0)).sum() / size <= threshold:
            verdicts.append((scores[i], False))
    if not wanted:
        return math.nan
    precision, reached = [], []
    for low in sorted({s for s, _ in verdicts}):
        kept = [right for s, right in verdicts if s >= low]
        precision.append(sum(kept) / len(kept))
        reached.append(sum(kept) / (sum(kept) + unmatched + sum(
            right for s, right in verdicts if s < low)))
    precision, reached = [*precision, 1.0], [*reached, 0.0]
    padded = [reached[0], *reached, 0.0]
    widths = np.convolve(padded, [-0.5, 0, 0.5], "valid")
    return float(np.dot(precision, widths))


@given(example=labels_and_predictions(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_equals_the_published_loop(example, data):
    gt_labels, pred = example
    n = pred.shape[1]
    tenths = data.draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))
    scores = np.array(tenths, np.float32) / 10
    pred_masks = InstanceMasks.from_dense(pred, scores)
    objects = [np.flatnonzero(gt_labels == g) for g in np.unique(gt_labels[gt_labels > 0])]
    gt = InstanceMasks.from_lists(objects, 40)
    overlaps = count_overlaps(pred_masks, gt, gt_labels == 0, ANY_SIZE)
    for threshold in (*AP_THRESHOLDS, 0.975):
        expected = brute_force(pred, scores, gt_labels, threshold)
        assert average_precision([overlaps], threshold) == pytest.approx(expected, nan_ok=True)


@given(example=labels_and_predictions(), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_order_of_masks_and_points_does_not_matter(example, seed):
    gt_labels, pred = example
    rng = np.random.default_rng(seed)
    scores = rng.permutation(pred.shape[1]) / 10.0
    points, columns = rng.permutation(40), rng.permutation(pred.shape[1])

    def measure(pred, scores, gt_labels, order):
        objects = [np.flatnonzero(gt_labels == g) for g in order]
        gt = InstanceMasks.from_lists(objects, 40)
        masks = InstanceMasks.from_dense(pred, scores)
        return evaluate_masks(masks, gt, gt_labels == 0, ANY_SIZE).to_json()

    first = measure(pred, scores, gt_labels, [1, 2, 3, 4])
    second = measure(
        pred[points][:, columns], scores[columns], gt_labels[points], [3, 1, 4, 2]
    )
    assert first == pytest.approx(second)


@given(gt_labels=labels)
@settings(max_examples=60, deadline=None)
def test_ground_truth_is_always_perfect(gt_labels):
    objects = [np.flatnonzero(gt_labels == g) for g in np.unique(gt_labels[gt_labels > 0])]
    gt = InstanceMasks.from_lists(objects, 40)
    result = evaluate_masks(gt, gt, gt_labels == 0, ANY_SIZE)
    if len(gt):
        assert (result.ap, result.ap25, result.recall50) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("pred", "void"),
    [
        (InstanceMasks.empty(99), np.zeros(100, bool)),
        (InstanceMasks.empty(100), np.zeros(99, bool)),
        (InstanceMasks.empty(100), np.zeros(100, int)),
    ],
)
def test_masks_over_other_points_are_refused(pred, void):
    with pytest.raises(InputError, match="expected"):
        evaluate_masks(pred, spans((0, 20)), void, ANY_SIZE)

"""Mask quality: hand-computed curves, a brute-force comparison, void, views, ground truth."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import CanceledError, InputError, SourceError
from om3d_core.evaluation.average_precision import (
    AP_THRESHOLDS,
    Overlaps,
    average_precision,
    curve_area,
    match,
)
from om3d_core.evaluation.ground_truth import read_ground_truth, transfer_masks
from om3d_core.evaluation.mask_quality import (
    MaskEvaluationSettings,
    count_overlaps,
    evaluate_masks,
    evaluate_overlaps,
)
from om3d_core.evaluation.single_view import evaluate_views
from om3d_core.progress import Job

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


def test_curve_by_hand():
    # Found 1 of 2 at score 0.9, nothing at 0.8, the other at 0.7: (precision, recall) runs over
    # (1, 0) (1, 1/2) (1/2, 1/2) (2/3, 1); each precision weighs half the recall between its
    # neighbors, the first and the last from their own.
    area = curve_area(np.array([0.8, 0.9, 0.7]), np.array([False, True, True]), 2)
    steps = np.array([(0.5 - 0) / 2, (0.5 - 0) / 2, (1 - 0.5) / 2, (1 - 0.5) / 2])
    assert area == pytest.approx(steps @ [1, 1, 1 / 2, 2 / 3])


def test_equal_scores_are_one_point_of_the_curve():
    area = curve_area(np.full(4, 0.5), np.array([True, False, False, True]), 2)
    assert area == pytest.approx((1.0 + 0.5) / 2)


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


def test_overlaps_check_their_shapes():
    with pytest.raises(InputError):
        Overlaps(np.ones(2, np.float32), *[np.zeros(1, np.int64)] * 2, np.zeros((2, 1), np.int64),
                 np.zeros(2, np.int64))


def cloud_of(points):
    points = np.asarray(points, np.float32).reshape(-1, 3)
    return Cloud(points, np.zeros(points.shape, np.uint8), np.zeros_like(points))


def test_transfer_takes_the_nearest_point_within_the_tolerance():
    cloud = cloud_of([[0, 0, 0], [1, 0, 0], [2, 0, 0]])
    masks = InstanceMasks.from_lists([[0, 1], [2], []], 3, [0.5, 0.25, 1], [False, True, False])
    targets = np.array([[0.9, 0, 0], [0.01, 0, 0], [2.02, 0, 0], [5, 0, 0], [2.2, 0, 0]])
    moved = transfer_masks(cloud, masks, targets, 0.125)
    assert [moved[i].tolist() for i in range(3)] == [[0, 1], [2], []]
    assert moved.n_points == 5
    assert np.array_equal(moved.scores, masks.scores)
    assert np.array_equal(moved.structure, masks.structure)


@given(seed=st.integers(0, 1000), tolerance=st.floats(0.01, 0.5))
@settings(max_examples=40, deadline=None)
def test_transfer_equals_brute_force(seed, tolerance):
    rng = np.random.default_rng(seed)
    cloud, targets = cloud_of(rng.random((20, 3))), rng.random((30, 3))
    masks = InstanceMasks.from_dense(rng.random((20, 3)) < 0.5)
    distance = np.linalg.norm(targets[:, None] - cloud.points[None], axis=2)
    expected = masks.to_dense()[distance.argmin(axis=1)]
    expected[distance.min(axis=1) >= tolerance] = False
    moved = transfer_masks(cloud, masks, targets, tolerance)
    assert np.array_equal(moved.to_dense(), expected)


def test_transfer_from_and_to_nothing():
    assert transfer_masks(Cloud.empty(), InstanceMasks.empty(0), np.zeros((4, 3))).n_points == 4
    cloud = cloud_of([[0, 0, 0]])
    assert transfer_masks(cloud, spans((0, 1), n=1), np.zeros((0, 3))).sizes.tolist() == [0]
    with pytest.raises(InputError):
        transfer_masks(cloud, InstanceMasks.empty(2), np.zeros((1, 3)))


INSTANCES = [
    {"id": 1, "class": "floor", "structure": True},
    {"id": 7, "class": "mug", "structure": False, "color": "white"},
]


def write_truth(folder, instances=INSTANCES, **arrays):
    arrays = {
        "points": np.arange(15, dtype=np.float32).reshape(5, 3),
        "instance": np.array([7, 1, 0, 7, 3], np.uint16),
        **arrays,
    }
    np.savez(folder / "ground_truth.npz", **arrays)
    (folder / "scene.json").write_text(json.dumps({"instances": instances}))
    return folder


def test_read_ground_truth(tmp_path):
    truth = read_ground_truth(write_truth(tmp_path))
    assert [truth.masks[i].tolist() for i in range(2)] == [[1], [0, 3]]
    assert truth.masks.structure.tolist() == [True, False]
    assert truth.void.tolist() == [False, False, True, False, True]
    assert truth.ids.tolist() == [1, 7]
    assert truth.classes == ("floor", "mug")


@pytest.mark.parametrize(
    "arrays",
    [
        {"points": np.zeros((5, 2), np.float32)},
        {"points": np.full((5, 3), np.nan, np.float32)},
        {"points": np.zeros((4, 3), np.float32)},
        {"instance": np.zeros(5)},
        {"instance": np.array([{}] * 5, object)},
    ],
)
def test_damaged_points_are_refused(tmp_path, arrays):
    with pytest.raises(SourceError, match="ground_truth.npz"):
        read_ground_truth(write_truth(tmp_path, **arrays))


@pytest.mark.parametrize(
    "instances",
    [
        None,
        [{"id": 1, "class": "mug"}],
        [{"id": "1", "class": "mug", "structure": False}],
        [{"id": 1, "class": "mug", "structure": 0}],
        [*INSTANCES, INSTANCES[0]],
        ["mug"],
    ],
)
def test_damaged_instances_are_refused(tmp_path, instances):
    with pytest.raises(SourceError, match="scene.json"):
        read_ground_truth(write_truth(tmp_path, instances))


def test_missing_and_truncated_files_are_refused(tmp_path):
    with pytest.raises(SourceError, match="scene.json"):
        read_ground_truth(tmp_path)
    path = write_truth(tmp_path) / "ground_truth.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError, match="ground_truth.npz"):
        read_ground_truth(tmp_path)


class ByColor:
    """One mask a color of the picture but black; gray is structure."""

    def propose(self, cloud, job, up=None):
        job.step("colors", 0, 1)
        colors, owner = np.unique(cloud.colors, axis=0, return_inverse=True)
        owner = owner.reshape(-1)
        members = [np.flatnonzero(owner == i) for i in range(len(colors))]
        return InstanceMasks.from_lists(
            members, len(cloud), structure=[bool((c == 90).all()) for c in colors]
        )


def write_view(folder, name, labels, colors):
    depth = np.full(labels.shape, 800, np.uint16)
    depth[:2] = 0
    cv2.imwrite(str(folder / f"{name}.label.png"), labels)
    cv2.imwrite(str(folder / f"{name}.depth.png"), depth)
    cv2.imwrite(str(folder / f"{name}.color.png"), colors)


def table_with_two_objects():
    labels = np.ones((30, 40), np.uint8)
    labels[:, :5] = 0
    labels[5:15, 10:20], labels[18:28, 22:36] = 2, 3
    colors = np.full((30, 40, 3), 90, np.uint8)
    colors[labels == 2], colors[labels == 3] = (10, 20, 200), (200, 20, 10)
    return labels, colors


def test_views_are_pooled(tmp_path):
    labels, colors = table_with_two_objects()
    write_view(tmp_path, "learn0", labels, colors)
    result = evaluate_views(tmp_path, ByColor(), Job(), ANY_SIZE)
    assert (result.ap, result.n_gt, result.n_pred) == (1.0, 2, 2)
    colors[labels > 1] = 120
    write_view(tmp_path, "learn1", labels, colors)
    merged = evaluate_views(tmp_path, ByColor(), Job(), ANY_SIZE)
    assert (merged.n_gt, merged.n_pred) == (4, 3)
    # The merged pair covers 140 of 240 pixels for the larger: IoU 0.58.
    assert merged.recall50 == pytest.approx(3 / 4)
    assert merged.under_segmentation == pytest.approx(1 / 3)


def test_views_can_be_canceled_and_report(tmp_path):
    write_view(tmp_path, "a", *table_with_two_objects())
    with pytest.raises(CanceledError):
        evaluate_views(tmp_path, ByColor(), Job(canceled=lambda: True))
    seen = []
    evaluate_views(tmp_path, ByColor(), Job(lambda *step: seen.append(step)))
    assert seen[0] == ("views", 0, 1)
    assert seen[-1] == ("views", 1, 1)


def test_damaged_views_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"label\.png"):
        evaluate_views(tmp_path, ByColor(), Job())
    labels, colors = table_with_two_objects()
    write_view(tmp_path, "a", labels, colors)
    write_view(tmp_path, "b", labels, colors[:, :20])
    with pytest.raises(SourceError, match="view b"):
        evaluate_views(tmp_path, ByColor(), Job())
    (tmp_path / "b.color.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"b\.color\.png"):
        evaluate_views(tmp_path, ByColor(), Job())
    (tmp_path / "intrinsics.txt").write_text("1 2\n")
    with pytest.raises(SourceError, match=r"intrinsics\.txt"):
        evaluate_views(tmp_path, ByColor(), Job())


def test_human_labels_are_perfect_against_themselves(shared_data):
    from om3d_core.evaluation.single_view import read_views, view_truth

    scenes = []
    for view in read_views(shared_data / "data" / "osd"):
        gt, void = view_truth(view)
        scenes.append(count_overlaps(gt, gt, void))
    result = evaluate_overlaps(scenes)
    assert (result.ap, result.ap50, result.n_gt, result.n_pred) == (1.0, 1.0, 68, 68)

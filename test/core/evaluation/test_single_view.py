"""Single labeled views: pooled, canceled, damaged; human labels against themselves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import CanceledError, SourceError
from om3d_core.evaluation.mask_quality import (
    MaskEvaluationSettings,
    count_overlaps,
    evaluate_overlaps,
)
from om3d_core.evaluation.single_view import evaluate_views, read_views, view_truth
from om3d_core.progress import Job

ANY_SIZE = MaskEvaluationSettings(min_region_points=1)


class ByColor:
    """One mask a color of the picture but black; gray is structure."""

    def propose(self, cloud, job, up):
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
    scenes = []
    for view in read_views(shared_data / "data" / "osd"):
        gt, void = view_truth(view)
        scenes.append(count_overlaps(gt, gt, void))
    result = evaluate_overlaps(scenes)
    assert (result.ap, result.ap50, result.n_gt, result.n_pred) == (1.0, 1.0, 68, 68)

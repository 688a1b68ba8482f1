"""Records of scenes, and the numbers that are made of them."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import MapFormatError
from om3d_core.evaluation.assign import Candidates
from om3d_core.evaluation.benchmark import count_instances
from om3d_core.evaluation.mask_quality import evaluate_masks
from om3d_core.evaluation.paper import summary as paper_summary
from om3d_core.evaluation.paper.records import SceneRecord, read_record, write_record
from om3d_core.sources.datasets.label_sets import load_label_set


def test_masks_are_measured_as_eval_masks_does() -> None:
    """Without classes, by their scores; what is not scored is void."""
    labels = load_label_set("scannet200")
    gt_ids = np.repeat([2001, 2002, 56001, 1001, 0], [400, 300, 500, 200, 600])
    cuts = [(0, 390), (380, 700), (700, 1000), (1200, 1400), (1500, 1900), (0, 60)]
    masks = InstanceMasks.from_lists([np.arange(a, b) for a, b in cuts], len(gt_ids),
                                     np.array([0.9, 0.4, 0.6, 0.5, 0.3, 0.95]))  # fmt: skip
    record = SceneRecord("s", "f", count_instances(masks, gt_ids), {})
    objects = InstanceMasks.from_lists(
        [np.flatnonzero(gt_ids == i) for i in (2001, 2002, 56001)], len(gt_ids)
    )
    expected = evaluate_masks(masks, objects, np.isin(gt_ids, (0, 1001)))
    np.testing.assert_allclose(
        paper_summary.mask_numbers([record], labels), [expected.ap, expected.ap50, expected.ap25]
    )
    assert 0 < expected.ap < 1


def test_records_survive_and_damage_is_told(tmp_path) -> None:
    masks = InstanceMasks.from_lists([np.arange(5), np.arange(3, 9)], 10)
    counts = count_instances(masks, np.array([2001] * 4 + [0] * 2 + [2002] * 4))
    rows = {"base": Candidates(np.array([[2, 3], [-1, -1]]), np.array([[0.5, 0.1], [0, 0]]))}
    record = SceneRecord("s", "f", counts, rows)
    path = tmp_path / "s.json"
    write_record(path, record)
    back = read_record(path)
    assert (back.scene, back.fingerprint) == ("s", "f")
    np.testing.assert_array_equal(back.counts.shared, [[4, 0], [1, 3]])
    np.testing.assert_array_equal(back.rows["base"].ids, rows["base"].ids)
    none = count_instances(InstanceMasks.empty(10), np.zeros(10, np.int64))
    write_record(path, SceneRecord("s", "f", none, {"base": Candidates(
        np.zeros((0, 5), np.int64), np.zeros((0, 5)))}))  # fmt: skip
    assert len(read_record(path).counts.scores) == 0
    whole = path.read_text()
    for damaged in (whole[:40], "[]", whole.replace('"version": 1', '"version": 9'), "{}"):
        path.write_text(damaged)
        with pytest.raises(MapFormatError, match=r"s\.json"):
            read_record(path)
    with pytest.raises(MapFormatError):
        read_record(tmp_path / "none.json")

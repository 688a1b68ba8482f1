"""Ground truth of labeled scenes: what is read, what is refused, masks moved onto its points."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import InputError, SourceError
from om3d_core.evaluation.ground_truth import read_ground_truth, transfer_masks


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
    one = InstanceMasks.from_lists([np.zeros(1, int)], 1)
    assert transfer_masks(cloud, one, np.zeros((0, 3))).sizes.tolist() == [0]
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


def test_instances_that_nest_without_end_are_refused(tmp_path):
    (write_truth(tmp_path) / "scene.json").write_text("[" * 100_000)
    with pytest.raises(SourceError, match=r"scene\.json.*nests too deeply"):
        read_ground_truth(tmp_path)


def test_missing_and_truncated_files_are_refused(tmp_path):
    with pytest.raises(SourceError, match="scene.json"):
        read_ground_truth(tmp_path)
    path = write_truth(tmp_path) / "ground_truth.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError, match="ground_truth.npz"):
        read_ground_truth(tmp_path)

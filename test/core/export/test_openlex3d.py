"""Predictions, read as the benchmark's page describes them and its evaluation takes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import open3d
import pytest

from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable
from om3d_core.errors import ExportError
from om3d_core.query.aggregation import max_features, mean_features


def read(folder):
    """Cloud, index and embeddings by the names that the benchmark looks for."""
    assert sorted(p.name for p in folder.iterdir()) == [
        "embeddings.npy", "index.npy", "point_cloud.pcd",
    ]  # fmt: skip
    cloud = open3d.t.io.read_point_cloud(str(folder / "point_cloud.pcd"))
    index, embeddings = np.load(folder / "index.npy"), np.load(folder / "embeddings.npy")
    assert len(index) == len(cloud.point.positions) and index.ndim == 1 and embeddings.ndim == 2
    return cloud, index, embeddings


def test_each_point_has_the_feature_of_its_instance(scene, written):
    cloud, index, embeddings = read(written(scene, "openlex3d"))
    seen = scene.masks.select(np.arange(1, 4))
    owner = seen.labels()
    held = owner >= 0
    assert np.array_equal(cloud.point.positions.numpy(), scene.cloud.points[held])
    assert np.array_equal(cloud.point.colors.numpy(), scene.cloud.colors[held])
    means = mean_features(scene.features[0])[1:]
    assert np.array_equal(embeddings[index], means[owner[held]])
    assert set(index.tolist()) == set(range(len(embeddings))) and embeddings.any(axis=1).all()
    assert 0 < len(cloud.voxel_down_sample(0.05).point.positions) <= len(index)


def test_space_and_aggregation_are_chosen(scene, written):
    settings = {"aggregation": "max_feature", "space": "toy@1"}
    *_, embeddings = read(written(scene, "openlex3d", **settings))
    assert np.array_equal(embeddings, max_features(scene.features[0])[1:])
    with pytest.raises(ExportError, match=r"openlex3d\.space 'clip@1' in the map, found toy@1"):
        written(scene, "openlex3d", space="clip@1")


def test_an_instance_without_points_of_its_own_has_no_row(scene, written):
    masks = scene.masks.from_lists([[0, 1, 2], [0, 1], [2], [9]], 500)
    *_, embeddings = read(written(replace(scene, masks=masks), "openlex3d"))
    assert len(embeddings) == 3
    whole = scene.masks.from_lists([[9], [0, 1, 2], [0, 1], [2]], 500)
    *_, embeddings = read(written(replace(scene, masks=whole), "openlex3d"))
    assert np.array_equal(embeddings, mean_features(scene.features[0])[2:])


def test_a_map_without_features_is_told(scene, written):
    with pytest.raises(ExportError, match="a feature space for texts in the map, found none"):
        written(Scene.empty(), "openlex3d")
    zero = FeatureTable.from_means(
        scene.features[0].space, np.zeros_like(scene.features[0].vectors)
    )
    with pytest.raises(ExportError, match=r"an instance with a feature in toy@1, found none"):
        written(replace(scene, features=(zero,)), "openlex3d")

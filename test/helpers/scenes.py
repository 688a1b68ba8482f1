"""Scenes of random content, and whether two are the same to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.data.words import Word


def make_scene(seed=0, n=4, k=3, points=500):
    rng = np.random.default_rng(seed)
    cloud = Cloud(
        rng.normal(size=(points, 3)).astype(np.float32),
        rng.integers(0, 256, (points, 3), dtype=np.uint8),
        np.zeros((points, 3), np.float32),
    )
    members = [rng.choice(points, 40, replace=False) for _ in range(n)]
    masks = InstanceMasks.from_lists(members, points, rng.random(n), [False] * (n - 1) + [True])
    valid = rng.random((n, k)) < 0.7
    valid = np.sort(valid, axis=1)[:, ::-1]
    views = ViewTable(
        np.where(valid, rng.integers(0, 10**12, (n, k)), -1),
        rng.integers(0, 1000, (n, k)).astype(np.int32),
        rng.integers(0, 600, (n, k, 4)).astype(np.int32),
    )
    means = rng.uniform(-0.35, 0.35, (n, k, 8)).astype(np.float32) * valid[:, :, None]
    space = FeatureSpace("toy@1", 8, True, False, "a/b@1", "toy", "original")
    thumbnails = tuple(tuple(rng.bytes(20) for _ in range(int(v.sum()))) for v in valid)
    cameras = {int(stamp): f"camera_{stamp % 2}" for stamp in views.stamps[valid]}
    return Scene(
        seed + 1, cloud, masks, np.arange(n, dtype=np.int64) + 5, np.array([0.0, 0.0, 1.0]), views,
        (FeatureTable.from_means(space, means),), thumbnails,
        tuple(("a", "", "chair", "")[i % 4] for i in range(n)), n + 16,
        rng.bytes(16).hex(), cameras, bool(seed % 2), rng.bytes(32).hex(), rng.bytes(32).hex(),
        ("", "map", "odom")[seed % 3],
        np.array([(0.25, 0, 1, 0)[i % 4] for i in range(n)], np.float32),
        tuple(tuple((Word(f"Word{i}", 0.75), Word("Milk", 0.5))[: int(j) + i % 2]
                    for j in range(min(int(v.sum()), 2))) for i, v in enumerate(valid)),
        tuple(tuple((Word("chair", 0.5 + 0.25 * (i % 2)),)[: int(j) % 2]
                    for j in range(min(int(v.sum()), 3))) for i, v in enumerate(valid)),
    )


def as_read_of(version, scene):
    """The scene as it is read of a file of an older version."""
    told = {"map_id": "", "camera_frames": {}} if version < 3 else {}
    if version < 4:
        told |= {"cloud_given": False, "made_by": "", "made_from": ""}
    if version < 5:
        told |= {"frame": ""}
    given = np.array([bool(label) for label in scene.labels], np.float32)
    return replace(scene, **told, label_probabilities=given, words=(), detections=())


def assert_equal(a, b):
    for name in ("revision", "map_id", "labels", "thumbnails", "next_id", "camera_frames",
                 "cloud_given", "made_by", "made_from", "frame", "words", "detections"):
        assert getattr(a, name) == getattr(b, name), name
    for get in (
        lambda s: s.cloud.points, lambda s: s.cloud.colors, lambda s: s.cloud.normals,
        lambda s: s.masks.indptr, lambda s: s.masks.indices, lambda s: s.masks.scores,
        lambda s: s.masks.structure, lambda s: s.ids, lambda s: s.up, lambda s: s.views.stamps,
        lambda s: s.views.pixels, lambda s: s.views.boxes, lambda s: s.features[0].vectors,
        lambda s: s.features[0].valid, lambda s: s.features[0].lengths,
        lambda s: s.label_probabilities,
    ):
        assert get(a).dtype == get(b).dtype and np.array_equal(get(a), get(b))
    assert a.features[0].space == b.features[0].space

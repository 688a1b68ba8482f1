"""Sizes of things: the table, what an instance measures, and how an answer uses it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from om3d_core.data.boxes import fit_box
from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.query.scene_query import SceneQuery
from om3d_core.query.settings import QuerySettings
from om3d_core.query.things import usual_sizes_m
from om3d_core.query.usual_size import longest_sides_m, size_fit

SPACE = FeatureSpace("lite-text@1", 2, text=True, image=False)
SIZES_M = ((1.6, 0.8, 0.7), (0.08, 0.1, 0.09), (0.3, 0.2, 0.04))


class OneDirection:
    """Every text is the same direction."""

    spaces = (SPACE,)

    def encode_texts(self, texts):
        return {SPACE.name: np.tile(np.array([1, 0], np.float32), (len(texts), 1))}


def scene_of(sizes_m, yaw_rad=0.4, a_side=5):
    """Boxes of points with these sides, all with the same feature."""
    grid = np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, a_side)] * 3), axis=-1).reshape(-1, 3)
    turn = Rotation.from_euler("z", yaw_rad).as_matrix()
    points = np.concatenate([grid * size @ turn.T for size in sizes_m]).astype(np.float32)
    rows = np.split(np.arange(len(points)), len(sizes_m))
    masks = InstanceMasks.from_lists(rows, len(points))
    n = len(masks)
    scene = Scene.empty()
    table = FeatureTable.from_means(SPACE, np.tile(np.float32([0.3, 0.9]), (n, 1, 1)))
    cloud = Cloud(points, np.zeros((len(points), 3), np.uint8), np.zeros_like(points))
    return replace(
        scene, cloud=cloud, masks=masks, ids=np.arange(1, n + 1), next_id=n + 1, labels=("",) * n,
        views=ViewTable(np.zeros((n, 1), np.int64), np.ones((n, 1), np.int32),
                        np.tile(np.int32([0, 0, 1, 1]), (n, 1, 1))),
        features=(table,), thumbnails=((b"",),) * n, map_id="",
    )


@pytest.mark.parametrize("a_side", [5, 17])
@pytest.mark.parametrize("yaw_rad", [0.0, 0.4, 1.2, 2.9])
def test_the_longest_side_is_that_of_the_box(yaw_rad, a_side):
    """With few points, and with more than are measured."""
    scene = scene_of(SIZES_M, yaw_rad, a_side)
    found = longest_sides_m(scene.cloud, scene.masks, scene.up)
    for i in range(len(SIZES_M)):
        side = fit_box(scene.cloud.points[scene.masks[i]], scene.up).size.max()
        assert side * 0.98 <= found[i] <= side * 1.1
        alone = InstanceMasks.from_lists([[], scene.masks[i]], len(scene.cloud))
        assert longest_sides_m(scene.cloud, alone, scene.up).tolist() == [0, found[i]]
    empty = Scene.empty()
    assert longest_sides_m(empty.cloud, empty.masks, empty.up).shape == (0,)


def test_fit_falls_with_the_distance_from_what_is_usual():
    low, high = usual_sizes_m()["mug"]
    sizes = np.array([low / 2, low, high, 2 * high, 0.0])
    np.testing.assert_allclose(size_fit("Where is the red mug?", sizes)[:4], [0.5, 1, 1, 0.25])
    assert (size_fit("a sextant", sizes) == 1).all()
    assert size_fit("a mug", sizes)[-1] < 1e-4


def test_alike_things_are_told_apart_by_size():
    scene = scene_of(SIZES_M)
    query = SceneQuery(scene, OneDirection())
    assert query.text("a wooden table").matches[0].instance_id == 1
    assert query.text("a mug").matches[0].instance_id == 2
    likely = {m.instance_id: m.probability for m in query.text("a mug").matches}
    assert likely[2] > likely[1]
    blind = SceneQuery(scene, OneDirection(), QuerySettings(usual_sizes=False))
    assert blind.text("a mug").matches[0].instance_id == 1

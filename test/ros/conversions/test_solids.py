"""What a motion planner keeps away from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from helpers.scenes import make_scene

from om3d_ros.conversions.solids import solids
from om3d_ros.node.settings import MoveitSettings


def test_objects_are_padded_boxes_without_structure():
    scene = replace(make_scene(), ids=np.array([7, 9, 2, 4]))
    found = solids(scene, MoveitSettings(padding_m=0.05))
    assert list(found) == ["om3d/7", "om3d/9", "om3d/2"]
    for solid, box, label in zip(found.values(), scene.boxes, scene.labels, strict=False):
        assert np.allclose(solid.size, box.size + 0.1) and solid.label == label
        assert np.allclose(solid.center, box.center)
        assert np.allclose(solid.quaternion, box.quaternion)


def test_only_objects_of_the_labels_that_are_named():
    scene = make_scene()
    assert scene.labels[0] == "a" and scene.labels[2] == "chair"
    found = solids(scene, MoveitSettings(labels="chair, cup"))
    assert [solid.label for solid in found.values()] == ["chair"]


def test_a_flat_box_is_a_solid():
    scene = make_scene()
    for box in scene.boxes:
        box.size[2] = 0.0
    assert all(
        solid.size[2] == 0.001 for solid in solids(scene, MoveitSettings(padding_m=0.0)).values()
    )

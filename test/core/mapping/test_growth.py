"""Which instances are still there, and which of them kept their id."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from helpers.scenes import make_scene

from om3d_core.data.masks import InstanceMasks
from om3d_core.mapping.growth import ids_kept

VOXEL_M = 0.001


def with_masks(scene, members, ids):
    """``scene`` with other instances; its points lie in voxels of their own."""
    masks = InstanceMasks.from_lists(members, len(scene.cloud))
    n = len(members)
    return replace(
        make_scene(n=n, points=len(scene.cloud)), cloud=scene.cloud, masks=masks,
        ids=np.array(ids, np.int64), labels=("",) * n,
        label_probabilities=np.zeros(0, np.float32),
    )


def test_half_of_the_voxels_in_one_instance_is_still_there():
    scene = make_scene(n=4)
    old = with_masks(scene, [range(10), range(10, 20), range(20, 30), range(30, 40)], [1, 2, 3, 4])
    new = with_masks(
        scene, [range(5), range(10, 14), [*range(20, 30), *range(100, 120)], range(30, 40)],
        [1, 2, 8, 4],
    )
    assert ids_kept(old, new, VOXEL_M) == (3, 2)


def test_of_several_the_largest_overlap_is_meant():
    scene = make_scene(n=4)
    old = with_masks(scene, [range(10)] + [[300 + i] for i in range(3)], [1, 2, 3, 4])
    nested = [range(100), range(9), [300], [301]]
    assert ids_kept(old, with_masks(scene, nested, [1, 9, 2, 3]), VOXEL_M) == (3, 2)
    assert ids_kept(old, with_masks(scene, nested, [9, 1, 2, 3]), VOXEL_M) == (3, 3)

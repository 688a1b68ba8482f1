"""A cloud that grows keeps its samples, its planes and its masks where it did not change."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.worlds import BOXES, fused, tabletop

from om3d_core.data.cloud import Cloud
from om3d_core.progress import Job
from om3d_core.proposals.geometric.proposer import GeometricProposer
from om3d_core.proposals.geometric.settings import GeometricSettings
from om3d_core.proposals.surface.planes import find_planes
from om3d_core.proposals.surface.samples import lot, resample, voxel_for

VOXEL_M, UP = 0.012, np.array([0.0, 0.0, 1.0])


@pytest.fixture(scope="module")
def cloud():
    return fused(tabletop(12), 0.01)


def grown(cloud):
    """With a patch in the air, on the side where the indices of all other points move."""
    x, y = np.meshgrid(np.arange(0, 0.5, 0.01), np.arange(0, 0.5, 0.01))
    patch = np.stack([x.ravel() - 6.0, y.ravel() - 5.0, np.full(x.size, 2.0)], axis=1)
    return Cloud(
        np.concatenate([patch.astype(np.float32), cloud.points]),
        np.concatenate([np.full((len(patch), 3), 128, np.uint8), cloud.colors]),
        np.concatenate([np.tile(np.float32([0, 0, 1]), (len(patch), 1)), cloud.normals]),
    )


def rows(array):
    return {tuple(row) for row in np.round(array, 9).tolist()}


def test_samples_and_their_lot_depend_on_the_place_alone(cloud):
    small, large = resample(cloud, VOXEL_M), resample(grown(cloud), VOXEL_M)
    assert rows(small.points) < rows(large.points)
    drawn = dict(zip(map(tuple, large.points.tolist()), lot(large).tolist(), strict=True))
    assert [drawn[tuple(p)] for p in small.points.tolist()] == lot(small).tolist()
    assert len(np.unique(lot(large))) == len(large)
    assert abs(np.corrcoef(lot(small), small.points[:, 0])[0, 1]) < 0.05


def test_planes_stay_where_a_cloud_grows_elsewhere(cloud):
    before = find_planes(resample(cloud, VOXEL_M), 0.012, 0.05)
    after = find_planes(resample(grown(cloud), VOXEL_M), 0.012, 0.05)
    assert before
    for plane in before:
        assert any(np.allclose(plane.normal, other.normal) and
                   np.isclose(plane.offset_m, other.offset_m) for other in after)


def test_masks_stay_where_a_cloud_grows_elsewhere(cloud):
    proposer = GeometricProposer(GeometricSettings(voxel_m=VOXEL_M))
    larger = grown(cloud)
    before = proposer.propose(cloud, Job(), UP)
    after = proposer.propose(larger, Job(), UP)
    shift = len(larger) - len(cloud)
    found = {tuple((after[i] - shift).tolist()) for i in range(len(after))}
    things = [i for i in range(len(before)) if not before.structure[i]]
    assert len(things) >= len(BOXES) - 1
    assert all(tuple(before[i].tolist()) in found for i in things)


def test_the_voxel_has_coarse_steps(cloud):
    found = voxel_for(cloud, 0.006)
    thinned = np.random.default_rng(0).permutation(len(cloud))[: int(0.97 * len(cloud))]
    less = Cloud(cloud.points[thinned], cloud.colors[thinned], cloud.normals[thinned])
    assert found == voxel_for(less, 0.006) >= 0.006
    assert voxel_for(cloud, 0.05) == 0.05

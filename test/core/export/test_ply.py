"""PLY, read by Open3D and by trimesh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import open3d
import trimesh

from om3d_core.export.ply import instance_ids
from om3d_core.formats.ply import read_ply
from om3d_core.pictures.palette import instance_colors


def test_open3d_reads_points_colors_normals_and_ids(scene, written):
    cloud = open3d.t.io.read_point_cloud(str(written(scene, "ply"))).point
    assert np.array_equal(cloud.positions.numpy(), scene.cloud.points)
    assert np.array_equal(cloud.colors.numpy(), scene.cloud.colors)
    assert np.array_equal(cloud.normals.numpy(), scene.cloud.normals)
    ids = cloud["instance"].numpy().reshape(-1)
    owner = scene.masks.labels()
    assert {0, 5, 6, 7, 8} == set(ids.tolist())
    assert np.array_equal(ids, np.where(owner < 0, 0, scene.ids[owner]))


def test_trimesh_reads_the_colors_of_instances_and_om3d_its_own(scene, written):
    path = written(scene, "ply", colors="instance")
    read = trimesh.load(path)
    assert np.allclose(read.vertices, scene.cloud.points)
    owner = scene.masks.labels()
    expected = np.where(
        (owner < 0)[:, None], scene.cloud.colors, np.rint(instance_colors(scene.ids))[owner]
    )
    assert np.array_equal(read.colors[:, :3], expected)
    assert np.array_equal(read_ply(path).colors, expected)


def test_ids_beyond_31_bits_are_kept(scene):
    large = np.array([2**32 - 1, 3, 2, 1])
    assert set(instance_ids(replace(scene, ids=large)).tolist()) == {0, *large.tolist()}

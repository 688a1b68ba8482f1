"""Binary glTF, read by trimesh, and its layout by the specification."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np
import trimesh

from om3d_core.data.scene import Scene
from om3d_core.export.glb import gltf_from_map
from om3d_core.formats.glb import linear


def chunks(path):
    """The JSON and the binary chunk, sizes and padding as chapter 4 of glTF 2.0 asks for."""
    content = path.read_bytes()
    magic, version, total = struct.unpack_from("<4sII", content)
    assert (magic, version, total) == (b"glTF", 2, len(content))
    found, at = {}, 12
    while at < total:
        size, kind = struct.unpack_from("<I4s", content, at)
        assert size % 4 == 0 and kind not in found
        found[kind] = content[at + 8 : at + 8 + size]
        at += 8 + size
    assert next(iter(found)) == b"JSON" and at == total
    return json.loads(found[b"JSON"]), found.get(b"BIN\0", b"")


def test_trimesh_reads_points_boxes_and_what_they_are(scene, written):
    read = trimesh.load(written(scene, "glb"))
    owner = scene.masks.labels()
    turned = scene.cloud.points @ gltf_from_map(scene.up).T
    for i, name in ((0, "8 a"), (1, "7"), (2, "6 chair"), (3, "5"), (-1, "background")):
        matrix, _ = read.graph[name]
        points = trimesh.transform_points(read.geometry[name].vertices, matrix)
        assert np.allclose(points, turned[owner == i], atol=1e-5)
        light = linear(scene.cloud.colors[owner == i]) * 255
        assert np.abs(read.geometry[name].colors[:, :3] - light).max() <= 1
    low, high = read.geometry["7 box"].bounds
    corners = scene.boxes[1].corners
    assert np.allclose(low, corners.min(axis=0), atol=1e-5)
    assert np.allclose(high, corners.max(axis=0), atol=1e-5)
    assert "5 box" not in read.geometry, "structure has no box"


def test_up_is_y(scene):
    for up in np.vstack([np.eye(3), -np.eye(3), [[0.6, 0.0, 0.8]]]):
        rotation = gltf_from_map(up)
        assert np.allclose(rotation @ up, [0, 1, 0]) and np.isclose(np.linalg.det(rotation), 1)


def test_the_layout_is_that_of_the_specification(scene, written):
    named = replace(
        scene, labels=("Stühl\n\x1b[2J", "a", "", ""),
        label_probabilities=np.array([1, 1, 0, 0], np.float32),
    )
    text, data = chunks(written(named, "glb", boxes=False, background=False))
    assert text["asset"]["version"] == "2.0" and text["buffers"] == [{"byteLength": len(data)}]
    root, *nodes = (text["nodes"][i] for i in [0, *text["nodes"][0]["children"]])
    assert len(nodes) == 4 and np.isclose(np.linalg.norm(root["rotation"]), 1)
    last = nodes[-1]
    assert last["extras"]["id"] == 8 and last["extras"]["label"] == "Stühl\n\x1b[2J"
    (primitive,) = text["meshes"][last["mesh"]]["primitives"]
    accessor = text["accessors"][primitive["attributes"]["POSITION"]]
    view = text["bufferViews"][accessor["bufferView"]]
    rows = np.frombuffer(data, "<f4", accessor["count"] * 3, view["byteOffset"]).reshape(-1, 3)
    assert primitive["mode"] == 0 and view["byteOffset"] % 4 == 0
    assert rows.min(axis=0).tolist() == accessor["min"]
    assert rows.max(axis=0).tolist() == accessor["max"]


def test_a_map_of_nothing_has_a_node_alone(written):
    text, data = chunks(written(Scene.empty(), "glb"))
    assert data == b"" and [node["name"] for node in text["nodes"]] == ["map"]
    assert "buffers" not in text

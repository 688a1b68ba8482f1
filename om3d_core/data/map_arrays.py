"""The arrays of a saved map as one safetensors file, whose header is checked before its data."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as save_tensors

from om3d_core.data.cloud import Cloud
from om3d_core.data.map_files import check_sum, exactly, open_sized
from om3d_core.data.map_manifest import Manifest
from om3d_core.data.map_tensors import Arrays, Layout, array_of, read_header, side
from om3d_core.data.map_words import words_from_columns
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.errors import InputError, expect

ARRAYS = "arrays.safetensors"


def bytes_of(scene: Scene) -> bytes:
    """The content of the file for a scene."""
    pictures = b"".join(jpeg for images in scene.thumbnails for jpeg in images)
    arrays: Arrays = {
        "points": scene.cloud.points, "colors": scene.cloud.colors, "normals": scene.cloud.normals,
        "mask_indptr": scene.masks.indptr, "mask_indices": scene.masks.indices,
        "mask_scores": scene.masks.scores, "mask_structure": scene.masks.structure,
        "ids": scene.ids, "view_stamps": scene.views.stamps, "view_pixels": scene.views.pixels,
        "view_boxes": scene.views.boxes, "thumbnails": np.frombuffer(pictures, np.uint8),
    }
    for i, table in enumerate(scene.features):
        arrays[f"features_{i}"], arrays[f"features_{i}_valid"] = table.vectors, table.valid
        arrays[f"features_{i}_lengths"] = table.lengths
    content: bytes = save_tensors({k: np.ascontiguousarray(a) for k, a in arrays.items()})
    return content


def read_arrays(path: Path, manifest: Manifest) -> Arrays:
    """The arrays in the file at ``path``, of the dtypes and shapes that the manifest asks for.

    Raises :class:`InputError` that names the array, or OSError. Before the header is found to
    fit, no more than it is read, and never more than the manifest says.
    """
    told = manifest.files.get(ARRAYS)
    if told is None:
        raise InputError(f"expected {ARRAYS} among the files of the map, got others")
    with open_sized(path, told) as file:
        header = read_header(file, told.bytes, partial(_layout, manifest))
        body = exactly(file, header.n_bytes)
    check_sum((*header.content, body), told)
    return {name: array_of(name, tensor, body) for name, tensor in header.tensors.items()}


def scene_of(
    manifest: Manifest, arrays: Arrays, thumbnails: tuple[tuple[bytes, ...], ...]
) -> Scene:
    """The scene of a saved map; raises :class:`InputError` naming what is out of its range."""
    cloud = Cloud(arrays["points"], arrays["colors"], arrays["normals"])
    masks = InstanceMasks(
        arrays["mask_indptr"], arrays["mask_indices"], arrays["mask_scores"],
        arrays["mask_structure"], len(cloud),
    )
    views = ViewTable(arrays["view_stamps"], arrays["view_pixels"], arrays["view_boxes"])
    features = tuple(
        FeatureTable(
            space, arrays[f"features_{i}"], arrays[f"features_{i}_valid"],
            arrays[f"features_{i}_lengths"],
        )
        for i, space in enumerate(manifest.spaces)
    )
    ids, shape = arrays["ids"], (len(manifest.labels), views.stamps.shape[1])
    expect(int(ids.max(initial=0)) < manifest.next_id, "next_id above all ids", manifest.next_id)
    return Scene(
        manifest.revision, cloud, masks, ids, np.array(manifest.up, np.float64), views,
        features, thumbnails, manifest.labels, manifest.next_id, manifest.map_id,
        manifest.camera_frames, manifest.cloud_given, manifest.made_by, manifest.made_from,
        manifest.frame, np.array(manifest.label_probabilities, np.float32),
        words_from_columns(
            (manifest.words, manifest.word_confidences, manifest.word_places), "word", *shape
        ),
        words_from_columns(
            (manifest.detections, manifest.detection_confidences, manifest.detection_places),
            "detection", *shape,
        ),
    )


def _layout(manifest: Manifest, header: dict[str, Any]) -> Layout:
    """The arrays of a map; only the header tells the number of views and of members of masks."""
    k, n_indices = side(header, "view_stamps", 1, 2), side(header, "mask_indices")
    n, points = len(manifest.labels), manifest.n_points
    layout: Layout = {
        "points": ("F32", (points, 3)), "colors": ("U8", (points, 3)),
        "normals": ("F32", (points, 3)), "mask_indptr": ("I64", (n + 1,)),
        "mask_indices": ("I32", (n_indices,)), "mask_scores": ("F32", (n,)),
        "mask_structure": ("BOOL", (n,)), "ids": ("I64", (n,)), "view_stamps": ("I64", (n, k)),
        "view_pixels": ("I32", (n, k)), "view_boxes": ("I32", (n, k, 4)),
    }
    for i, space in enumerate(manifest.spaces):
        layout[f"features_{i}"] = ("F32", (n, k, space.dim))
        layout[f"features_{i}_valid"] = ("BOOL", (n, k))
        layout[f"features_{i}_lengths"] = ("F32", (n, k))
    if manifest.version > 1:
        layout["thumbnails"] = ("U8", (sum(map(sum, manifest.thumbnails)),))
    return layout

"""The arrays of a saved map as one safetensors file, whose header is checked before its data."""

from __future__ import annotations

import json
import math
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save as save_tensors

from om3d_core.data.cloud import Cloud
from om3d_core.data.map_files import check_sum, exactly, open_sized
from om3d_core.data.map_manifest import Manifest
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.errors import InputError, expect

ARRAYS = "arrays.safetensors"
MAX_HEADER_BYTES = 1_000_000
DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"), "U8": np.dtype("u1"), "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"), "BOOL": np.dtype("?"),
}
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class _Entry:
    """Where an array lies behind the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


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
        head = exactly(file, 8)
        size = int.from_bytes(head, "little")
        limit = min(MAX_HEADER_BYTES, told.bytes - 8)
        expect(size <= limit, f"a header of at most {limit} bytes", size)
        text = exactly(file, size)
        n_bytes = told.bytes - 8 - size
        entries = _entries(bytes(text), manifest, n_bytes)
        body = exactly(file, n_bytes)
    check_sum((head, text, body), told)
    return {name: _array(name, entry, body) for name, entry in entries.items()}


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
    ids = arrays["ids"]
    expect(int(ids.max(initial=0)) < manifest.next_id, "next_id above all ids", manifest.next_id)
    return Scene(
        manifest.revision, cloud, masks, ids, np.array(manifest.up, np.float64), views,
        features, thumbnails, manifest.labels, manifest.next_id, manifest.map_id,
        manifest.camera_frames,
    )


def _entries(text: bytes, manifest: Manifest, n_bytes: int) -> dict[str, _Entry]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected a safetensors header, got {error}") from error
    expect(isinstance(header, dict), "a safetensors header", type(header).__name__)
    layout = _layout(manifest, _side(header, "view_stamps", 1, 2), _side(header, "mask_indices"))
    expect(set(header) == set(layout), f"the arrays {sorted(layout)}",
           reprlib.repr(sorted(set(header) ^ set(layout))) + " too many or missing")
    entries, spans = {}, []
    for name, (dtype, shape) in layout.items():
        entry = header[name]
        expect(isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"},
               f"{name} with dtype, shape and data_offsets", reprlib.repr(entry))
        got, got_shape, span = entry["dtype"], entry["shape"], entry["data_offsets"]
        expect(got == dtype and _are_counts(got_shape) and tuple(got_shape) == shape,
               f"{name} of dtype {dtype} and shape {shape}", reprlib.repr((got, got_shape)))
        expect(_are_counts(span) and len(span) == 2, f"{name} at two offsets", reprlib.repr(span))
        entries[name] = _Entry(dtype, shape, span[0])
        expect(span[1] - span[0] == entries[name].n_bytes,
               f"{name} of {entries[name].n_bytes} bytes", span)
        spans.append(tuple(span))
    starts, ends = zip(*sorted(spans), strict=True)
    expect((0, *ends) == (*starts, n_bytes), f"arrays that fill the {n_bytes} bytes", "others")
    return entries


def _layout(
    manifest: Manifest, k: int, n_indices: int
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The dtype and shape of every array of a map with ``k`` views an instance."""
    n, points = len(manifest.labels), manifest.n_points
    layout: dict[str, tuple[str, tuple[int, ...]]] = {
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


def _side(header: dict[str, Any], name: str, axis: int = 0, ndim: int = 1) -> int:
    """The length of an axis that only the header of the array tells."""
    entry = header.get(name)
    shape = entry.get("shape") if isinstance(entry, dict) else None
    expect(_are_counts(shape) and len(shape or ()) == ndim, f"{name} with {ndim} axes",
           reprlib.repr(entry))
    return int(shape[axis])  # type: ignore[index]


def _are_counts(values: object) -> bool:
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)


def _array(name: str, entry: _Entry, body: bytearray) -> npt.NDArray[Any]:
    dtype = DTYPES[entry.dtype]
    count = math.prod(entry.shape)
    if entry.dtype == "BOOL":
        raw = np.frombuffer(body, np.uint8, count, entry.start)
        expect(int(raw.max(initial=0)) <= 1, f"{name} of 0 and 1", int(raw.max(initial=0)))
    return np.frombuffer(body, dtype, count, entry.start).reshape(entry.shape)

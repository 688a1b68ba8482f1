"""Save and load a Scene as a folder: JSON, safetensors and JPEG thumbnails; no pickle.

``map.json`` names the content folder that holds the rest, with sizes and SHA-256 sums. A save
writes a new content folder beside the old one and then replaces ``map.json`` in one rename: a
save killed at any moment leaves the previous map whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from om3d_core.data.cloud import Cloud
from om3d_core.data.feature_space import FeatureSpace
from om3d_core.data.masks import InstanceMasks
from om3d_core.data.scene import Scene
from om3d_core.data.tables import FeatureTable, ViewTable
from om3d_core.errors import MapFormatError
from om3d_core.files import sync_folder, write_atomically, write_durably

FORMAT, VERSION = "om3d-map", 2
READABLE = (1, 2)
MANIFEST, ARRAYS, THUMBNAILS = "map.json", "arrays.safetensors", "thumbnails"
MAX_MANIFEST_BYTES = 16_000_000
MAX_FILE_BYTES = 8_000_000_000
Arrays = dict[str, npt.NDArray[Any]]


def save_scene(scene: Scene, folder: Path) -> None:
    """Write ``scene`` into ``folder``, replacing a map that is there.

    Raises :class:`MapFormatError` if the folder holds something else, OSError if it cannot be
    written; either way what was there stays as it was.
    """
    folder = Path(folder)
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = folder / f"content-{uuid.uuid4().hex[:12]}"
    try:
        files = _write_content(scene, content)
        manifest = {
            "format": FORMAT, "version": VERSION, "content": content.name, "files": files,
            "revision": scene.revision, "next_id": scene.next_id, "up": scene.up.tolist(),
            "n_points": len(scene.cloud), "labels": list(scene.labels),
            "thumbnails": [len(images) for images in scene.thumbnails],
            "spaces": [vars(table.space) for table in scene.features],
        }
        write_atomically(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    except BaseException:
        shutil.rmtree(content, ignore_errors=True)
        raise
    for old in folder.glob("content-*"):
        if old != content:
            shutil.rmtree(old, ignore_errors=True)


def load_scene(folder: Path) -> Scene:
    """Read the map in ``folder``; every file is checked against its size and sum.

    Raises :class:`MapFormatError` naming the file if the map is missing, damaged, or of another
    version.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder / MANIFEST)
    try:
        content = folder / _plain_name(manifest["content"])
        files = manifest["files"]
        arrays = load_tensors(_read_checked(content, ARRAYS, files))
        return _assemble(manifest, arrays, content, files)
    except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
        raise MapFormatError(f"{folder}: the map is damaged: {error}") from error


def check_writable(folder: Path) -> None:
    """Raise :class:`MapFormatError` if ``folder`` cannot hold a map, or holds something else."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        at = "" if there == folder else f" at {there}"
        raise MapFormatError(f"{folder}: expected a folder for the map, got a file{at}")
    if not os.access(there, os.W_OK):
        raise MapFormatError(f"{folder}: expected a folder for the map, {there} is read-only")
    if folder.is_dir() and not (folder / MANIFEST).exists():
        others = [p.name for p in folder.iterdir() if not p.name.startswith(("content-", "."))]
        if others:
            raise MapFormatError(
                f"{folder}: expected a map or an empty folder, found {min(others)}"
            )


def _write_content(scene: Scene, content: Path) -> dict[str, dict[str, Any]]:
    """Write the content folder; return the size and sum of each file."""
    (content / THUMBNAILS).mkdir(parents=True)
    blobs = {ARRAYS: save_tensors(_arrays_of(scene))}
    for instance, images in zip(scene.ids, scene.thumbnails, strict=True):
        for rank, jpeg in enumerate(images):
            blobs[f"{THUMBNAILS}/{instance}-{rank}.jpg"] = jpeg
    for name, blob in blobs.items():
        write_durably(content / name, blob)
    for written in (content / THUMBNAILS, content):
        sync_folder(written)
    return {
        name: {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}
        for name, blob in blobs.items()
    }


def _arrays_of(scene: Scene) -> Arrays:
    arrays: Arrays = {
        "points": scene.cloud.points, "colors": scene.cloud.colors, "normals": scene.cloud.normals,
        "mask_indptr": scene.masks.indptr, "mask_indices": scene.masks.indices,
        "mask_scores": scene.masks.scores, "mask_structure": scene.masks.structure,
        "ids": scene.ids, "view_stamps": scene.views.stamps, "view_pixels": scene.views.pixels,
        "view_boxes": scene.views.boxes,
    }
    for i, table in enumerate(scene.features):
        arrays[f"features_{i}"], arrays[f"features_{i}_valid"] = table.vectors, table.valid
        arrays[f"features_{i}_lengths"] = table.lengths
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise MapFormatError(f"{path}: larger than {MAX_MANIFEST_BYTES} bytes")
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise MapFormatError(f"{path.parent}: expected a map, found no {MANIFEST}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise MapFormatError(f"{path}: cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise MapFormatError(f"{path}: expected format {FORMAT!r}")
    if manifest.get("version") not in READABLE:
        raise MapFormatError(
            f"{path}: expected version {' or '.join(map(str, READABLE))}, got"
            f" {manifest.get('version')!r}"
        )
    return manifest


def _plain_name(name: object) -> str:
    if not isinstance(name, str) or not name.startswith("content-") or Path(name).name != name:
        raise MapFormatError(f"expected the name of a content folder, got {name!r}")
    return name


def _read_checked(content: Path, name: str, files: dict[str, Any]) -> bytes:
    path = content / name
    try:
        size = path.stat().st_size
        if size != files[name]["bytes"] or size > MAX_FILE_BYTES:
            raise MapFormatError(
                f"{path}: expected {files[name]['bytes']} bytes, found {size}"
            )
        blob = path.read_bytes()
    except OSError as error:
        raise MapFormatError(f"{path}: cannot be read: {error}") from error
    if hashlib.sha256(blob).hexdigest() != files[name]["sha256"]:
        raise MapFormatError(f"{path}: the content does not match its SHA-256 sum")
    return blob


def _assemble(
    manifest: dict[str, Any], arrays: Arrays, content: Path, files: dict[str, Any]
) -> Scene:
    cloud = Cloud(arrays["points"], arrays["colors"], arrays["normals"])
    masks = InstanceMasks(
        arrays["mask_indptr"], arrays["mask_indices"], arrays["mask_scores"],
        arrays["mask_structure"], len(cloud),
    )
    views = ViewTable(arrays["view_stamps"], arrays["view_pixels"], arrays["view_boxes"])
    read_space = _space_of_version_1 if manifest["version"] == 1 else _space
    features = tuple(
        FeatureTable(
            read_space(space), arrays[f"features_{i}"], arrays[f"features_{i}_valid"],
            arrays[f"features_{i}_lengths"],
        )
        for i, space in enumerate(manifest["spaces"])
    )
    thumbnails = tuple(
        tuple(
            _read_checked(content, f"{THUMBNAILS}/{int(instance)}-{rank}.jpg", files)
            for rank in range(int(count))
        )
        for instance, count in zip(arrays["ids"], manifest["thumbnails"], strict=True)
    )
    return Scene(
        int(manifest["revision"]), cloud, masks, arrays["ids"],
        np.array(manifest["up"], np.float64), views, features, thumbnails,
        tuple(map(str, manifest["labels"])), int(manifest["next_id"]),
    )


def _space(fields: dict[str, Any]) -> FeatureSpace:
    return FeatureSpace(**fields)


def _space_of_version_1(fields: dict[str, Any]) -> FeatureSpace:
    """Version 1 told the encoder and the preprocessing by the name of the space alone."""
    name = str(fields["name"])
    encoder = re.split(r"[-/@]", name, maxsplit=1)[0]
    whole = "whole-crop" if name.endswith("+whole-crop") else "original"
    return FeatureSpace(
        **fields, encoder=encoder, preprocessing=whole if fields.get("source") else ""
    )

"""Segments of the meshes of ScanNet and ScanNet++, and instances: groups of them with a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core import files
from om3d_core.data.cloud import Cloud
from om3d_core.errors import InputError, SourceError
from om3d_core.formats.cloud_columns import NO_ORIGIN, Origin
from om3d_core.formats.ply import read_ply

SEGMENTS_SUFFIX = ".0.010000.segs.json"
"""Of ScanNet's segments, in place of the .ply of the mesh that they belong to."""
SCANNET_MESH = "_vh_clean_2.ply"
"""After the id of a scan: the mesh that ScanNet's segments and labels belong to."""
SCANNETPP_MESH, SCANNETPP_SEGMENTS = "mesh_aligned_0.05.ply", "segments.json"
MAX_JSON_BYTES = 256 * 1024 * 1024
MOST_OF_A_LABEL = 999

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabeledGroup:
    """An annotated instance: its raw label and the segments it is made of."""

    label: str
    segments: Ints


def segments_of(mesh: Path) -> Path | None:
    """The file with the segments of a mesh of ScanNet or ScanNet++, None if none is beside it."""
    pp = mesh.name == SCANNETPP_MESH
    file = mesh.with_name(SCANNETPP_SEGMENTS) if pp else mesh.with_suffix(SEGMENTS_SUFFIX)
    return file if file.is_file() else None


def read_mesh(
    mesh: Path, segments: Path, units_per_m: float = 1.0, origin_m: Origin = NO_ORIGIN
) -> Cloud:
    """The vertices of a mesh in meters, each with its segment from ``segIndices``.

    units_per_m, origin_m: of the mesh. Raises SourceError.
    """
    cloud = read_ply(mesh, units_per_m, origin_m)
    ids = _integers(_read(segments, "segIndices"), f"{segments}: segIndices")
    if len(ids) != len(cloud):
        raise SourceError(
            f"{segments}: expected segments of {len(cloud)} vertices, got {len(ids)}"
        )
    return replace(cloud, segments=ids)


def read_groups(path: Path) -> list[LabeledGroup]:
    """The instances of ``segGroups``, in the order of the file. Raises SourceError."""
    groups = []
    for i, entry in enumerate(_read(path, "segGroups")):
        label = entry.get("label") if isinstance(entry, dict) else None
        segments = entry.get("segments") if isinstance(entry, dict) else None
        if not isinstance(label, str) or not isinstance(segments, list):
            raise SourceError(f"{path}: segGroups[{i}]: expected a label and segments")
        groups.append(LabeledGroup(label, _integers(segments, f"{path}: segGroups[{i}]")))
    return groups


def ground_truth_ids(
    mesh: Cloud, groups: list[LabeledGroup], label_ids: Mapping[str, int]
) -> Ints:
    """(P,) ``label id * 1000 + instance`` of each vertex, 0 where no known label is.

    mesh: with segments. Instances are numbered from 1 within a label, in the order of the groups.
    Where instances overlap the smallest holds the vertex. Raises SourceError for more than 999 of
    one label.
    """
    if mesh.segments is None:
        raise InputError("expected a mesh with segments, got one without")
    segments, vertex_segment = np.unique(mesh.segments, return_inverse=True)
    sizes = np.bincount(vertex_segment, minlength=len(segments))
    owner = np.zeros(len(segments), np.int64)
    smallest = np.full(len(segments), np.iinfo(np.int64).max)
    counts: dict[int, int] = {}
    for group in groups:
        label = label_ids.get(group.label)
        mine = np.flatnonzero(np.isin(segments, group.segments))
        if label is None or not len(mine):
            continue
        counts[label] = counts.get(label, 0) + 1
        if counts[label] > MOST_OF_A_LABEL:
            raise SourceError(f"expected at most {MOST_OF_A_LABEL} instances of {group.label!r}")
        size = sizes[mine].sum()
        mine = mine[size < smallest[mine]]
        owner[mine], smallest[mine] = label * 1000 + counts[label], size
    ids: Ints = owner[vertex_segment]
    return ids


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises SourceError."""
    try:
        return files.read_json(path, MAX_JSON_BYTES)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: expected readable JSON, got {error}") from error


def _integers(values: list[Any], where: str) -> Ints:
    try:
        numbers = np.array(values) if values else np.zeros(0, np.int64)
    except (ValueError, OverflowError):
        numbers = np.zeros(0)
    if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.signedinteger):
        raise SourceError(f"{where}: expected a list of integers")
    return numbers.astype(np.int64)


def _read(path: Path, key: str) -> list[Any]:
    content = read_json(path)
    values = content.get(key) if isinstance(content, dict) else None
    if not isinstance(values, list):
        raise SourceError(f"{path}: expected an object with a list {key}")
    return values

"""A cloud from a file of any known kind."""

from __future__ import annotations

from pathlib import Path

from om3d_core.data.cloud import MAX_POINTS, Cloud
from om3d_core.errors import InputError, SourceError, expect
from om3d_core.formats.cloud_columns import (
    NO_ORIGIN,
    PLACES,
    Array,
    Origin,
    bytes_of_colors,
    cloud_of,
)
from om3d_core.formats.mesh_files import SUFFIXES as MESHES
from om3d_core.formats.mesh_files import read_mesh_file
from om3d_core.formats.npz import read_npz
from om3d_core.formats.pcd import read_pcd
from om3d_core.formats.ply import read_ply, read_ply_mesh

SUFFIXES = (".ply", ".pcd", ".npz", *MESHES)
POINTS, COLORS = ("points", "xyz", "positions", "pts"), ("colors", "rgb", "color")
NORMALS = ("normals", "normal")


def read_cloud(
    path: Path, units_per_m: float = 1.0, sampling_m: float = 0.0, origin_m: Origin = NO_ORIGIN
) -> Cloud:
    """The cloud of a .ply, .pcd, .npz, .obj or .stl file, in meters.

    A .npz has ``points`` (P, 3), perhaps ``colors`` (P, 3) and ``normals`` (P, 3). sampling_m:
    of a mesh, points on its faces so far apart instead of its vertices; 0: the vertices.
    origin_m: what is taken off them, as :func:`~om3d_core.formats.cloud_columns.cloud_of` does.
    Raises SourceError.
    """
    suffix = path.suffix.lower()
    if suffix == ".pcd":
        return read_pcd(path, units_per_m, origin_m)
    if suffix == ".npz":
        return _read_npz(path, units_per_m, origin_m)
    if suffix not in SUFFIXES:
        raise SourceError(f"{path}: expected a cloud that ends in {', '.join(SUFFIXES)}")
    if suffix == ".ply" and not sampling_m:
        return read_ply(path, units_per_m, origin_m)
    try:
        if suffix == ".ply":
            return read_ply_mesh(path, units_per_m, origin_m).sampled(sampling_m)
        raw = read_mesh_file(path)
        if not sampling_m:
            return cloud_of(raw.columns, units_per_m, origin_m)
        return raw.mesh(units_per_m, origin_m).sampled(sampling_m)
    except InputError as error:
        asked = f" (cloud_sampling_m {sampling_m:g})" if sampling_m else ""
        raise SourceError(f"{path}: {error}{asked}") from error


def _read_npz(path: Path, units_per_m: float, origin_m: Origin) -> Cloud:
    if not path.is_file():
        raise SourceError(f"{path}: expected a .npz file, found none")
    try:
        arrays = read_npz(path, (*POINTS, *COLORS, *NORMALS))
        points = next((arrays[name] for name in POINTS if name in arrays), None)
        expect(points is not None, f"an array {' or '.join(POINTS)}", sorted(arrays))
        columns: dict[str, Array] = {}
        for names, axes in ((POINTS, PLACES), (NORMALS, ("nx", "ny", "nz"))):
            for name in (name for name in names if name in arrays):
                columns |= dict(zip(axes, _three(name, arrays[name]).T, strict=True))
        for name in (name for name in COLORS if name in arrays):
            colors = bytes_of_colors(_three(name, arrays[name]))
            columns |= dict(zip(("red", "green", "blue"), colors.T, strict=True))
        lengths = {len(column) for column in columns.values()}
        expect(len(lengths) == 1, "arrays of as many rows", sorted(lengths))
        return cloud_of(columns, units_per_m, origin_m)
    except InputError as error:
        raise SourceError(f"{path}: {error}") from error


def _three(name: str, array: Array) -> Array:
    expect(array.ndim == 2 and array.shape[1] in {3, 4} and len(array) <= MAX_POINTS,
           f"{name} of shape (P, 3), P at most {MAX_POINTS}", array.shape)
    return array[:, :3]

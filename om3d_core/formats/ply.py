"""Reading the vertices of a PLY file, sizes checked before anything is allocated."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.errors import SourceError

MAX_HEADER_LINES = 256
MAX_LINE_BYTES = 4096
MAX_VERTICES = 100_000_000

TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}


def read_ply(path: Path) -> Cloud:
    """The vertices of a PLY file (ASCII or binary) that have finite coordinates.

    Colors come from red, green, blue (uint8, or floats in 0..1; black where there are none),
    normals from nx, ny, nz (zero where there are none). Faces are ignored. Raises SourceError.
    """
    if not path.is_file():
        raise SourceError(f"{path}: expected a PLY file, found none")
    try:
        with path.open("rb") as file:
            vertices = _vertices(file, path.stat().st_size)
        return _cloud(vertices)
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(f"{path}: expected a readable PLY file, got {error}") from error


def _vertices(file: BinaryIO, size: int) -> npt.NDArray[np.void]:
    lines = read_header(file)
    encoding = lines[1].split()[1] if lines[1].startswith("format ") else ""
    if encoding not in BYTE_ORDERS:
        raise ValueError(f"format {encoding!r}, not one of {', '.join(BYTE_ORDERS)}")
    elements = [i for i, line in enumerate(lines) if line.startswith("element ")]
    if not elements or lines[elements[0]].split()[1] != "vertex":
        raise ValueError("no vertex element in the first place")
    count = int(lines[elements[0]].split()[2])
    stop = elements[1] if len(elements) > 1 else len(lines)
    dtype = vertex_dtype(lines[elements[0] + 1 : stop], BYTE_ORDERS[encoding])
    names = dtype.names or ()
    text = encoding == "ascii"
    least = count * (2 * len(names) if text else dtype.itemsize)
    if not 0 <= count <= MAX_VERTICES or least > size - file.tell() + 1:
        raise ValueError(f"{count} vertices in a file of {size} bytes")
    if not text:
        return np.frombuffer(file.read(least), dtype)
    rows = np.loadtxt(file, np.float64, max_rows=count, ndmin=2) if count else np.zeros((0, 0))
    if len(rows) != count or (count and rows.shape[1] != len(names)):
        raise ValueError(f"{rows.shape} numbers for {count} vertices of {len(names)} properties")
    vertices = np.zeros(count, dtype)
    for column, name in enumerate(names):
        if count:
            vertices[name] = rows[:, column]
    return vertices


def read_header(file: BinaryIO) -> list[str]:
    """The lines of a header up to its end, comments left out. Raises ValueError."""
    lines: list[str] = []
    while len(lines) < MAX_HEADER_LINES:
        line = file.readline(MAX_LINE_BYTES).decode("ascii").strip()
        if line == "end_header":
            if len(lines) < 2 or lines[0] != "ply":
                break
            return [kept for kept in lines if not kept.startswith(("comment", "obj_info"))]
        if not line and not lines:
            break
        lines.append(line)
    raise ValueError("no PLY header")


def vertex_dtype(lines: list[str], order: str) -> np.dtype[np.void]:
    """The packed record of scalar ``property`` lines. Raises ValueError for another."""
    fields: list[tuple[str, str]] = []
    for line in lines:
        words = line.split()
        if len(words) != 3 or words[0] != "property" or words[1] not in TYPES:
            raise ValueError(f"property {line!r}")
        fields.append((words[2], order + TYPES[words[1]]))
    return np.dtype(fields)


def _cloud(vertices: npt.NDArray[np.void]) -> Cloud:
    names = set(vertices.dtype.names or ())
    if not {"x", "y", "z"} <= names:
        raise ValueError(f"vertex properties {', '.join(sorted(names))} without x, y, z")
    points = _columns(vertices, ("x", "y", "z"))
    colors = np.zeros((len(vertices), 3), np.uint8)
    if {"red", "green", "blue"} <= names:
        raw = np.stack([vertices[name] for name in ("red", "green", "blue")], axis=1)
        scale = 255.0 if np.issubdtype(raw.dtype, np.floating) else 1.0
        shades = np.nan_to_num(raw.astype(np.float32), posinf=0.0, neginf=0.0) * scale
        colors = np.clip(np.rint(shades), 0, 255).astype(np.uint8)
    normals = np.zeros((len(vertices), 3), np.float32)
    if {"nx", "ny", "nz"} <= names:
        normals = _columns(vertices, ("nx", "ny", "nz"))
        normals[~np.isfinite(normals).all(axis=1)] = 0.0
    keep = np.isfinite(points).all(axis=1)
    return Cloud(points[keep], colors[keep], normals[keep])


def _columns(vertices: npt.NDArray[np.void], names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack([vertices[name].astype(np.float32) for name in names], axis=1)

"""Reading the vertices of a PLY file, sizes checked before anything is allocated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import MAX_POINTS, Cloud, unit_normals
from om3d_core.errors import InputError, SourceError, reason_of
from om3d_core.files import open_regular

MAX_HEADER_LINES = 256
MAX_LINE_BYTES = 4096

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


class Element(NamedTuple):
    """``number`` things of a kind (vertex, face) in a PLY file; properties: lines as they are."""

    name: str
    number: int
    properties: list[str]


class Header(NamedTuple):
    """order: of the bytes as NumPy writes it, ``=`` for text. elements: in their order."""

    order: str
    elements: list[Element]


def read_ply(path: Path, units_per_m: float = 1.0) -> Cloud:
    """The vertices of a PLY file (ASCII or binary) that have finite coordinates, in meters.

    Colors come from red, green, blue (uint8, or floats in 0..1; black where there are none),
    normals from nx, ny, nz (zero where there are none). Faces are ignored. units_per_m: of the
    file. Raises SourceError.
    """
    try:
        with open(open_regular(path), "rb") as file:
            vertices = _vertices(file, os.fstat(file.fileno()).st_size)
        return _cloud(vertices, units_per_m)
    except FileNotFoundError as error:
        raise SourceError(f"{path}: expected a PLY file, found none") from error
    except InputError as error:
        raise SourceError(f"{path}: {error}") from error
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(
            f"{path}: expected a readable PLY file, got {reason_of(error)}"
        ) from error


def _vertices(file: BinaryIO, size: int) -> npt.NDArray[np.void]:
    header = read_header(file)
    if not header.elements or header.elements[0].name != "vertex":
        raise ValueError("no vertex element in the first place")
    _, count, properties = header.elements[0]
    dtype = vertex_dtype(properties, header.order)
    names = dtype.names or ()
    text = header.order == "="
    least = count * (2 * len(names) if text else dtype.itemsize)
    if count > MAX_POINTS or least > size - file.tell() + 1:
        raise ValueError(f"{count} vertices in a file of {size} bytes (at most {MAX_POINTS})")
    if not text:
        return np.frombuffer(file.read(least), dtype, count)
    rows = np.loadtxt(file, np.float64, max_rows=count, ndmin=2) if count else np.zeros((0, 0))
    if len(rows) != count or (count and rows.shape[1] != len(names)):
        raise ValueError(f"{rows.shape} numbers for {count} vertices of {len(names)} properties")
    vertices = np.zeros(count, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for column, name in enumerate(names if count else ()):
            vertices[name] = rows[:, column]
    return vertices


def read_header(file: BinaryIO) -> Header:
    """The header up to its end. Raises ValueError that names the line at fault."""
    lines: list[list[str]] = []
    for _ in range(MAX_HEADER_LINES):
        words = file.readline(MAX_LINE_BYTES).decode("ascii").split()
        if words == ["end_header"]:
            return _header(lines)
        if not words and not lines:
            break
        if words and words[0] not in ("comment", "obj_info"):
            lines.append(words)
    raise ValueError("no PLY header")


def _header(lines: list[list[str]]) -> Header:
    if lines[:1] != [["ply"]]:
        raise ValueError("no PLY header")
    encoding = lines[1][1] if len(lines) > 1 and lines[1][0] == "format" and lines[1][1:] else ""
    if encoding not in BYTE_ORDERS:
        raise ValueError(f"format {encoding!r}, not one of {', '.join(BYTE_ORDERS)}")
    elements: list[Element] = []
    for words in lines[2:]:
        if words[0] == "element":
            if len(words) != 3 or not words[2].isdecimal():
                raise ValueError(f"header line {' '.join(words)!r} without a name and a count")
            elements.append(Element(words[1], int(words[2]), []))
        elif elements:
            elements[-1].properties.append(" ".join(words))
        else:
            raise ValueError(f"header line {' '.join(words)!r} before the first element")
    return Header(BYTE_ORDERS[encoding], elements)


def vertex_dtype(lines: list[str], order: str) -> np.dtype[np.void]:
    """The packed record of scalar ``property`` lines. Raises ValueError for another."""
    fields: list[tuple[str, str]] = []
    for line in lines:
        words = line.split()
        if len(words) != 3 or words[0] != "property" or words[1] not in TYPES:
            raise ValueError(f"property {line!r}")
        fields.append((words[2], order + TYPES[words[1]]))
    return np.dtype(fields)


def _cloud(vertices: npt.NDArray[np.void], units_per_m: float) -> Cloud:
    names = set(vertices.dtype.names or ())
    if not {"x", "y", "z"} <= names:
        raise ValueError(f"vertex properties {', '.join(sorted(names))} without x, y, z")
    points = _columns(vertices, ("x", "y", "z"), units_per_m)
    colors = np.zeros((len(vertices), 3), np.uint8)
    if {"red", "green", "blue"} <= names:
        raw = np.stack([vertices[name] for name in ("red", "green", "blue")], axis=1)
        scale = 255.0 if np.issubdtype(raw.dtype, np.floating) else 1.0
        shades = np.nan_to_num(raw.astype(np.float32), posinf=0.0, neginf=0.0) * scale
        colors = np.clip(np.rint(shades), 0, 255).astype(np.uint8)
    normals = np.zeros((len(vertices), 3), np.float32)
    if {"nx", "ny", "nz"} <= names:
        normals = unit_normals(_columns(vertices, ("nx", "ny", "nz")))
    keep = np.isfinite(points).all(axis=1)
    return Cloud(points[keep], colors[keep], normals[keep])


def _columns(
    vertices: npt.NDArray[np.void], names: tuple[str, ...], units: float = 1.0
) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        columns = [(vertices[name] / units).astype(np.float32) for name in names]
        return np.stack(columns, axis=1)

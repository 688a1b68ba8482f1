"""Reading the vertices, and the faces, of a PLY file, sizes checked before memory is taken."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import MAX_POINTS, Cloud
from om3d_core.errors import InputError, SourceError, reason_of
from om3d_core.files import open_regular
from om3d_core.formats.cloud_columns import NO_ORIGIN, PLACES, Array, Origin, cloud_of
from om3d_core.formats.mesh import MAX_TRIANGLES, Mesh, RawMesh
from om3d_core.formats.ply_rows import Property, Rows, properties_of, record_of, walk
from om3d_core.formats.text_matrix import load_rows

MAX_HEADER_LINES = 256
MAX_LINE_BYTES = 4096

NO_TRIANGLES = np.zeros((0, 3), np.int64)
CORNER_NAMES = ("vertex_indices", "vertex_index")
PLURALS = {"vertex": "vertices", "face": "faces"}
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


def read_ply(
    path: Path, units_per_m: float = 1.0, origin_m: Origin = NO_ORIGIN
) -> Cloud:
    """The vertices of a PLY file (ASCII or binary) that have finite coordinates, in meters.

    Colors and normals as :func:`~om3d_core.formats.cloud_columns.cloud_of` finds them; other
    elements and lists are passed over, wherever they stand. units_per_m: of the file. Raises
    SourceError.
    """
    with _told(path), open(open_regular(path), "rb") as file:
        return cloud_of(_vertices(file)[0], units_per_m, origin_m)


def read_ply_mesh(
    path: Path, units_per_m: float = 1.0, origin_m: Origin = NO_ORIGIN
) -> Mesh:
    """The vertices and triangles of a PLY file. Raises SourceError."""
    with _told(path), open(open_regular(path), "rb") as file:
        return RawMesh(*_vertices(file, faces=True)).mesh(units_per_m, origin_m)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{path}: expected a PLY file, found none") from error
    except InputError as error:
        raise SourceError(f"{path}: {error}") from error
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise SourceError(
            f"{path}: expected a readable PLY file, got {reason_of(error)}"
        ) from error


def _vertices(
    file: BinaryIO, faces: bool = False
) -> tuple[dict[str, Array], npt.NDArray[np.int64]]:
    """The columns of the vertices, and with ``faces`` the triangles, else none."""
    header = read_header(file)
    size = os.fstat(file.fileno()).st_size
    columns: dict[str, Array] = {}
    triangles = NO_TRIANGLES
    for element in header.elements:
        properties = properties_of(element.properties, header.order)
        if element.name == "vertex":
            names = sorted(one.name for one in properties if one.length is None)
            if not set(PLACES) <= set(names):
                raise ValueError(f"vertex properties {', '.join(names)} without x, y, z")
        _check(element, properties, header.order == "=", size - file.tell())
        wanted = faces and element.name == "face"
        if header.order == "=":
            corners = _corners_at(properties) if wanted else None
            found, fans = _text_columns(file, element.number, properties, corners)
        else:
            found, rows = _binary_columns(file, element.number, properties)
            fans = _triangles(rows, properties) if wanted and rows is not None else NO_TRIANGLES
        if element.name == "vertex":
            columns = found
        if wanted:
            triangles = fans
        if columns and (not faces or len(triangles)):
            break
    if not columns:
        raise ValueError("no vertex element")
    return columns, triangles


def _binary_columns(
    file: BinaryIO, number: int, properties: Sequence[Property]
) -> tuple[dict[str, Array], Rows | None]:
    """The scalars of packed rows, and the rows where there are lists among them."""
    if not any(one.length for one in properties):
        record = record_of(properties)
        table = np.frombuffer(file.read(number * record.itemsize), record)
        return {name: table[name] for name in record.names or ()}, None
    at = file.tell()
    rows = walk(np.frombuffer(file.read(), np.uint8), number, properties)
    file.seek(at + rows.end)
    scalars = [(k, one) for k, one in enumerate(properties) if one.length is None]
    return {one.name: rows.column(k, one.kind) for k, one in scalars}, rows


def _triangles(rows: Rows, properties: Sequence[Property]) -> npt.NDArray[np.int64]:
    place = _corners_at(properties)
    return NO_TRIANGLES if place is None else rows.triangles(place, properties[place])


def _corners_at(properties: Sequence[Property]) -> int | None:
    """The place of the list of corners among the properties of faces."""
    return next((place for place, one in enumerate(properties)
                 if one.length is not None and one.name in CORNER_NAMES), None)  # fmt: skip


def _check(element: Element, properties: Sequence[Property], text: bool, left: int) -> None:
    """Refuse more rows than the rest of the file can hold, before any is read."""
    smallest = sum((one.length or one.kind).itemsize for one in properties)
    least = element.number * (2 * len(properties) if text else smallest)
    if element.number > MAX_POINTS or least > left + 1:
        raise ValueError(
            f"{element.number} {PLURALS.get(element.name, element.name)} in a file with {left}"
            f" bytes left (at most {MAX_POINTS})"
        )


def _text_columns(
    file: BinaryIO, number: int, properties: Sequence[Property], corners: int | None = None
) -> tuple[dict[str, Array], npt.NDArray[np.int64]]:
    """The scalars of rows of text, each a line, and the triangles of the list ``corners``."""
    fans = array("q")
    scalars = [one for one in properties if one.length is None]
    if len(scalars) == len(properties):
        rows = load_rows(file, [len(scalars)], number) if number else None
    else:
        lines = (_row_of_line(file, properties, corners, fans) for _ in range(number))
        rows = np.array(list(lines), np.float64).reshape(number, len(scalars))
    if rows is None:
        return {one.name: np.zeros(0, one.kind) for one in scalars}, NO_TRIANGLES
    if rows.shape != (number, len(scalars)):
        raise ValueError(f"{rows.shape} numbers for {number} rows of {len(scalars)} properties")
    with np.errstate(over="ignore", invalid="ignore"):
        columns = {one.name: rows[:, k].astype(one.kind) for k, one in enumerate(scalars)}
    return columns, np.frombuffer(fans, np.int64).reshape(-1, 3) if fans else NO_TRIANGLES


def _row_of_line(
    file: BinaryIO, properties: Sequence[Property], corners: int | None, fans: array[int]
) -> list[float]:
    """The scalars of a line; the triangles of its list ``corners`` are added to ``fans``."""
    words: list[bytes] = []
    while not words:
        line = file.readline()
        if not line:
            raise ValueError("fewer rows than declared")
        words = line.split()
    values, at = [], 0
    for place, one in enumerate(properties):
        if at >= len(words):
            raise ValueError("a row of too few numbers")
        if one.length is None:
            values.append(float(words[at]))
        else:
            count = int(words[at])
            if not 0 <= count < len(words):
                raise ValueError(f"a list of {count} in a row of {len(words)} numbers")
            if place == corners:
                listed = [int(word) for word in words[at + 1 : at + 1 + count]]
                for second, third in zip(listed[1:], listed[2:], strict=False):
                    fans.extend((listed[0], second, third))
            at += count
        at += 1
    if len(fans) > 3 * MAX_TRIANGLES:
        raise ValueError(f"more than {MAX_TRIANGLES} triangles")
    if at != len(words):
        raise ValueError(f"a row of {len(words)} numbers, not {at}")
    return values


def read_header(file: BinaryIO) -> Header:
    """The header up to its end. Raises ValueError that names the line at fault."""
    lines: list[list[str]] = []
    for _ in range(MAX_HEADER_LINES):
        words = file.readline(MAX_LINE_BYTES).decode("utf-8", "replace").lower().split()
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
    properties = properties_of(lines, order)
    for one, line in zip(properties, lines, strict=True):
        if one.length is not None:
            raise ValueError(f"property {line!r}")
    return record_of(properties)

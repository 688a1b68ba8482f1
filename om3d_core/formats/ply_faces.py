"""Reading the faces of a binary PLY mesh together with one number that each carries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from om3d_core.errors import SourceError, reason_of
from om3d_core.files import open_regular
from om3d_core.formats.ply import CORNER_NAMES, read_header, vertex_dtype
from om3d_core.formats.ply_rows import TYPES

MAX_CORNERS = 1 << 25


@dataclass(frozen=True, eq=False)
class FaceValues:
    """corners: (C,) vertex of every corner of every face. values: (C,) number of its face."""

    corners: npt.NDArray[np.int64]
    values: npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Layout:
    """Of a face: bytes before the corner count, types of count and corner, bytes after it.

    value_at: bytes before the value, from the start of the face, or from the end of its corners.
    """

    before: int
    count: np.dtype[Any]
    corner: np.dtype[Any]
    after: int
    value: np.dtype[Any]
    value_at: int
    value_is_after: bool


def read_face_property(path: Path, name: str) -> FaceValues:
    """The integer property ``name`` of the faces, spread over their corners.

    The faces follow the vertices, and each is a list of corners among scalar properties; faces
    may differ in their number of corners. Raises SourceError.
    """
    try:
        with open(open_regular(path), "rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size, name)
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(
            f"{path}: expected binary faces with {name}, got {reason_of(error)}"
        ) from error


def _read(file: BinaryIO, size: int, name: str) -> FaceValues:
    header = read_header(file)
    if header.order == "=":
        raise ValueError("an ASCII file")
    kinds = [element.name for element in header.elements]
    if kinds[:2] != ["vertex", "face"]:
        raise ValueError(f"elements {kinds}, not vertex and face")
    vertices, faces = header.elements[:2]
    layout = _layout(faces.properties, header.order, name)
    skipped = vertices.number * vertex_dtype(vertices.properties, header.order).itemsize
    least = faces.number * (layout.before + layout.count.itemsize + layout.after)
    if file.tell() + skipped + least > size:
        raise ValueError(f"{vertices.number} vertices and {faces.number} faces in {size} bytes")
    file.seek(skipped, os.SEEK_CUR)
    data = np.frombuffer(file.read(), np.uint8)
    count_corners, read_corners = _kernels()
    little = header.order == "<"
    shape = (layout.before, layout.count.itemsize, layout.corner.itemsize, layout.after)
    total = count_corners(data, faces.number, *shape, little)
    if total < 0:
        raise ValueError("truncated faces")
    if total > MAX_CORNERS:
        raise ValueError(f"{total} corners, at most {MAX_CORNERS} are read")
    corners, values = np.empty(total, np.int64), np.empty(total, np.int64)
    read_corners(
        data, faces.number, *shape, little, layout.corner.kind == "i", layout.value_at,
        layout.value.itemsize, layout.value.kind == "i", layout.value_is_after, corners, values,
    )
    return FaceValues(corners, values)


def _layout(lines: list[str], order: str, name: str) -> _Layout:
    lists = [i for i, line in enumerate(lines) if line.split()[1:2] == ["list"]]
    if len(lists) != 1:
        raise ValueError(f"{len(lists)} list properties of faces, not 1")
    at = lists[0]
    words = lines[at].split()
    if len(words) != 5 or words[4] not in CORNER_NAMES:
        raise ValueError(f"face property {lines[at]!r} where {CORNER_NAMES[0]} should be")
    before, after = vertex_dtype(lines[:at], order), vertex_dtype(lines[at + 1 :], order)
    part = before if name in (before.names or ()) else after
    if name not in (part.names or ()):
        raise ValueError(f"no face property {name}")
    value, value_at = (part.fields or {})[name][:2]  # type: ignore[index]
    count, corner = (np.dtype(TYPES.get(word, "V")) for word in words[2:4])
    for what, kind in (("corner count", count), ("corner", corner), (name, value)):
        if kind.kind not in "iu":
            raise ValueError(f"a {what} that is no integer")
    return _Layout(
        before.itemsize, count, corner, after.itemsize, value, value_at, part is after
    )


@lru_cache(maxsize=1)
def _kernels() -> tuple[Any, Any]:
    import numba

    @numba.njit(cache=True)
    def integer(data: Any, at: int, size: int, little: bool, signed: bool) -> Any:
        value = np.int64(0)
        for i in range(size):
            byte = np.int64(data[at + (size - 1 - i if little else i)])
            if i == 0 and signed and byte > 127:
                byte -= 256
            value = value * 256 + byte
        return value

    @numba.njit(cache=True)
    def count_corners(
        data: Any, n: int, before: int, head: int, corner: int, after: int, little: bool
    ) -> int:
        """The number of corners, or -1 where the faces go beyond the data."""
        at, total = 0, 0
        for _ in range(n):
            at += before
            if at + head > len(data):
                return -1
            corners = integer(data, at, head, little, False)
            at += head
            if corners < 0 or corners > (len(data) - at) // corner:
                return -1
            at += corners * corner + after
            if at > len(data):
                return -1
            total += corners
        return total

    @numba.njit(cache=True)
    def read_corners(
        data: Any, n: int, before: int, head: int, corner: int, after: int, little: bool,
        corner_signed: bool, value_at: int, value_size: int, value_signed: bool,
        value_is_after: bool, corners: Any, values: Any,
    ) -> None:  # fmt: skip
        at, k = 0, 0
        for _ in range(n):
            start = at
            at += before
            count = integer(data, at, head, little, False)
            at += head
            end = at + count * corner
            where = value_at + (end if value_is_after else start)
            value = integer(data, where, value_size, little, value_signed)
            for _ in range(count):
                corners[k] = integer(data, at, corner, little, corner_signed)
                values[k] = value
                at += corner
                k += 1
            at = end + after

    return count_corners, read_corners

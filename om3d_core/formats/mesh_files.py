"""Meshes of Wavefront (.obj) and of stereolithography (.stl), both with text, .stl also binary.

Read here and not by a library, as an .obj names other files, which nobody asked to be opened.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import MAX_POINTS
from om3d_core.errors import InputError, SourceError, reason_of
from om3d_core.files import open_regular
from om3d_core.formats.cloud_columns import COLORS, PLACES, Array
from om3d_core.formats.mesh import MAX_TRIANGLES, RawMesh

SUFFIXES = (".obj", ".stl")
MAX_LINE_BYTES = 65536
HEAD_BYTES = 80
FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read_mesh_file(path: Path) -> RawMesh:
    """The vertices and triangles of an .obj or .stl; polygons are cut into triangles.

    Colors of an .obj are those after the places of its vertices; materials are not read. An .stl
    has its corners once each. Raises SourceError.
    """
    kind = path.suffix.lower()
    try:
        with open(open_regular(path), "rb") as file:
            return _read_obj(file) if kind == ".obj" else _read_stl(file)
    except FileNotFoundError as error:
        raise SourceError(f"{path}: expected a mesh, found none") from error
    except (OSError, ValueError, OverflowError, InputError) as error:
        raise SourceError(
            f"{path}: expected a readable {kind} mesh, got {reason_of(error)}"
        ) from error


def _read_obj(file: BinaryIO) -> RawMesh:
    numbers, corners = array("d"), array("q")
    width = 0
    for words in _lines(file):
        if words[0] == b"v":
            width = width or len(words) - 1
            if len(words) - 1 != width or width not in (3, 4, 6, 7):
                raise ValueError(f"a vertex of {len(words) - 1} numbers, not {width or 3}")
            numbers.extend(map(float, words[1:]))
            if len(numbers) > MAX_POINTS * width:
                raise ValueError(f"more than {MAX_POINTS} vertices")
        elif words[0] == b"f":
            _fan_out(words[1:], len(numbers) // max(width, 1), corners)
    if not width:
        raise ValueError("no vertices")
    rows = np.frombuffer(numbers, np.float64).reshape(-1, width)
    columns: dict[str, Array] = dict(zip(PLACES, rows.T, strict=False))
    if width > 4:
        columns |= dict(zip(COLORS[0], rows.T[-3:], strict=True))
    return RawMesh(columns, np.frombuffer(corners, np.int64).reshape(-1, 3))


def _fan_out(words: Sequence[bytes], n_vertices: int, corners: array[int]) -> None:
    """Add the triangles of a polygon; a corner is ``v``, ``v/vt`` or ``v/vt/vn``, from 1, or from
    -1 backward."""
    given = [int(word.split(b"/", 1)[0]) for word in words]
    if 0 in given or len(given) < 3:
        raise ValueError("a face of fewer than three corners, or of corner 0")
    polygon = [k - 1 if k > 0 else n_vertices + k for k in given]
    for second, third in zip(polygon[1:], polygon[2:], strict=False):
        corners.extend((polygon[0], second, third))
    if len(corners) > 3 * MAX_TRIANGLES:
        raise ValueError(f"more than {MAX_TRIANGLES} triangles")


def _read_stl(file: BinaryIO) -> RawMesh:
    size = os.fstat(file.fileno()).st_size
    head = file.read(HEAD_BYTES + 4)
    number = int.from_bytes(head[HEAD_BYTES:], "little")
    whole = HEAD_BYTES + 4 + number * FACET.itemsize
    if len(head) == HEAD_BYTES + 4 and size == whole:
        if number > MAX_TRIANGLES:
            raise ValueError(f"{number} triangles, at most {MAX_TRIANGLES} are read")
        facets = np.frombuffer(file.read(number * FACET.itemsize), FACET)
        return _welded(facets["corners"].reshape(-1, 3))
    if not head.lstrip().lower().startswith(b"solid"):
        raise ValueError(f"{size} bytes, not the {whole} of its {number} triangles")
    file.seek(0)
    numbers = array("d")
    for words in _lines(file):
        if words[0].lower() == b"vertex":
            if len(words) != 4:
                raise ValueError(f"a vertex of {len(words) - 1} numbers, not 3")
            numbers.extend(map(float, words[1:]))
            if len(numbers) > 9 * MAX_TRIANGLES:
                raise ValueError(f"more than {MAX_TRIANGLES} triangles")
    if not numbers or len(numbers) % 9:
        raise ValueError(f"{len(numbers) // 3} corners, not three a triangle")
    return _welded(np.frombuffer(numbers, np.float64).reshape(-1, 3))


def _welded(corners: npt.NDArray[np.floating]) -> RawMesh:
    """The mesh of corners (3 T, 3), three a triangle, each place once."""
    places, triangles = np.unique(corners, axis=0, return_inverse=True)
    return RawMesh(dict(zip(PLACES, places.T, strict=True)), triangles.reshape(-1, 3))


def _lines(file: BinaryIO) -> Iterator[list[bytes]]:
    """The words of lines that have some; one that ends in a backslash goes on in the next."""
    before: list[bytes] = []
    while line := file.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            raise ValueError(f"a line of {MAX_LINE_BYTES} bytes or more")
        words = before + line.split()
        before = []
        if words and words[-1] == b"\\":
            before = words[:-1]
            if len(before) > MAX_LINE_BYTES:
                raise ValueError(f"a line of {MAX_LINE_BYTES} words or more")
        elif words:
            yield words

"""Reading the faces of a binary PLY mesh together with one number that each carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from om3d_core.errors import SourceError
from om3d_core.formats.ply import BYTE_ORDERS, TYPES, read_header, vertex_dtype

MAX_FACES = 200_000_000
SHORTEST_LOOK = 64
CORNER_NAMES = ("vertex_indices", "vertex_index")


@dataclass(frozen=True, eq=False)
class FaceValues:
    """corners: (C,) vertex of every corner of every face. values: (C,) number of its face."""

    corners: npt.NDArray[np.int64]
    values: npt.NDArray[np.int64]


def read_face_property(path: Path, name: str) -> FaceValues:
    """The integer property ``name`` of the faces, spread over their corners.

    The faces follow the vertices, and each is a list of corners among scalar properties; faces
    may differ in their number of corners. Raises SourceError.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size, name)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SourceError(f"{path}: expected binary faces with {name}, got {error}") from error


def _read(file: BinaryIO, size: int, name: str) -> FaceValues:
    lines = read_header(file)
    order = BYTE_ORDERS[lines[1].split()[1]]
    if order == "=":
        raise ValueError("an ASCII file")
    starts = [i for i, line in enumerate(lines) if line.startswith("element ")]
    kinds = [lines[i].split()[1] for i in starts]
    if kinds[:2] != ["vertex", "face"]:
        raise ValueError(f"elements {kinds}, not vertex and face")
    n_vertices, n_faces = (int(lines[i].split()[2]) for i in starts[:2])
    stop = starts[2] if len(starts) > 2 else len(lines)
    vertex = vertex_dtype(lines[starts[0] + 1 : starts[1]], order)
    count, before, corner, after = _layout(lines[starts[1] + 1 : stop], order)
    offset = file.tell() + n_vertices * vertex.itemsize
    if not 0 <= n_faces <= MAX_FACES or not 0 <= n_vertices or offset > size:
        raise ValueError(f"{n_vertices} vertices and {n_faces} faces in {size} bytes")
    file.seek(offset)
    data = np.frombuffer(file.read(), np.uint8)
    part = "before" if name in (before.names or ()) else "after"
    if name not in (before.names or ()) + (after.names or ()):
        raise ValueError(f"no face property {name}")
    corners, values, at, look = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0, SHORTEST_LOOK
    while n_faces:
        head = data[at + before.itemsize :][: count.itemsize]
        if len(head) < count.itemsize:
            raise ValueError("truncated faces")
        (n_corners,) = head.view(count)
        face = np.dtype([("before", before), ("n", count), ("corners", corner, (int(n_corners),)),
                         ("after", after)])  # fmt: skip
        fit = min((len(data) - at) // face.itemsize, n_faces, look)
        rows = data[at : at + fit * face.itemsize].view(face)
        alike = _first_run(rows["n"] == n_corners)
        if not alike:
            raise ValueError("truncated faces")
        corners.append(rows["corners"][:alike].astype(np.int64).ravel())
        values.append(np.repeat(rows[part][name][:alike].astype(np.int64), int(n_corners)))
        at, n_faces = at + alike * face.itemsize, n_faces - alike
        look = 4 * look if alike == fit else SHORTEST_LOOK
    return FaceValues(np.concatenate(corners), np.concatenate(values))


def _first_run(flags: npt.NDArray[np.bool_]) -> int:
    """How many of the first flags are true."""
    return len(flags) if flags.all() else int(np.argmin(flags))


def _layout(
    lines: list[str], order: str
) -> tuple[np.dtype[np.generic], np.dtype[np.void], np.dtype[np.generic], np.dtype[np.void]]:
    """Types of the corner count, of what lies before it, of a corner, and of what lies after."""
    lists = [i for i, line in enumerate(lines) if line.split()[1] == "list"]
    if len(lists) != 1:
        raise ValueError(f"{len(lists)} list properties of faces, not 1")
    at = lists[0]
    _, _, count, corner, name = lines[at].split()
    if name not in CORNER_NAMES:
        raise ValueError(f"face property {name!r} where {CORNER_NAMES[0]} should be")
    return (
        np.dtype(order + TYPES[count]),
        vertex_dtype(lines[:at], order),
        np.dtype(order + TYPES[corner]),
        vertex_dtype(lines[at + 1 :], order),
    )

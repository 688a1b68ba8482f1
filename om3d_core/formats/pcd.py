"""PCD files, the clouds of PCL, read with sizes checked before anything is allocated, and written
(https://pointclouds.org/documentation/tutorials/pcd_file_format.html)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import MAX_POINTS, Cloud
from om3d_core.errors import InputError, SourceError, expect, reason_of
from om3d_core.files import open_regular
from om3d_core.formats.cloud_columns import NO_ORIGIN, Array, Origin, cloud_of
from om3d_core.formats.lzf import decompress
from om3d_core.formats.text_matrix import load_rows

MAX_HEADER_LINES, MAX_LINE_BYTES = 64, 4096
MAX_FIELDS, MAX_COUNT = 64, 4096
DATA = ("ascii", "binary", "binary_compressed")
KEYS = ("fields", "size", "type", "points", "data")


class _Header(NamedTuple):
    record: np.dtype[np.void]
    points: int
    data: str


def read_pcd(
    path: Path, units_per_m: float = 1.0, origin_m: Origin = NO_ORIGIN
) -> Cloud:
    """The points of a PCD file (ascii, binary, binary_compressed), in meters; colors and normals
    as :func:`~om3d_core.formats.cloud_columns.cloud_of` finds them. VIEWPOINT is not applied.

    Raises SourceError.
    """
    try:
        with open(open_regular(path), "rb") as file:
            columns = _columns(file, os.fstat(file.fileno()).st_size)
        return cloud_of(columns, units_per_m, origin_m)
    except FileNotFoundError as error:
        raise SourceError(f"{path}: expected a PCD file, found none") from error
    except InputError as error:
        raise SourceError(f"{path}: {error}") from error
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(
            f"{path}: expected a readable PCD file, got {reason_of(error)}"
        ) from error


def pcd_bytes(cloud: Cloud) -> bytes:
    """The content of a binary PCD file of version 0.7: x y z (float, meters) and
    rgb, packed as PCL packs it.
    """
    n = len(cloud)
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\n"
        f"TYPE F F F F\nCOUNT 1 1 1 1\nWIDTH {n}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {n}\n"
        "DATA binary\n"
    )
    rows = np.zeros((n, 4), "<f4")
    rows[:, :3] = cloud.points
    red, green, blue = cloud.colors.astype("<u4").T
    rows.view("<u4")[:, 3] = red << 16 | green << 8 | blue
    return header.encode("ascii") + rows.tobytes()


def _columns(file: BinaryIO, size: int) -> dict[str, Array]:
    record, points, data = _header(file)
    names, left = record.names or (), size - file.tell()
    if data == "ascii":
        expect(points <= left, f"{points} points", f"{left} bytes")
        return _of_text(file, record, points)
    if data == "binary":
        least = points * record.itemsize
        expect(least <= left, f"{least} bytes of {points} points", left)
        table = np.frombuffer(file.read(least), record)
        return {name: _scalar(table[name]) for name in names}
    packed, unpacked = np.frombuffer(file.read(8).ljust(8, b"\0"), "<u4").tolist()
    expect(unpacked == points * record.itemsize,
           f"{points * record.itemsize} bytes of {points} points", unpacked)
    expect(packed <= left - 8, f"{packed} compressed bytes", max(0, left - 8))
    raw = decompress(np.frombuffer(file.read(packed), np.uint8), unpacked)
    columns, at = {}, 0
    for name in names:
        kind = record[name]
        end = at + points * kind.itemsize
        columns[name] = _scalar(np.frombuffer(raw[at:end].tobytes(), kind, points))
        at = end
    return columns


def _header(file: BinaryIO) -> _Header:
    """The header, field by field of a line each."""
    lines: dict[str, list[str]] = {}
    for _ in range(MAX_HEADER_LINES):
        words = file.readline(MAX_LINE_BYTES).decode("utf-8", "replace").lower().split()
        if words and not words[0].startswith("#"):
            lines[words[0]] = words[1:]
        if words[:1] == ["data"]:
            break
    missing = [key.upper() for key in KEYS if not lines.get(key)]
    expect(not missing, "a PCD header with FIELDS, SIZE, TYPE, POINTS and DATA",
           f"none of {', '.join(missing)}")
    names = lines["fields"]
    counts = [int(word) for word in lines.get("count") or ["1"] * len(names)]
    kinds = [f"{_kind(kind)}{size}" for kind, size in
             zip(lines["type"], lines["size"], strict=True)]  # fmt: skip
    expect(len(names) <= MAX_FIELDS, f"at most {MAX_FIELDS} fields", len(names))
    expect(all(1 <= count <= MAX_COUNT for count in counts), f"counts of 1..{MAX_COUNT}", counts)
    unique = [f"{name} {k}" if name in names[:k] or name == "_" else name
              for k, name in enumerate(names)]  # fmt: skip
    record = np.dtype([(name, f"<{kind}", (count,)) for name, kind, count in
                       zip(unique, kinds, counts, strict=True)])  # fmt: skip
    points, data = int(lines["points"][0]), lines["data"][0]
    expect(0 <= points <= MAX_POINTS, f"at most {MAX_POINTS} points", points)
    expect(data in DATA, f"DATA of {', '.join(DATA)}", repr(data)[:40])
    return _Header(record, points, data)


def _kind(kind: str) -> str:
    expect(kind in {"f", "i", "u"}, "TYPE of F, I or U", repr(kind)[:40])
    return kind


def _of_text(file: BinaryIO, record: np.dtype[np.void], points: int) -> dict[str, Array]:
    widths = [record[name].shape[0] for name in record.names or ()]
    rows: npt.NDArray[np.float64] = (
        load_rows(file, [sum(widths)], points)
        if points else np.zeros((0, sum(widths)))
    )
    expect(rows.shape == (points, sum(widths)),
           f"{points} rows of {sum(widths)} numbers", rows.shape)
    columns: dict[str, Array] = {}
    with np.errstate(over="ignore", invalid="ignore"):
        for name, at in zip(record.names or (), np.cumsum([0, *widths]).tolist(), strict=False):
            columns[name] = rows[:, at].astype(record[name].base)
    return columns


def _scalar(column: Array) -> Array:
    """The first of the numbers that a field has."""
    return column[:, 0]

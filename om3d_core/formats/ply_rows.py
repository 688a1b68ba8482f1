"""Rows of an element of a PLY file: scalars in columns, lists passed over or gathered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

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


class Property(NamedTuple):
    """A property of an element; length: the type of a list's length, None for a scalar."""

    name: str
    kind: np.dtype[Any]
    length: np.dtype[Any] | None = None


def properties_of(lines: Sequence[str], order: str) -> list[Property]:
    """The properties of header lines. Raises ValueError for a line that is none."""
    found = []
    for line in lines:
        words = line.split()
        kinds = [TYPES.get(word, "") for word in words[1:-1] if word != "list"]
        is_list = words[1:2] == ["list"]
        if words[:1] != ["property"] or len(words) != (5 if is_list else 3) or "" in kinds:
            raise ValueError(f"property {line!r}")
        types = [np.dtype(order + kind) for kind in kinds]
        if is_list and types[0].kind == "f":
            raise ValueError(f"property {line!r}: a length that is no integer")
        found.append(Property(words[-1], types[-1], types[0] if is_list else None))
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise ValueError(f"two properties of one name among {', '.join(names)}")
    return found


def record_of(properties: Sequence[Property]) -> np.dtype[np.void]:
    """The packed record of scalars."""
    return np.dtype([(one.name, one.kind) for one in properties])


class Rows(NamedTuple):
    """Where rows lie in ``data``. starts: (N, K) of their K properties, a list's at its length;
    end: after the last row."""

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    end: int

    def column(self, place: int, kind: np.dtype[Any]) -> Array:
        """(N,) the scalar property at a place among all."""
        return _gathered(self.data, self.starts[:, place], kind)

    def triangles(self, place: int, listed: Property) -> npt.NDArray[np.int64]:
        """(T, 3) corners of the triangles that polygons, given as a list, fan out into."""
        assert listed.length is not None
        starts = self.starts[:, place]
        counts = _gathered(self.data, starts, listed.length).astype(np.int64)
        fans = []
        for corners in np.unique(counts[counts >= 3]).tolist():
            first = starts[counts == corners] + listed.length.itemsize
            size = listed.kind.itemsize
            of = np.stack([_gathered(self.data, first + k * size, listed.kind)
                           for k in range(corners)], axis=1).astype(np.int64)  # fmt: skip
            fans += [of[:, [0, k, k + 1]] for k in range(1, corners - 1)]
        return np.concatenate(fans) if fans else np.zeros((0, 3), np.int64)


def walk(data: npt.NDArray[np.uint8], number: int, properties: Sequence[Property]) -> Rows:
    """The rows at the beginning of ``data``. Raises ValueError where they go beyond it."""
    smallest = sum((one.length or one.kind).itemsize for one in properties)
    if number * smallest > len(data):
        raise ValueError(f"{number} rows in {len(data)} bytes")
    heads = np.array([one.length.itemsize if one.length else 0 for one in properties], np.int64)
    sizes = np.array([one.kind.itemsize for one in properties], np.int64)
    signed = np.array([one.length is not None and one.length.kind == "i" for one in properties])
    little = not any(one.kind.byteorder == ">" or (one.length and one.length.byteorder == ">")
                     for one in properties)  # fmt: skip
    starts = np.zeros((number, len(properties)), np.int64)
    end = int(_walker()(data, heads, sizes, signed, little, starts))
    if end < 0:
        raise ValueError(f"truncated rows of {', '.join(one.name for one in properties)}")
    return Rows(data, starts, end)


def _gathered(data: npt.NDArray[np.uint8], at: Array, kind: np.dtype[Any]) -> Array:
    parts = data[at[:, None] + np.arange(kind.itemsize)]
    return np.ascontiguousarray(parts).view(kind).reshape(-1)


@lru_cache(maxsize=1)
def _walker() -> Any:
    import numba

    @numba.njit(cache=True)
    def walk_rows(
        data: Any, heads: Any, sizes: Any, signed: Any, little: bool, starts: Any
    ) -> Any:
        """The end of the rows, or -1 where they go beyond the data."""
        at = np.int64(0)
        for i in range(starts.shape[0]):
            for k in range(starts.shape[1]):
                starts[i, k] = at
                if at + max(heads[k], sizes[k] if heads[k] == 0 else 0) > len(data):
                    return -1
                if heads[k] == 0:
                    at += sizes[k]
                    continue
                count = np.int64(0)
                for b in range(heads[k]):
                    byte = data[at + (heads[k] - 1 - b if little else b)]
                    if b == 0 and signed[k] and byte > 127:
                        return -1
                    count = count * 256 + np.int64(byte)
                at += heads[k]
                if count > (len(data) - at) // sizes[k]:
                    return -1
                at += count * sizes[k]
        return at

    return walk_rows

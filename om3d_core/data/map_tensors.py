"""safetensors files of a saved map, whose header is checked before their data is read."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.map_files import exactly
from om3d_core.errors import InputError, expect

MAX_HEADER_BYTES = 1_000_000
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "U8": np.dtype("u1"), "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"), "BOOL": np.dtype("?"),
}
Arrays = dict[str, npt.NDArray[Any]]
Layout = dict[str, tuple[str, tuple[int, ...]]]
"""The dtype and shape of every array."""


@dataclass(frozen=True)
class Tensor:
    """Where an array lies behind the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def n_bytes(self) -> int:
        """Its size."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class Header:
    """The head of a file: its bytes, what it says, and how much data follows."""

    content: tuple[bytearray, bytearray]
    tensors: dict[str, Tensor]
    n_bytes: int


def read_header(
    file: BufferedReader, n_bytes: int, layout_of: Callable[[dict[str, Any]], Layout]
) -> Header:
    """The header of a file of ``n_bytes``, read to where its data begin.

    layout_of: the arrays that there must be, given the header as it is. Raises
    :class:`InputError` that names the array, before more than the header is read.
    """
    head = exactly(file, 8)
    size = int.from_bytes(head, "little")
    limit = min(MAX_HEADER_BYTES, n_bytes - 8)
    expect(size <= limit, f"a header of at most {limit} bytes", size)
    text = exactly(file, size)
    rest = n_bytes - 8 - size
    return Header((head, text), _tensors(bytes(text), layout_of, rest), rest)


def header_of(layout: Layout) -> bytes:
    """The header of a file with these arrays, one after the other."""
    values, start = {}, 0
    for name, (dtype, shape) in layout.items():
        end = start + Tensor(dtype, shape, start).n_bytes
        values[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(values).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def side(header: dict[str, Any], name: str, axis: int = 0, ndim: int = 1) -> int:
    """The length of an axis that only the header of the array tells."""
    entry = header.get(name)
    shape = entry.get("shape") if isinstance(entry, dict) else None
    expect(_are_counts(shape) and len(shape or ()) == ndim, f"{name} with {ndim} axes",
           reprlib.repr(entry))
    return int(shape[axis])  # type: ignore[index]


def array_of(name: str, tensor: Tensor, body: bytearray) -> npt.NDArray[Any]:
    """An array within the data behind the header."""
    dtype = DTYPES[tensor.dtype]
    count = math.prod(tensor.shape)
    if tensor.dtype == "BOOL":
        raw = np.frombuffer(body, np.uint8, count, tensor.start)
        expect(int(raw.max(initial=0)) <= 1, f"{name} of 0 and 1", int(raw.max(initial=0)))
    return np.frombuffer(body, dtype, count, tensor.start).reshape(tensor.shape)


def _tensors(
    text: bytes, layout_of: Callable[[dict[str, Any]], Layout], n_bytes: int
) -> dict[str, Tensor]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected a safetensors header, got {error}") from error
    expect(isinstance(header, dict), "a safetensors header", type(header).__name__)
    layout = layout_of(header)
    expect(set(header) == set(layout), f"the arrays {sorted(layout)}",
           reprlib.repr(sorted(set(header) ^ set(layout))) + " too many or missing")
    tensors, spans = {}, []
    for name, (dtype, shape) in layout.items():
        entry = header[name]
        expect(isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"},
               f"{name} with dtype, shape and data_offsets", reprlib.repr(entry))
        got, got_shape, span = entry["dtype"], entry["shape"], entry["data_offsets"]
        expect(got == dtype and _are_counts(got_shape) and tuple(got_shape) == shape,
               f"{name} of dtype {dtype} and shape {shape}", reprlib.repr((got, got_shape)))
        expect(_are_counts(span) and len(span) == 2, f"{name} at two offsets", reprlib.repr(span))
        tensors[name] = Tensor(dtype, shape, span[0])
        expect(span[1] - span[0] == tensors[name].n_bytes,
               f"{name} of {tensors[name].n_bytes} bytes", span)
        spans.append(tuple(span))
    starts, ends = zip(*sorted(spans), strict=True)
    expect((0, *ends) == (*starts, n_bytes), f"arrays that fill the {n_bytes} bytes", "others")
    return tensors


def _are_counts(values: object) -> bool:
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)

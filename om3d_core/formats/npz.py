"""Arrays in .npz files: numbers only, sizes taken from headers before memory is."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, expect, reason_of
from om3d_core.formats.npy import HEADERS
from om3d_core.formats.zip_files import open_zip

SUFFIX = ".npy"
MAX_HEADER_BYTES = 4096
MAX_DIMENSIONS = 8
BLOCK_BYTES = 1 << 20


class ArrayHeader(NamedTuple):
    """What an array is: shape, whether it lies column by column, and dtype."""

    shape: tuple[int, ...]
    by_column: bool
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        """The memory that the array takes."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(path: Path, names: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    """Those of the named arrays that a .npz file holds, in native byte order.

    Raises InputError, naming the array where it is one, for a file that is damaged, encrypted or
    no .npz, and for arrays of anything but booleans and numbers of up to 64 bits.
    """
    with open_zip(path) as archive:
        held = [name for name in names if f"{name}{SUFFIX}" in archive.entries]
        if not held:
            found = sorted(name.removesuffix(SUFFIX)[:64] for name in archive.entries)[:8]
            raise InputError(f"expected one of the arrays {', '.join(names)}, got {found}")
        arrays = {}
        for name in held:
            entry = f"{name}{SUFFIX}"
            with archive.open(entry) as file:
                arrays[name] = _read(file, f"array {name}", archive.entries[entry].file_size)
        return arrays


def _read(file: IO[bytes], name: str, size: int) -> npt.NDArray[Any]:
    header = _header(file, name)
    left = size - file.tell()
    expect(
        header.n_bytes == left,
        f"{name} of {left} bytes, as the file has", f"{header.shape} of {header.dtype}",
    )
    values = np.empty(math.prod(header.shape), header.dtype)
    raw, at = values.view(np.uint8), 0
    while block := file.read(BLOCK_BYTES):
        raw[at : at + len(block)] = np.frombuffer(block, np.uint8)
        at += len(block)
    expect(at == left, f"{name} of {left} bytes", at)
    if header.dtype.kind == "b":
        np.minimum(raw, 1, out=raw)
    array = values.reshape(header.shape, order="F" if header.by_column else "C")
    return array.astype(header.dtype.newbyteorder("="), copy=False)


def _header(file: IO[bytes], name: str) -> ArrayHeader:
    try:
        reader = HEADERS[np.lib.format.read_magic(file)]
        header = ArrayHeader(*reader(file, max_header_size=MAX_HEADER_BYTES))
    except Exception as error:
        raise InputError(f"expected {name} as NumPy saves it, got {reason_of(error)}") from error
    shape, dtype = header.shape, header.dtype
    expect(
        dtype.kind in "biuf" and dtype.itemsize <= 8, f"{name} of numbers of up to 64 bits", dtype
    )
    expect(
        len(shape) <= MAX_DIMENSIONS and all(type(n) is int and n >= 0 for n in shape),
        f"{name} of at most {MAX_DIMENSIONS} axes", shape,
    )
    return header

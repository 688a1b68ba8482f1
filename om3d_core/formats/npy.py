"""NumPy's .npy files of numbers, judged by their headers."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, expect, reason_of

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""What reads the header of a .npy file, by the version of the format."""


def npy_shape(data: bytes) -> tuple[int, ...]:
    """The shape that the header of a .npy file of numbers tells. Raises InputError for others."""
    return _header(data)[0]


def npy_of(data: bytes) -> npt.NDArray[Any]:
    """The numbers of a .npy file. Raises InputError for anything else, before memory is taken."""
    shape, dtype, held = _header(data)
    size = math.prod(shape, start=dtype.itemsize)
    expect(0 <= size <= held, f"{size} bytes of numbers", held)
    try:
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"expected a .npy file, got {reason_of(error)}") from error


def _header(data: bytes) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, type, and the bytes after the header."""
    try:
        file = io.BytesIO(data)
        version = np.lib.format.read_magic(file)
        read = HEADERS.get(version)
        expect(read is not None, "a .npy file of version 1 or 2", version)
        shape, _, dtype = read(file) if read else ((), False, np.dtype("O"))
        expect(dtype.kind in "iuf", "an array of numbers", dtype)
        return tuple(shape), dtype, len(data) - file.tell()
    except InputError:
        raise
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        raise InputError(f"expected a .npy file, got {reason_of(error)}") from error

"""Matrices and rows of numbers in text files."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, expect, reason_of
from om3d_core.files import read_regular
from om3d_core.formats.npy import npy_of

MAX_TEXT_BYTES = 64 * 1024
MAX_TABLE_BYTES = 64 * 1024 * 1024
BETWEEN = re.compile(r"[\s,;\[\](){}]+|\b(?:np\.)?(?:array|matrix)\b|\bdtype=\w+")
"""What stands between numbers, brackets as NumPy, JSON and MATLAB print them included."""
NPY, SHOWN = ".npy", 40


def read_matrix(path: Path, shapes: Collection[tuple[int, int]]) -> npt.NDArray[np.float64]:
    """A matrix of one of ``shapes`` from text: numbers parted by white space, commas or brackets.

    Raises InputError for a file of anything else, and for one that cannot be read.
    """
    numbers = read_numbers(path)
    for rows, columns in shapes:
        if len(numbers) == rows * columns:
            return numbers.reshape(rows, columns)
    said = " or ".join(f"{rows}x{columns}" for rows, columns in sorted(shapes))
    raise InputError(f"expected a matrix of {said}, got {len(numbers)} numbers")


def read_numbers(path: Path) -> npt.NDArray[np.float64]:
    """(N,) all numbers of a small file of text, or a .npy. Raises InputError, which shows what is
    no number."""
    if path.suffix.lower() == NPY:
        return _npy(path, MAX_TEXT_BYTES).reshape(-1)
    return numbers_in(_text(path, MAX_TEXT_BYTES))


def read_rows(path: Path) -> list[npt.NDArray[np.float64]]:
    """The numbers of each line of a text file; comments (``#``), empty lines and names of columns
    in the first line are left out. Of a .npy those of each row.

    Raises InputError that names the line.
    """
    if path.suffix.lower() == NPY:
        array = _npy(path, MAX_TABLE_BYTES)
        expect(array.ndim >= 2 and array.size > 0, "rows of numbers", array.shape)
        return list(array.reshape(len(array), -1))
    rows = []
    for number, line in enumerate(_text(path, MAX_TABLE_BYTES).splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if content and not (number == 1 and _names_columns(content)):
            try:
                rows.append(numbers_in(content))
            except InputError as error:
                raise InputError(f"line {number}: {error}") from error
    return rows


def load_rows(
    file: BinaryIO, columns: Collection[int], most: int
) -> npt.NDArray[np.float64]:
    """(R, C) the next rows of a file of text, ``most`` at most; C is one of ``columns``.

    NumPy takes memory for all rows at once, by the first of them, so that its length is looked at
    before, and no more rows are asked for than the file can hold. Raises ValueError.
    """
    at, words = file.tell(), list[str]()
    while not words and (line := file.readline(MAX_TEXT_BYTES)):
        if len(line) == MAX_TEXT_BYTES:
            raise ValueError(f"a row of {MAX_TEXT_BYTES} bytes or more")
        words = line.decode("latin-1").partition("#")[0].split()
    if not words or len(words) not in columns:
        expected = " or ".join(map(str, sorted(columns)))
        raise ValueError(f"a row of {len(words)} numbers, not {expected}")
    held = (os.fstat(file.fileno()).st_size - at) // (2 * len(words)) + 1
    file.seek(at)
    return np.loadtxt(file, np.float64, max_rows=min(most, held), ndmin=2)


def numbers_in(text: str) -> npt.NDArray[np.float64]:
    """(N,) the numbers of a text. Raises InputError for anything else in it."""
    words = BETWEEN.sub(" ", text).split()
    try:
        return np.array([float(word) for word in words], np.float64)
    except ValueError as error:
        raise InputError(f"expected numbers, got {_first_other(words)!r}") from error


def _first_other(words: list[str]) -> str:
    return next((word[:SHOWN] for word in words if not _is_number(word)), "")


def _names_columns(line: str) -> bool:
    """Whether there is more than one word, and none is a number."""
    words = BETWEEN.sub(" ", line).split()
    return len(words) > 1 and not any(_is_number(word) for word in words)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _npy(path: Path, max_bytes: int) -> npt.NDArray[np.float64]:
    try:
        data = read_regular(path, max_bytes)
    except (OSError, ValueError) as error:
        raise InputError(f"expected numbers, got {reason_of(error)}") from error
    return npy_of(data).astype(np.float64)


def _text(path: Path, max_bytes: int) -> str:
    try:
        return read_regular(path, max_bytes).decode("utf-8", "replace").lstrip("\ufeff")
    except (OSError, ValueError) as error:
        raise InputError(f"expected numbers, got {reason_of(error)}") from error

"""Matrices in text files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, reason_of
from om3d_core.files import read_regular

MAX_TEXT_BYTES = 64 * 1024


def read_matrix(path: Path, shapes: Collection[tuple[int, int]]) -> npt.NDArray[np.float64]:
    """A matrix of one of ``shapes`` from white-space or comma separated text.

    Raises InputError for a file of anything else, and for one that cannot be read.
    """
    try:
        content = read_regular(path, MAX_TEXT_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise InputError(f"expected a matrix of numbers, got {reason_of(error)}") from error
    words = content.replace(",", " ").split()
    for rows, columns in shapes:
        if len(words) == rows * columns:
            try:
                return np.array([float(word) for word in words]).reshape(rows, columns)
            except ValueError as error:
                raise InputError(f"expected numbers, got {reason_of(error)}") from error
    raise InputError(f"expected {sorted(shapes)} numbers, got {len(words)} words")

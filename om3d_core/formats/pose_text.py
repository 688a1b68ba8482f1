"""Poses in text files, as 4x4, 3x4 or a quaternion, and many of them in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.poses import NS_PER_S, Transform, transform_from
from om3d_core.errors import InputError, expect
from om3d_core.formats.text_matrix import read_numbers, read_rows

EXPECTED = "a pose: 4x4 or 3x4 numbers, or tx ty tz qx qy qz qw"
MAX_STAMP_S = 2.0**33
UNITS = (1e3, 1e11, 1e14), (1e6, 1e14, 1e17), (1e9, 1e17, 9e18)
"""How many units of a stamp are a second, and the stamps since 1970 that are told by their
size."""
MOST_POSES = 1_000_000


@dataclass(frozen=True, eq=False)
class PoseTable:
    """Poses of one file. poses: (N, 4, 4) as stored. stamps_ns: (N,) int64, None without. numbers:
    (N,) int64 of the frames that they are of, None where the file does not tell."""

    poses: npt.NDArray[np.float64]
    stamps_ns: npt.NDArray[np.int64] | None = None
    numbers: npt.NDArray[np.int64] | None = None


def read_pose(path: Path) -> Transform:
    """The (4, 4) pose of a file as it is stored: its rotation is not checked to be exact.

    A matrix whose translation is in the last row, as column-major writers leave it, is turned.
    Raises InputError that says what the file held.
    """
    return pose_of(read_numbers(path))


def pose_of(numbers: npt.NDArray[np.float64]) -> Transform:
    """The (4, 4) pose of 16, 12 or 7 numbers, or of 8 whose first is a stamp; see above."""
    if len(numbers) == 16:
        return _upright(numbers.reshape(4, 4))
    if len(numbers) == 12:
        return np.vstack([numbers.reshape(3, 4), [0.0, 0.0, 0.0, 1.0]])
    if len(numbers) in (7, 8):
        return transform_from(numbers[-7:-4], numbers[-4:])
    raise InputError(f"expected {EXPECTED}, got {len(numbers)} numbers")


def read_pose_table(path: Path) -> PoseTable:
    """The poses of a file of one a line, or of Open3D's .log. Raises InputError.

    16 or 12 numbers a line (KITTI) or 7 (tx ty tz qx qy qz qw) are in the order of the frames;
    8 begin with a stamp (TUM), 9 with a stamp and the number of the frame (Stray Scanner).
    """
    rows = read_rows(path)
    expect(0 < len(rows) <= MOST_POSES, f"1 .. {MOST_POSES} lines with a pose", len(rows))
    widths = {len(row) for row in rows}
    if widths == {3, 4} and len(rows) % 5 == 0:
        return _log(rows)
    if widths in ({4}, {4, 3}) and len(rows) % 4 == 0:
        return PoseTable(np.stack([_upright(np.stack(rows[i : i + 4]))
                                   for i in range(0, len(rows), 4)]))  # fmt: skip
    if len(widths) != 1 or not widths <= {16, 12, 7, 8, 9}:
        found = sorted(widths)[:4]
        raise InputError(f"expected {EXPECTED} on each line, or 8 numbers of which the first is "
                         f"a stamp, got lines of {', '.join(map(str, found))} numbers")
    poses = []
    for number, row in enumerate(rows, start=1):
        try:
            poses.append(pose_of(row[2:] if len(row) == 9 else row))
        except InputError as error:
            raise InputError(f"pose {number}: {error}") from error
    if not widths <= {8, 9}:
        return PoseTable(np.stack(poses))
    table = np.stack(rows)
    numbers = _numbers(table[:, 1]) if widths == {9} else None
    return PoseTable(np.stack(poses), stamps_of(table[:, 0]), numbers)


def stamps_of(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Stamps (N,) in ns of seconds (N,), or of ms, us or ns since 1970 where they are so large.

    Raises InputError for what no clock shows.
    """
    for unit, low, high in UNITS:
        if bool(((seconds >= low) & (seconds < high)).all()):
            return np.rint(seconds * (NS_PER_S / unit)).astype(np.int64)
    good = bool(np.isfinite(seconds).all()) and bool(
        ((seconds >= 0) & (seconds < MAX_STAMP_S)).all()
    )
    expect(good, "stamps in seconds, not negative", f"{seconds.min():g} .. {seconds.max():g}")
    return np.rint(seconds * NS_PER_S).astype(np.int64)


def _log(rows: list[npt.NDArray[np.float64]]) -> PoseTable:
    """Open3D's trajectory: a line of three numbers, then the four of a matrix, for each pose."""
    blocks = [rows[i : i + 5] for i in range(0, len(rows), 5)]
    good = all(
        len(block[0]) == 3 and all(len(row) == 4 for row in block[1:]) for block in blocks
    )
    expect(good, "a line of three numbers and four lines of four for each pose", "others")
    return PoseTable(
        np.stack([_upright(np.stack(block[1:])) for block in blocks]),
        numbers=_numbers(np.stack([block[0] for block in blocks])[:, 0]),
    )


def _numbers(told: npt.NDArray[np.float64]) -> npt.NDArray[np.int64] | None:
    """The numbers (N,) of frames, None where they are none."""
    whole = bool(((told >= 0) & (told < MOST_POSES) & (told % 1 == 0)).all())
    return told.astype(np.int64) if whole and len(np.unique(told)) == len(told) else None


def _upright(matrix: Transform) -> Transform:
    """The matrix, transposed where only so the last row is that of a pose."""
    last = [0.0, 0.0, 0.0, 1.0]
    if np.array_equal(matrix[:, 3], last) and not np.array_equal(matrix[3], last):
        return np.ascontiguousarray(matrix.T)
    return matrix

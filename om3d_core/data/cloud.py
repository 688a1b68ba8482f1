"""A reconstructed point cloud in the map frame."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, expect

MAX_POINTS = 50_000_000
MAX_COORDINATE_M = 16_384.0
"""Beyond this float32 no longer tells millimeters apart."""
MAX_NORMAL = 1.1
UNIT_TOLERANCE = 1e-3
MIN_JUDGED_POINTS = 50
JUDGED_CELL_M = 1.0
MIN_POINTS_A_CELL = 4.0


@dataclass(frozen=True, eq=False)
class Cloud:
    """points: (P, 3) float32 meters, colors: (P, 3) uint8 RGB, normals: (P, 3) float32.

    Normals are unit vectors, or zero where unknown. segments: (P,) int64 ids of the fine segments
    of the surface that a data set ships with its mesh, or None where none came along.
    """

    points: npt.NDArray[np.float32]
    colors: npt.NDArray[np.uint8]
    normals: npt.NDArray[np.float32]
    segments: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.points), 3)
        for name, array, dtype in (
            ("points", self.points, np.float32),
            ("colors", self.colors, np.uint8),
            ("normals", self.normals, np.float32),
        ):
            expect(
                array.shape == shape and array.dtype == dtype,
                f"{name} of shape {shape} and dtype {np.dtype(dtype)}",
                (array.shape, array.dtype),
            )
        if self.segments is not None:
            expect(
                self.segments.shape == shape[:1] and self.segments.dtype == np.int64,
                f"segments of shape {shape[:1]} and dtype int64",
                (self.segments.shape, self.segments.dtype),
            )
        expect(len(self.points) <= MAX_POINTS, f"at most {MAX_POINTS} points", len(self.points))
        expect(bool(np.isfinite(self.points).all()), "finite points", "NaN or infinity")
        expect(bool(np.isfinite(self.normals).all()), "finite normals", "NaN or infinity")
        farthest = _largest(self.points)
        expect(
            farthest <= MAX_COORDINATE_M,
            f"points in meters within {MAX_COORDINATE_M:g} m of the origin (scale the cloud to"
            " meters, or move its origin into the scene)",
            f"a coordinate of {farthest:g}",
        )
        longest = _largest(self.normals)
        expect(longest <= MAX_NORMAL, "normals of length 1 or 0", f"a component of {longest:g}")

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def empty(cls) -> Cloud:
        """A cloud of no points."""
        return cls(
            np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.float32)
        )

    @cached_property
    def digest(self) -> str:
        """A digest of all that it holds, the same for the same content."""
        digest = hashlib.sha256()
        for array in (self.points, self.colors, self.normals, self.segments):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def select(self, rows: npt.NDArray[Any] | slice) -> Cloud:
        """The points at ``rows``: indices, a (P,) bool array, or a slice."""
        segments = None if self.segments is None else self.segments[rows]
        return Cloud(self.points[rows], self.colors[rows], self.normals[rows], segments)

    def bounds(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The corners (3,), (3,) of the axis-aligned box in meters; zeros if empty."""
        if not len(self):
            return np.zeros(3, np.float32), np.zeros(3, np.float32)
        return self.points.min(axis=0), self.points.max(axis=0)

    def check_density(self) -> None:
        """Raise InputError if the points lie too far apart for surfaces, as of another unit.

        Surfaces of points less than half a meter apart have at least four of them in a cubic
        meter; a cloud in millimeters that is taken for meters has one.
        """
        if len(self) < MIN_JUDGED_POINTS:
            return
        keys = grid_keys(np.floor(self.points / np.float32(JUDGED_CELL_M)).astype(np.int64))
        cells = 1 + int(np.count_nonzero(np.diff(np.sort(keys))))
        if len(self) < MIN_POINTS_A_CELL * cells:
            low, high = self.bounds()
            sides = " x ".join(f"{side:.4g}" for side in high - low)
            raise InputError(
                f"expected a cloud in meters with at least {MIN_POINTS_A_CELL:g} points in a cubic"
                f" meter, got {len(self)} points in {cells} over {sides} m; if it is in"
                " millimeters, scale it (of a scene folder: folder.cloud_units_per_m 1000)"
            )


def grid_keys(cells: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(P,) one number a cell (P, 3), in the order of x, y, z; no grid is allocated."""
    if not len(cells):
        return np.zeros(0, np.int64)
    low = cells.min(axis=0)
    nx, ny, nz = (cells.max(axis=0) - low + 1).tolist()
    x, y, z = (cells - low).T
    column = x * ny + y
    if nx * ny * nz >= 1 << 62:
        column = np.unique(column, return_inverse=True)[1].reshape(-1)
    keys: npt.NDArray[np.int64] = column * nz + z
    return keys


def unit_normals(normals: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(P, 3) unit normals, zero where they are not finite or of no direction."""
    result = normals.copy()
    result[~np.isfinite(normals).all(axis=1)] = 0.0
    length = np.linalg.norm(result.astype(np.float64), axis=1)
    off = (length > 0) & (np.abs(length - 1.0) > UNIT_TOLERANCE)
    result[off] = (result[off] / length[off, None]).astype(np.float32)
    return result


def _largest(array: npt.NDArray[np.float32]) -> float:
    return max(float(array.max(initial=0.0)), -float(array.min(initial=0.0)))

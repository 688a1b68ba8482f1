"""A reconstructed point cloud in the map frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.errors import expect


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
        expect(bool(np.isfinite(self.points).all()), "finite points", "NaN or infinity")
        expect(bool(np.isfinite(self.normals).all()), "finite normals", "NaN or infinity")

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def empty(cls) -> Cloud:
        """A cloud of no points."""
        return cls(
            np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.float32)
        )

    def select(self, rows: npt.NDArray[Any] | slice) -> Cloud:
        """The points at ``rows``: indices, a (P,) bool array, or a slice."""
        segments = None if self.segments is None else self.segments[rows]
        return Cloud(self.points[rows], self.colors[rows], self.normals[rows], segments)

    def bounds(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The corners (3,), (3,) of the axis-aligned box in meters; zeros if empty."""
        if not len(self):
            return np.zeros(3, np.float32), np.zeros(3, np.float32)
        return self.points.min(axis=0), self.points.max(axis=0)

"""What is kept of the views of instances: which they are, and their features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.feature_space import FeatureSpace
from om3d_core.errors import expect

MAX_STAMP_NS = 2**31 * 10**9 - 1
"""The last time that a ROS message can hold."""
TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class ViewTable:
    """The chosen views of N instances, at most k each, packed to the front.

    stamps: (N, k) int64 stamp_ns of the frame, -1 where there is no view.
    pixels: (N, k) int32 visible pixels. boxes: (N, k, 4) int32 x1, y1, x2, y2 (exclusive), pixels.
    """

    stamps: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int32]
    boxes: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        shape = self.stamps.shape
        expect(len(shape) == 2, "stamps of shape (N, k)", shape)
        expect(
            self.pixels.shape == shape and self.boxes.shape == (*shape, 4),
            f"pixels {shape} and boxes {(*shape, 4)}",
            (self.pixels.shape, self.boxes.shape),
        )
        dtypes = [self.stamps.dtype, self.pixels.dtype, self.boxes.dtype]
        expect(dtypes == [np.int64, np.int32, np.int32],
               "stamps of dtype int64, pixels and boxes of dtype int32", dtypes)
        expect(bool(((self.stamps >= -1) & (self.stamps <= MAX_STAMP_NS)).all()),
               f"stamps in -1..{MAX_STAMP_NS} ns", "others")
        expect(int(self.pixels.min(initial=0)) >= 0, "pixels of at least 0", "less")

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """(N, k) whether there is a view."""
        return self.stamps >= 0

    @property
    def span_ns(self) -> npt.NDArray[np.int64]:
        """(N, 2) the earliest and the latest stamp of the views, -1 where there is none."""
        n, last = len(self.stamps), np.iinfo(np.int64).max
        earliest = np.where(self.valid, self.stamps, last).min(axis=1, initial=last)
        latest = self.stamps.max(axis=1, initial=-1)
        return np.stack([np.where(latest < 0, -1, earliest), latest], axis=1).reshape(n, 2)

    @classmethod
    def empty(cls, n: int, k: int) -> ViewTable:
        """N instances without any view."""
        return cls(
            np.full((n, k), -1, np.int64),
            np.zeros((n, k), np.int32),
            np.zeros((n, k, 4), np.int32),
        )


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features in one space. vectors: (N, k, D) float32 unit rows, zero where not ``valid``.

    valid: (N, k) bool. lengths: (N, k) float32 in 0..1, the length that the mean over the crops of
    a view has before it is made a unit vector: 1 where they are alike, 0 where not ``valid``.
    """

    space: FeatureSpace
    vectors: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        shape = self.vectors.shape
        expect(
            len(shape) == 3 and shape[2] == self.space.dim and self.vectors.dtype == np.float32,
            f"float32 vectors of shape (N, k, {self.space.dim})",
            (shape, self.vectors.dtype),
        )
        expect(
            self.valid.shape == shape[:2] and self.lengths.shape == shape[:2],
            f"valid and lengths of shape {shape[:2]}",
            (self.valid.shape, self.lengths.shape),
        )
        dtypes = [self.valid.dtype, self.lengths.dtype]
        expect(dtypes == [np.bool_, np.float32],
               "valid of dtype bool and lengths of dtype float32", dtypes)
        fits = (self.lengths >= 0) & (self.lengths <= 1 + TOLERANCE)
        expect(bool(fits.all()), "lengths of features in 0..1", "others")
        squares = np.einsum("nkd,nkd->nk", self.vectors, self.vectors)
        low = np.where(self.valid, 1 - TOLERANCE, 0)
        expect(bool(((squares >= low) & (squares <= 1 + TOLERANCE)).all()),
               "finite vectors of length 1, or not valid and shorter", "others")

    @classmethod
    def from_rows(
        cls, space: FeatureSpace, vectors: npt.NDArray[np.float32],
        lengths: npt.NDArray[np.float32],
    ) -> FeatureTable:
        """The table of unit rows (N, k, D) and their lengths (N, k), 0 where there is no view."""
        return cls(space, vectors, lengths > 0, lengths)

    @classmethod
    def from_means(cls, space: FeatureSpace, means: npt.NDArray[np.float32]) -> FeatureTable:
        """The table of views with these means (N, k, D) over their crops; zero is no view."""
        return cls.from_rows(space, *unit_and_length(means))


def unit_and_length(
    means: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """``means`` (..., D) as unit vectors and the lengths (...) that they had; zeros stay."""
    lengths = np.linalg.norm(means, axis=-1)
    column = lengths[..., None]
    return np.divide(means, column, out=np.zeros_like(means), where=column > 0), lengths

"""What places each keyframe sees, and which keyframe is missed least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import Intrinsics
from om3d_core.data.keyframe import depth_in_meters, depth_units

PLACE_M = 0.5
FAR_M = 5.0
ROWS, COLUMNS = 18, 24
MIN_SAMPLES = 3
OFFSET, BITS = 1 << 20, 21


@dataclass(frozen=True, eq=False)
class DepthSample:
    """A few pixels of a depth image: (ROWS, COLUMNS) uint16, in the units of a keyframe."""

    units: npt.NDArray[np.uint16]
    intrinsics: Intrinsics

    @classmethod
    def of(cls, depth: npt.NDArray[np.float32], intrinsics: Intrinsics) -> DepthSample:
        """From (H, W) meters; the same before a frame was encoded and after."""
        v, u = _pixels(intrinsics)
        return cls(depth_units(depth[v, u]), intrinsics)

    @classmethod
    def empty(cls, intrinsics: Intrinsics) -> DepthSample:
        """That of an image without depth."""
        return cls(np.zeros((ROWS, COLUMNS), np.uint16), intrinsics)

    def places(self, map_from_camera: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The places that are seen from a pose, as ascending keys (P,).

        A place is a cell of ``PLACE_M`` in which at least ``MIN_SAMPLES`` pixels lie, none
        farther than ``FAR_M``. No other frame matters.
        """
        z = depth_in_meters(self.units).astype(np.float64)
        v, u = _pixels(self.intrinsics)
        near = (z > 0) & (z <= FAR_M)
        k = self.intrinsics
        rays = np.stack(np.broadcast_arrays((u - k.cx) / k.fx, (v - k.cy) / k.fy, 1.0), axis=2)
        points = (rays * z[:, :, None])[near]
        points = points @ map_from_camera[:3, :3].T + map_from_camera[:3, 3]
        cells = np.clip(np.floor(points / PLACE_M), -OFFSET, OFFSET - 1).astype(np.int64) + OFFSET
        packed = (cells[:, 0] << 2 * BITS) | (cells[:, 1] << BITS) | cells[:, 2]
        keys, counts = np.unique(packed, return_counts=True)
        seen: npt.NDArray[np.int64] = keys[counts >= MIN_SAMPLES]
        return seen


class Coverage:
    """How many frames see each place."""

    def __init__(self) -> None:
        self._rows_of: dict[int, npt.NDArray[np.int64]] = {}
        self._row: dict[int, int] = {}
        self._viewers = np.zeros(1024, np.int64)
        self._keys: list[int] = []
        self._free: list[int] = []

    def __contains__(self, stamp_ns: int) -> bool:
        return stamp_ns in self._rows_of

    def put(self, stamp_ns: int, places: npt.NDArray[np.int64]) -> None:
        """Add a new frame and the places that it sees, each once."""
        rows = np.array([self._row_of(key) for key in places.tolist()], np.int64)
        self._viewers[rows] += 1
        self._rows_of[stamp_ns] = rows

    def remove(self, stamp_ns: int) -> None:
        """Forget a frame, if it is here."""
        rows = self._rows_of.pop(stamp_ns, None)
        if rows is None:
            return
        self._viewers[rows] -= 1
        for row in rows[self._viewers[rows] == 0].tolist():
            del self._row[self._keys[row]]
            self._free.append(row)

    def missed_least(self, rank: Callable[[int], Any]) -> tuple[int, int]:
        """The stamp of the frame that is missed least, and how many places only it sees.

        That is the one whose places are all seen by most others: of the frames, the largest of
        the smallest number of other viewers of a place. If each is the only one to see some
        place, it is the one of fewest such places. Of equals, it is the one of the highest
        ``rank``. One that sees no place goes first.
        """
        stamps = list(self._rows_of)
        rows = [self._rows_of[stamp] for stamp in stamps]
        sizes = np.array([len(r) for r in rows])
        others = self._viewers[np.concatenate(rows)] - 1
        owner = np.repeat(np.arange(len(stamps)), sizes)
        alone = np.bincount(owner[others == 0], minlength=len(stamps))
        least = np.full(len(stamps), len(stamps))
        np.minimum.at(least, owner, others)
        best = np.flatnonzero(least == least.max())
        if not least.max():
            best = np.flatnonzero(alone == alone.min())
        chosen = max(best.tolist(), key=lambda i: rank(stamps[i]))
        return stamps[chosen], int(alone[chosen])

    def _row_of(self, key: int) -> int:
        row = self._row.get(key)
        if row is None:
            row = self._free.pop() if self._free else self._new_row()
            self._row[key], self._keys[row] = row, key
        return row

    def _new_row(self) -> int:
        self._keys.append(0)
        if len(self._keys) > len(self._viewers):
            self._viewers = np.concatenate([self._viewers, np.zeros_like(self._viewers)])
        return len(self._keys) - 1


def _pixels(k: Intrinsics) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows (ROWS, 1) and columns (1, COLUMNS) of the pixels of a sample, evenly spread."""
    v = (2 * np.arange(ROWS) + 1) * k.height // (2 * ROWS)
    u = (2 * np.arange(COLUMNS) + 1) * k.width // (2 * COLUMNS)
    return v[:, None], u[None, :]

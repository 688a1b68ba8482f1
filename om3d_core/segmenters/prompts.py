"""The points that masks are grown from, and the choice among the masks."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt


class Shuffler(Protocol):
    """A generator of random numbers, such as ``numpy.random.Generator``."""

    def shuffle(self, x: npt.NDArray[np.int32]) -> None:
        """Shuffle ``x`` in place."""


def point_rounds(
    pixels: npt.NDArray[np.int32], width: int, rounds: int, n_points: int, random: Shuffler
) -> npt.NDArray[np.int64]:
    """(rounds, n, 2) points x, y out of ``pixels``: n is ``n_points``, or all if there are fewer.

    The list of pixels, row by row, is shuffled before each round, and its first points are taken
    (OpenMask3D, run_sam).
    """
    shuffled = pixels.copy()
    chosen = []
    for _ in range(rounds):
        random.shuffle(shuffled)
        chosen.append(shuffled[:n_points].copy())
    flat = np.stack(chosen).astype(np.int64)
    return np.stack([flat % width, flat // width], axis=-1)


def best_round(predicted_iou: npt.NDArray[np.floating]) -> int | None:
    """The first round of the highest predicted IoU; None if none is above 0."""
    finite = np.where(np.isfinite(predicted_iou), predicted_iou, 0.0)
    best = int(np.argmax(finite))
    return best if finite[best] > 0 else None


def mask_box(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """The tight box x1, y1, x2, y2 (exclusive) of a mask (H, W) that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.int32)

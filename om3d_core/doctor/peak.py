"""Where the agreement of frames, as a function of one number, has its peak."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from om3d_core.doctor.agreement import NEAR_M

FINE_M, FINE, AROUND, HIGH = 0.02, 15, 1.12, 0.8
APART, DROP, SOUND_SHARE = 1.3, 0.15, 0.6


def find_peak(
    share: Callable[[float, float], float], low: float, high: float, count: int
) -> float | None:
    """The value by which frames agree best: ``share(value, near_m)`` within a tolerance.

    Of ``count`` values, each larger than the one before by the same factor, the best is taken and
    looked around at :data:`FINE_M`. None where it is at an end, its share lower than
    :data:`SOUND_SHARE`, or less than :data:`DROP` above that of values that are :data:`APART`
    times smaller or larger.
    """
    values = np.geomspace(low, high, count)
    shares = np.array([share(value, NEAR_M) for value in values])
    best = int(shares.argmax())
    apart = np.abs(np.log(values / values[best])) >= np.log(APART)
    if best in (0, count - 1) or shares[best] < max(SOUND_SHARE, shares[apart].max() + DROP):
        return None
    around = values[best] * np.geomspace(1 / AROUND, AROUND, FINE)
    fine = np.array([share(value, FINE_M) for value in around])
    return float(np.exp(_top(np.log(around), fine)))


def _top(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    """Where a parabola through the high part of a curve has its top, within that part."""
    high = y >= HIGH * y.max()
    middle = x[y.argmax()]
    if high.sum() < 3:
        return float(middle)
    a, b, _ = np.polyfit(x[high] - middle, y[high], 2)
    return float(np.clip(middle - b / (2 * a), x[high][0], x[high][-1]) if a < 0 else middle)

"""The best few of many, without sorting all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def best_first(
    values: npt.NDArray[np.float64], ids: npt.NDArray[np.int64], limit: int
) -> npt.NDArray[np.int64]:
    """Where the ``limit`` largest of ``values`` (n,) are, the largest first.

    Of equal ones that of the lower id (n,) comes first.
    """
    negative = -values
    some = np.arange(len(values))
    if limit < len(values):
        least = np.partition(negative, limit - 1)[limit - 1]
        some = np.flatnonzero(negative <= least)
    result: npt.NDArray[np.int64] = some[np.lexsort((ids[some], negative[some]))][:limit]
    return result

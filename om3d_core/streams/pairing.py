"""Pairing two streams by their stamps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def pair_stamps(
    first_ns: Sequence[int], second_ns: Sequence[int], slop_ns: int
) -> list[tuple[int, int]]:
    """Pairs of indices that are mutually nearest in time and at most ``slop_ns`` apart.

    Each index is used once; of equal stamps the earlier index counts; sorted by first stamp.
    """
    if not len(first_ns) or not len(second_ns):
        return []
    first, first_at = np.unique(np.asarray(first_ns, np.int64), return_index=True)
    second, second_at = np.unique(np.asarray(second_ns, np.int64), return_index=True)
    forth, back = _nearest(first, second), _nearest(second, first)
    own = np.arange(len(first))
    paired = (back[forth] == own) & (np.abs(first - second[forth]) <= slop_ns)
    return [(int(first_at[i]), int(second_at[forth[i]])) for i in own[paired]]


def _nearest(stamps: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """For each stamp the index of the nearest other, the earlier on a tie; both sorted."""
    after = np.clip(np.searchsorted(others, stamps), 0, len(others) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(
        np.abs(others[after] - stamps) < np.abs(stamps - others[before]), after, before
    )

"""How objects rest: heights of one mesh above another, found by vertical rays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from om3d_core.synthetic.mesh import MeshPart, bounds, joined
from om3d_core.synthetic.raycaster import RayCaster

_SPACING_M = 0.004


def vertical_heights(parts: tuple[MeshPart, ...], xy: NDArray[np.float64], from_z: float,
                     upward: bool) -> NDArray[np.float64]:
    """The height (N,) of the first surface over or under ``from_z`` at xy (N, 2), or NaN."""
    caster = RayCaster(*joined(parts))
    sign = 1.0 if upward else -1.0
    rays = np.zeros((len(xy), 6), np.float32)
    rays[:, :2] = xy
    rays[:, 2] = from_z
    rays[:, 5] = sign
    hits = caster.cast(rays)
    return np.where(hits.found, from_z + sign * hits.distance.astype(np.float64), np.nan)


def rest_offset(upper: tuple[MeshPart, ...], lower: tuple[MeshPart, ...], below_z: float) -> float:
    """How far to raise ``upper`` so that it lies on ``lower`` without sinking in.

    Only what of ``lower`` is under ``below_z`` counts (a board, not the board above it).
    NaN when no part of ``upper`` is over ``lower``.
    """
    low, high = bounds(upper)
    axes = [np.arange(low[i] + _SPACING_M / 2, high[i], _SPACING_M) for i in range(2)]
    xy = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    underside = vertical_heights(upper, xy, float(low[2]) - 0.01, upward=True)
    support = vertical_heights(lower, xy, below_z, upward=False)
    gap = support - underside
    return float(np.nanmax(gap)) if np.isfinite(gap).any() else float("nan")

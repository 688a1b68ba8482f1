"""Many features of an instance, one a view, combined for a query."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.scene import FeatureTable

Floats = npt.NDArray[np.float32]


def mean_features(table: FeatureTable) -> Floats:
    """(N, D) unit mean over the valid views of each instance, zero where there is none.

    The aggregation of OpenMask3D (Takmaz et al. 2023).
    """
    total = np.einsum("nkd,nk->nd", table.vectors, table.valid.astype(np.float32))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    mean: Floats = np.divide(total, length, out=np.zeros_like(total), where=length > 0)
    return mean


def cosines(rows: Floats, query: Floats) -> Floats:
    """(N,) dot products of unit rows (N, D) with a unit query (D,).

    A result depends on its own row only, bit for bit, unlike that of a BLAS call.
    """
    result: Floats = np.einsum("nd,d->n", rows, query)
    return result


def view_cosines(table: FeatureTable, query: Floats) -> Floats:
    """(N, k) dot products of every view with a unit query (D,), -inf where there is no view."""
    n, k, dim = table.vectors.shape
    flat = cosines(table.vectors.reshape(n * k, dim), query).reshape(n, k)
    result: Floats = np.where(table.valid, flat, np.float32(-np.inf))
    return result

"""Points to voxels as Mask3D does it, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.errors import expect

COLOR_MEAN = (0.47793125906962, 0.4303257521323044, 0.3749598901421883)
COLOR_STD = (0.2834475483823543, 0.27566157565723015, 0.27018971370874995)
"""Of the ScanNet training colors in 0..1: what the published networks were trained with."""

MAX_CELL = 1 << 20


@dataclass(frozen=True, eq=False)
class Voxels:
    """N voxels of P points; a voxel stands for the first point in it, in order of appearance.

    cells: (N, 3) int32 floor(point / edge). first: (N,) int64 point indices.
    inverse: (P,) int64 voxel of each point.
    """

    cells: npt.NDArray[np.int32]
    first: npt.NDArray[np.int64]
    inverse: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)


def voxelize(points: npt.NDArray[np.floating], edge_m: float) -> Voxels:
    """Group (P, 3) points in meters into voxels of ``edge_m``; no point is moved or averaged."""
    expect(points.ndim == 2 and points.shape[1] == 3, "points of shape (P, 3)", points.shape)
    expect(edge_m > 0, "a positive voxel edge", edge_m)
    cells = np.floor(points.astype(np.float64) / edge_m)
    expect(
        bool((np.abs(cells) < MAX_CELL).all()),
        f"finite points within {MAX_CELL * edge_m:g} m of the origin",
        "a point outside",
    )
    cells = cells.astype(np.int64)
    keys = ((cells[:, 0] + MAX_CELL) * 2 * MAX_CELL + cells[:, 1] + MAX_CELL) * 2 * MAX_CELL
    keys += cells[:, 2] + MAX_CELL
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    first = first[order]
    return Voxels(cells[first].astype(np.int32), first, rank[inverse.reshape(-1)])


def network_colors(colors: npt.NDArray[np.uint8], normalization: str) -> npt.NDArray[np.float32]:
    """(P, 3) float32 network input of RGB colors in 0..255.

    ``dataset``: minus mean, by standard deviation, as in training. ``unit``: 0..1, as the
    single-scene script of OpenMask3D feeds them, which differs from training.
    """
    expect(normalization in ("dataset", "unit"), "normalization dataset or unit", normalization)
    unit = colors.astype(np.float64) / 255.0
    if normalization == "dataset":
        unit = (unit - np.array(COLOR_MEAN)) / np.array(COLOR_STD)
    return unit.astype(np.float32)

"""Ground truth that the camera has seen: labeled surface points and visibility counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from om3d_core.data.frame import Intrinsics
from om3d_core.synthetic.mesh import rotated

SPACING_M = 0.01
_STRIDE_PX = 2
_CELLS = 1 << 17
_INSTANCES = 1 << 12


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """points (P, 3) f32 [m] on seen surfaces, about 1 cm apart; instance (P,) u16;

    pixels (F, I): how many pixels each instance id shows in each frame.
    """

    points: NDArray[np.float32]
    instance: NDArray[np.uint16]
    pixels: NDArray[np.int64]


class TruthBuilder:
    """Collects ground truth frame by frame; one point a cell and instance, the first seen."""

    def __init__(self, intrinsics: Intrinsics, n_instances: int, max_depth_m: float):
        self._max_depth_m = max_depth_m
        self._n_instances = n_instances
        k, s = intrinsics, _STRIDE_PX
        columns, rows = np.meshgrid(np.arange(0, k.width, s), np.arange(0, k.height, s))
        self._rays = np.stack([(columns - k.cx) / k.fx, (rows - k.cy) / k.fy,
                               np.ones(columns.shape)], axis=-1)
        self._keys: list[NDArray[np.int64]] = []
        self._points: list[NDArray[np.float32]] = []
        self._pixels: list[NDArray[np.int64]] = []

    def add(self, depth: NDArray[np.float32], instance: NDArray[np.uint16],
            room_from_camera: NDArray[np.float64]) -> None:
        """Add the clean depth (H, W) [m] and instance ids (H, W) of one view."""
        seen = (depth > 0) & (depth <= self._max_depth_m)
        self._pixels.append(np.bincount(instance[seen], minlength=self._n_instances + 1))
        sparse = (slice(None, None, _STRIDE_PX),) * 2
        seen = seen[sparse]
        ids = instance[sparse][seen]
        points = rotated(room_from_camera[:3, :3], self._rays[seen] * depth[sparse][seen, None])
        points += room_from_camera[:3, 3].astype(np.float32)
        cells = np.floor(points / np.float32(SPACING_M)).astype(np.int64) + _CELLS // 2
        keys = ((cells[:, 0] * _CELLS + cells[:, 1]) * _CELLS + cells[:, 2])
        keys = keys * _INSTANCES + ids
        keys, first = np.unique(keys, return_index=True)
        self._keys.append(keys)
        self._points.append(points[first])

    def build(self) -> GroundTruth:
        """Everything added so far."""
        keys, first = np.unique(np.concatenate(self._keys), return_index=True)
        return GroundTruth(np.concatenate(self._points)[first],
                           (keys % _INSTANCES).astype(np.uint16), np.stack(self._pixels))

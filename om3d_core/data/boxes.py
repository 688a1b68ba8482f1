"""Gravity-aligned 3D boxes of instances."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from om3d_core.data.poses import quaternion_of
from om3d_core.errors import expect

YAW_STEPS = 90
_YAWS = np.arange(YAW_STEPS) * (np.pi / 2 / YAW_STEPS)
_COS, _SIN = np.cos(_YAWS), np.sin(_YAWS)
_SIDES = np.block([[_COS, -_SIN], [_SIN, _COS]])
"""(2, 180) directions along the first side at each yaw, then along the second."""


@dataclass(frozen=True, eq=False)
class Box:
    """An oriented box: center (3,) and size (3,) in meters, map_from_box (3, 3) rotation.

    The third column of ``map_from_box`` is the up direction.
    """

    center: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    map_from_box: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        shapes = (self.center.shape, self.size.shape, self.map_from_box.shape)
        expect(shapes == ((3,), (3,), (3, 3)), "shapes (3,), (3,), (3, 3)", shapes)

    @cached_property
    def quaternion(self) -> npt.NDArray[np.float64]:
        """(4,) unit quaternion x, y, z, w of ``map_from_box``."""
        return quaternion_of(self.map_from_box)

    @property
    def corners(self) -> npt.NDArray[np.float64]:
        """(8, 3) corners in the map frame, meters."""
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        result: npt.NDArray[np.float64] = (
            self.center + (0.5 * signs * self.size) @ self.map_from_box.T
        )
        return result


def level_frame(up: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A right-handed (3, 3) rotation map_from_level whose third column is ``up`` (unit)."""
    helper = np.eye(3)[int(np.argmin(np.abs(up)))]
    x = helper - up * float(helper @ up)
    x /= np.linalg.norm(x)
    (a, b, c), (u, v, w) = x.tolist(), up.tolist()  # np.cross takes ten times as long
    return np.array([[a, v * c - w * b, u], [b, w * a - u * c, v], [c, u * b - v * a, w]])


def fit_box(points: npt.NDArray[np.floating], up: npt.NDArray[np.float64]) -> Box:
    """The upright box of least footprint around ``points`` (n, 3), n >= 1, in meters.

    Yaw is searched over a quarter turn in one-degree steps, which bounds the excess of a side by
    under one percent.
    """
    expect(points.ndim == 2 and points.shape[1] == 3 and len(points) > 0, "(n, 3) points, n >= 1",
           points.shape)
    map_from_level = level_frame(up)
    level = points.astype(np.float64) @ map_from_level
    along = level[:, :2] @ _SIDES
    sides = along.max(axis=0) - along.min(axis=0)
    best = int((sides[:YAW_STEPS] * sides[YAW_STEPS:]).argmin())
    c, s = _COS[best], _SIN[best]
    level_from_box = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    local = level @ level_from_box
    low, high = local.min(axis=0), local.max(axis=0)
    map_from_box = map_from_level @ level_from_box
    return Box(map_from_box @ ((low + high) / 2), high - low, map_from_box)

"""Which way is up: decided here once for a cloud, for all that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.poses import Transform
from om3d_core.errors import SettingsError
from om3d_core.proposals.surface.gravity import estimate_up, facing_areas
from om3d_core.settings import Settings, setting

AUTO = "auto"
MIN_AGREEMENT = 1e-3
LEVEL_COS = float(np.cos(np.deg2rad(2.0)))
NEAR_COS = float(np.cos(np.deg2rad(8.0)))
STEP = 0.01
SIDE_RATIO, MIN_TURNING = 0.25, 0.1
"""Cameras are held on the side if their y axes are so much more level than their x axes, and turn
about by a mean square of so much."""

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GravitySettings(Settings):
    """Which way is up."""

    up: str = setting(AUTO, "up in the map frame: auto, or a vector such as 0,0,1")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.vector()

    def vector(self) -> Float | None:
        """The given unit (3,) up, or None for auto; raises :class:`SettingsError` otherwise."""
        if self.up == AUTO:
            return None
        try:
            vector = np.array([float(part) for part in self.up.split(",")])
        except ValueError:
            vector = np.zeros(0)
        length = float(np.linalg.norm(vector))
        if vector.shape != (3,) or not np.isfinite(length) or length < 1e-6:
            raise SettingsError(f"up: expected auto or a vector such as 0,0,1, got {self.up!r}")
        unit: Float = vector / length
        return unit


def decide_up(
    cloud: Cloud, settings: GravitySettings | None = None, cameras: Iterable[Transform] = ()
) -> Float:
    """The unit (3,) up as it was given, else as level surfaces and the way cameras are held tell.

    cameras: (4, 4) poses map_from_camera of the frames that the cloud was seen in.
    """
    return up_from(lambda: facing_areas(cloud), settings or GravitySettings(), cameras)


def up_from(
    facing: Callable[[], Float], settings: GravitySettings, cameras: Iterable[Transform]
) -> Float:
    """As :func:`decide_up`; ``facing`` makes the :func:`facing_areas` (K, 3) if they are needed.

    So that it stays as a map grows, it lies on a grid of half a degree, and an axis of the map
    frame that is nearly up is up: maps are level.
    """
    given = settings.vector()
    if given is not None:
        return given
    areas = facing()
    found = estimate_up(areas, held_up(np.array([pose[:3, :3] for pose in cameras]), areas))
    axis = np.round(found)
    level = float(found @ axis) > LEVEL_COS and float(np.abs(axis).sum()) == 1.0
    return axis + 0.0 if level else _stepped(found)


def held_up(cameras: Float, facing: Float) -> Float | None:
    """Roughly up (3,), of any length, by how cameras (N, 3, 3), map_from_camera, are held.

    Against the mean of their y axes, unless they are held on the side, as a phone is upright: the
    axis of images that stays level as cameras turn about is perpendicular to up (so Brown and Lowe
    2007 straighten panoramas, by the x axes). Which end of it is up, surfaces that are seen from
    above (``facing`` areas (K, 3)) and cameras that look down tell. None where axes cancel out.
    """
    if not len(cameras):
        return None
    upright, _ = _perpendicular(cameras[:, :, 0])
    on_side, axis = _perpendicular(cameras[:, :, 1])
    if on_side[0] < SIDE_RATIO * upright[0] and on_side[1] > MIN_TURNING:
        total = max(float(np.linalg.norm(facing, axis=1).sum()), MIN_AGREEMENT)
        along = facing @ axis
        level = np.abs(along) > NEAR_COS * np.linalg.norm(facing, axis=1)
        seen = float(along[level].sum())
        down = -float(cameras[:, :, 2].mean(axis=0) @ axis)
        return axis if seen / total + down >= 0.0 else -axis
    held: Float = -cameras[:, :, 1].sum(axis=0)
    return held if float(np.linalg.norm(held)) > MIN_AGREEMENT else None


def _perpendicular(axes: Float) -> tuple[Float, Float]:
    """Of unit vectors (N, 3): mean squares along their principal directions, ascending, and the
    direction (3,) that is the most perpendicular to all."""
    squares, directions = np.linalg.eigh(axes.T @ axes / len(axes))
    return squares, directions[:, 0]


def up_of_part(facing: Float, up: Float) -> Float:
    """Up as a part of a map tells by its own facing areas (K, 3), near ``up`` of the whole.

    So it stays when the map grows elsewhere and up of the whole turns a little. ``up`` itself if
    it is an axis, and where nothing in the part faces that way.
    """
    areas = np.linalg.norm(facing, axis=1)
    own = facing[facing @ up > NEAR_COS * areas].sum(axis=0)
    if float(np.abs(up).max()) == 1.0 or not own.any():
        return up
    return _stepped(own / np.linalg.norm(own))


def _stepped(found: Float) -> Float:
    stepped = np.round(found / STEP)
    up: Float = stepped / np.linalg.norm(stepped) + 0.0
    return up

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


@dataclass(frozen=True)
class GravitySettings(Settings):
    """Which way is up."""

    up: str = setting(AUTO, "up in the map frame: auto, or a vector such as 0,0,1")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.vector()

    def vector(self) -> npt.NDArray[np.float64] | None:
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
        unit: npt.NDArray[np.float64] = vector / length
        return unit


def decide_up(
    cloud: Cloud, settings: GravitySettings | None = None, cameras: Iterable[Transform] = ()
) -> npt.NDArray[np.float64]:
    """The unit (3,) up as it was given, else as level surfaces and the way cameras are held tell.

    cameras: (4, 4) poses map_from_camera of the frames that the cloud was seen in.
    """
    return up_from(lambda: facing_areas(cloud), settings or GravitySettings(), cameras)


def up_from(
    facing: Callable[[], npt.NDArray[np.float64]], settings: GravitySettings,
    cameras: Iterable[Transform],
) -> npt.NDArray[np.float64]:
    """As :func:`decide_up`; ``facing`` makes the :func:`facing_areas` (K, 3) if they are needed.

    So that it stays as a map grows, it lies on a grid of half a degree, and an axis of the map
    frame that is nearly up is up: maps are level.
    """
    given = settings.vector()
    if given is not None:
        return given
    held = -np.sum([pose[:3, 1] for pose in cameras] or [np.zeros(3)], axis=0)
    found = estimate_up(facing(), held if float(np.linalg.norm(held)) > MIN_AGREEMENT else None)
    axis = np.round(found)
    level = float(found @ axis) > LEVEL_COS and float(np.abs(axis).sum()) == 1.0
    return axis + 0.0 if level else _stepped(found)


def up_of_part(
    facing: npt.NDArray[np.float64], up: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Up as a part of a map tells by its own facing areas (K, 3), near ``up`` of the whole.

    So it stays when the map grows elsewhere and up of the whole turns a little. ``up`` itself if
    it is an axis, and where nothing in the part faces that way.
    """
    areas = np.linalg.norm(facing, axis=1)
    own = facing[facing @ up > NEAR_COS * areas].sum(axis=0)
    if float(np.abs(up).max()) == 1.0 or not own.any():
        return up
    return _stepped(own / np.linalg.norm(own))


def _stepped(found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    stepped = np.round(found / STEP)
    up: npt.NDArray[np.float64] = stepped / np.linalg.norm(stepped) + 0.0
    return up

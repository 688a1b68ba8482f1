"""Poses that are too uncertain to map by, or of a camera that moves too fast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.poses import NS_PER_S, Transform, inverse, rotation_angle_rad
from om3d_core.errors import expect
from om3d_core.streams.settings import PoseSettings


def check_certain(covariance: npt.ArrayLike, settings: PoseSettings) -> None:
    """Raise :class:`InputError` for a pose of which a localization is not certain enough.

    covariance: 36 numbers, row by row, of x, y, z and the rotations about them, as in
    geometry_msgs/PoseWithCovariance; all zeros, or a first one of -1, where it is not known. The
    largest standard deviation of the three counts.
    """
    limits = {
        "position": (settings.max_position_std_m, "m", "pose.max_position_std_m"),
        "rotation": (settings.max_rotation_std_rad, "rad", "pose.max_rotation_std_rad"),
    }
    if not any(limit for limit, _, _ in limits.values()):
        return
    matrix = np.asarray(covariance, np.float64).reshape(6, 6)
    if not matrix.any() or matrix[0, 0] == -1.0:
        return
    variances = np.diagonal(matrix)
    for (name, (limit, unit, parameter)), part in zip(
        limits.items(), (variances[:3], variances[3:]), strict=True
    ):
        good = bool(((part >= 0) & (part <= limit**2)).all())
        expect(not limit or good, f"a pose with a {name} to {limit:g} {unit} ({parameter})",
               f"variances of {part}")


class MotionGate:
    """Lets frames of a camera pass that moves slowly enough, by the settings of poses."""

    def __init__(self, settings: PoseSettings):
        self._max_speed, self._max_turn = settings.max_speed_m_s, settings.max_turn_rad_s
        self._last: tuple[int, Transform] | None = None

    def check(self, stamp_ns: int, map_from_camera: Transform) -> None:
        """Raise :class:`InputError` if the camera came too fast from where the last frame was.

        The next frame is compared with this one, whether it passed or not: after a jump mapping
        goes on as soon as two frames agree.
        """
        last, self._last = self._last, (stamp_ns, map_from_camera)
        if last is None or stamp_ns == last[0]:
            return
        took_s = abs(stamp_ns - last[0]) / NS_PER_S
        moved = inverse(last[1]) @ map_from_camera
        for speed, limit, unit, parameter in (
            (float(np.linalg.norm(moved[:3, 3])) / took_s, self._max_speed, "m/s",
             "pose.max_speed_m_s"),
            (rotation_angle_rad(moved) / took_s, self._max_turn, "rad/s", "pose.max_turn_rad_s"),
        ):
            expect(not 0 < limit < speed, f"a camera of at most {limit:g} {unit} ({parameter})",
                   f"{speed:.3g} {unit}")

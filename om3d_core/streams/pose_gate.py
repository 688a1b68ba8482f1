"""Poses that are too uncertain to map by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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

"""Poses for tests."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation


def pose(x: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    """Moved along x and turned about z."""
    result = np.eye(4)
    result[:3, :3] = Rotation.from_rotvec([0, 0, yaw]).as_matrix()
    result[0, 3] = x
    return result

"""The colors of a map's points in an export."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene
from om3d_core.pictures.palette import instance_colors

COLORS = ("photo", "instance")


def point_colors(scene: Scene, kind: str) -> npt.NDArray[np.uint8]:
    """(P, 3) RGB: ``photo`` as seen, ``instance`` by the smallest instance that holds a point.

    A point of no instance keeps its color.
    """
    if kind == "photo":
        return scene.cloud.colors
    rows = scene.masks.labels()
    by_id = np.rint(instance_colors(scene.ids)).astype(np.uint8)
    colors = scene.cloud.colors.copy()
    colors[rows >= 0] = by_id[rows[rows >= 0]]
    return colors

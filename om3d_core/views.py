"""Each instance's views: what every keyframe saw of it, and which of them to keep.

The table holds two integers' worth of counts and boxes a (frame, instance), never pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from om3d_core.scene import ViewTable
from om3d_core.settings import Settings, setting
from om3d_core.visibility import Observation


@dataclass(frozen=True)
class ViewSettings(Settings):
    """How many views an instance keeps."""

    top_k: int = setting(5, "views kept of each instance", low=1, high=64)
    min_pixels: int = setting(
        50, "fewest visible pixels for a frame to be a view of an instance", low=1, high=100_000
    )


def most_visible(
    stamps: npt.NDArray[np.int64], observations: list[Observation], settings: ViewSettings
) -> ViewTable:
    """The ``top_k`` frames that see most pixels of each instance (OpenMask3D, section 3.2).

    stamps: (F,) ascending; observations: one a frame. Equal counts go to the earlier frame;
    frames below ``min_pixels`` are no views, and rows are packed to the front.
    """
    n, k = len(observations[0].pixels) if observations else 0, settings.top_k
    table = ViewTable.empty(n, k)
    if not observations or not n:
        return table
    pixels = np.stack([o.pixels for o in observations])
    boxes = np.stack([o.boxes for o in observations])
    order = np.argsort(-pixels, axis=0, kind="stable")[:k]
    rank, instance = np.nonzero(np.take_along_axis(pixels, order, 0) >= settings.min_pixels)
    frame = order[rank, instance]
    table.stamps[instance, rank] = stamps[frame]
    table.pixels[instance, rank] = pixels[frame, instance]
    table.boxes[instance, rank] = boxes[frame, instance]
    return table

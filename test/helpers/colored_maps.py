"""Maps for the double of an encoder: a thing of a color each, others of none, and a floor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from helpers.doubles import COLORS, ColorEncoder
from helpers.scenes import make_scene
from om3d_core.data.tables import FeatureTable


def colored_scene(color, frame, revision=1):
    """A map in ``frame`` whose first instance has ``color``; the ids are those of all others."""
    seed = list(COLORS).index(color)
    scene = make_scene(seed)
    rows = np.full((*scene.views.valid.shape, 3), -(3**-0.5), np.float32)
    rows[0] = COLORS[color]
    table = FeatureTable.from_means(
        ColorEncoder().spaces[0], rows * scene.views.valid[:, :, None]
    )
    return replace(
        scene, revision=revision, map_id=str(seed) * 32, features=(table,), frame=frame
    )

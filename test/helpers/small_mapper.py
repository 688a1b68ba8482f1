"""A mapper with doubles for models, for worlds of a few boxes, and what it is asked for."""

from __future__ import annotations

import numpy as np

from helpers.doubles import BoxProposer, ColorEncoder
from om3d_core.mapping.mapper import Mapper
from om3d_core.mapping.settings import MapSettings
from om3d_core.settings import build

SETTINGS = build(
    MapSettings, {"fusion.voxel_m": 0.03, "views.top_k": 3, "views.min_pixels": 10,
                  "crops.levels": 2}
)


def mapper(settings=SETTINGS):
    return Mapper(settings, BoxProposer(), [ColorEncoder()])


def assert_same_content(a, b):
    for get in (
        lambda s: s.cloud.points, lambda s: s.cloud.colors, lambda s: s.masks.indices,
        lambda s: s.masks.indptr, lambda s: s.views.stamps, lambda s: s.views.pixels,
        lambda s: s.views.boxes, lambda s: s.features[0].vectors, lambda s: s.features[0].valid,
        lambda s: s.features[0].lengths, lambda s: s.label_probabilities,
    ):
        assert np.array_equal(get(a), get(b))
    assert a.thumbnails == b.thumbnails
    assert a.labels == b.labels
    assert a.words == b.words and a.detections == b.detections

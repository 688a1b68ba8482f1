"""A saved map's views, encoded anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.doubles import ColorEncoder
from helpers.small_mapper import SETTINGS, assert_same_content, mapper
from helpers.worlds import tabletop

from om3d_core.data.tables import ViewTable
from om3d_core.errors import CanceledError, InputError
from om3d_core.mapping.crops import CropSettings
from om3d_core.mapping.embedder import Embedder
from om3d_core.mapping.encode_again import encode_again
from om3d_core.progress import Job


def embedder(version=1, crops=SETTINGS.crops):
    return Embedder([ColorEncoder(version)], crops, SETTINGS.visibility)


@pytest.fixture(scope="module")
def saved():
    m = mapper()
    for frame in tabletop(6, 80, 60):
        m.add_frame(frame)
    m.refresh()
    return m.snapshot()


def test_the_same_encoder_gives_the_same(saved):
    scene, keyframes = saved
    again = encode_again(scene, keyframes, embedder(), Job())
    assert_same_content(again, scene)
    assert again.revision == scene.revision + 1 and again.map_id == scene.map_id


def test_another_encoder_fills_its_own_space(saved):
    scene, keyframes = saved
    again = encode_again(scene, keyframes, embedder(2), Job())
    assert [table.space.name for table in again.features] == ["color@2"]
    assert np.array_equal(again.features[0].vectors, scene.features[0].vectors)
    assert again.ids.tolist() == scene.ids.tolist() and not again.made_by


def test_other_crops_give_other_features(saved):
    scene, keyframes = saved
    wide = CropSettings(levels=2, expansion_ratio=1.0)
    again = encode_again(scene, keyframes, embedder(crops=wide), Job())
    assert not np.array_equal(again.features[0].vectors, scene.features[0].vectors)


def test_views_without_keyframes_are_left_out(saved):
    scene, keyframes = saved
    gone = keyframes[0].stamp_ns
    again = encode_again(scene, keyframes[1:], embedder(), Job())
    for old, new in zip(scene.views.stamps, again.views.stamps, strict=True):
        assert new[new >= 0].tolist() == [s for s in old if s not in (-1, gone)]
    for i, row in enumerate(again.views.valid):
        assert (np.diff(row.astype(int)) <= 0).all() and len(again.thumbnails[i]) == row.sum()
    with pytest.raises(InputError, match="save.keyframes"):
        encode_again(scene, (), embedder(), Job())


def test_a_map_without_views_needs_no_keyframes(saved):
    scene = saved[0]
    bare = replace(scene, views=ViewTable.empty(len(scene), 3), thumbnails=((),) * len(scene))
    assert not encode_again(bare, (), embedder(), Job()).features[0].valid.any()


def test_it_can_be_canceled(saved):
    with pytest.raises(CanceledError):
        encode_again(*saved, embedder(), Job(canceled=lambda: True))

"""View selection by visibility, and crops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from om3d_core.crops import CropSettings, cut, fade_background, multi_level_boxes
from om3d_core.errors import InputError
from om3d_core.views import ViewSettings, most_visible
from om3d_core.visibility import Observation

counts = hnp.arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 5)),
                    elements=st.integers(0, 200))


def observations(pixels):
    boxes = np.arange(pixels.size * 4, dtype=np.int32).reshape(*pixels.shape, 4)
    return [Observation(p, b) for p, b in zip(pixels, boxes, strict=True)]


@given(pixels=counts, k=st.integers(1, 6), floor=st.integers(1, 100))
@settings(max_examples=150, deadline=None)
def test_the_most_visible_frames_win_and_ties_go_to_the_earlier(pixels, k, floor):
    stamps = np.arange(len(pixels), dtype=np.int64) * 10
    seen = observations(pixels)
    table = most_visible(stamps, seen, ViewSettings(top_k=k, min_pixels=floor))
    for i in range(pixels.shape[1]):
        ranked = sorted(range(len(pixels)), key=lambda f: (-pixels[f, i], f))[:k]
        expected = [f for f in ranked if pixels[f, i] >= floor]
        n = len(expected)
        assert table.stamps[i, :n].tolist() == [10 * f for f in expected]
        assert (table.stamps[i, n:] == -1).all()
        assert table.pixels[i, :n].tolist() == [pixels[f, i] for f in expected]
        assert np.array_equal(table.boxes[i, :n], [seen[f].boxes[i] for f in expected] or
                              np.zeros((0, 4)))


def test_levels_grow_by_truncated_steps_and_are_clipped():
    box = np.array([5, 10, 46, 21], np.int32)
    got = multi_level_boxes(box, 60, 40, CropSettings(levels=3, expansion_ratio=0.1))
    assert got.tolist() == [[5, 10, 46, 21], [1, 9, 50, 22], [0, 8, 54, 23]]
    with pytest.raises(InputError, match="x1 < x2"):
        multi_level_boxes(np.array([5, 5, 5, 9], np.int32), 60, 40, CropSettings())


def test_fading_keeps_the_instance_and_grays_the_rest():
    image = np.full((20, 30, 3), 200, np.uint8)
    pixels = np.array([10 * 30 + 15], np.int32)
    faded = fade_background(image, pixels, CropSettings(fade=1.0, fade_radius_px=2))
    assert (faded[10, 13:18] == 200).all() and (faded[0] == 128).all()
    half = fade_background(image, pixels, CropSettings(fade=0.5, fade_radius_px=2))
    assert (half[0] == 164).all()
    assert cut(image, np.array([[1, 2, 4, 9]]))[0].shape == (7, 3, 3)

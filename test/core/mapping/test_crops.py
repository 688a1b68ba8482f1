"""Crops: levels of context, the background faded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from om3d_core.errors import InputError
from om3d_core.mapping.crops import (
    CropSettings,
    cut,
    fade_background,
    fade_outside,
    multi_level_boxes,
    quarter_turns,
    snap_box,
)

WIDTH, HEIGHT = 60, 40


@st.composite
def boxes(draw):
    x1, y1 = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    x2, y2 = draw(st.integers(x1 + 1, WIDTH)), draw(st.integers(y1 + 1, HEIGHT))
    return np.array([x1, y1, x2, y2], np.int32)


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


@given(boxes(), st.integers(1, 6), st.floats(0, 2))
@settings(max_examples=100, deadline=None)
def test_levels_hold_each_other_and_stay_in_the_image(box, levels, ratio):
    settings = CropSettings(levels=levels, expansion_ratio=ratio)
    got = multi_level_boxes(box, WIDTH, HEIGHT, settings)
    assert got.shape == (levels, 4) and got.dtype == np.int32
    assert got[0].tolist() == box.tolist()
    assert (got[:, :2] >= 0).all() and (got[:, 2:] <= [WIDTH, HEIGHT]).all()
    assert (np.diff(got[:, :2], axis=0) <= 0).all() and (np.diff(got[:, 2:], axis=0) >= 0).all()
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for crop, (x1, y1, x2, y2) in zip(cut(image, got), got, strict=True):
        assert crop.shape == (y2 - y1, x2 - x1, 3) and crop.size


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_fading_blends_outside_and_leaves_the_inside_and_its_input_alone(seed, fade):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    mask = rng.random((HEIGHT, WIDTH)) < 0.5
    before = image.copy()
    faded = fade_outside(image, mask, CropSettings(fade=fade))
    assert np.array_equal(image, before) and faded.dtype == np.uint8
    assert np.array_equal(faded[mask], image[mask])
    expected = image[~mask] * (1 - fade) + 128 * fade
    assert np.abs(faded[~mask] - expected).max(initial=0) <= 0.51


@given(
    x=st.integers(0, 600), y=st.integers(0, 400), w=st.integers(1, 600), h=st.integers(1, 400),
    snap=st.floats(0.01, 0.5),
)
@settings(deadline=None)
def test_a_snapped_box_holds_the_box_and_is_little_larger(x, y, w, h, snap):
    box = np.array([x, y, x + w, y + h], np.int32)
    snapped = snap_box(box, CropSettings(snap=snap))
    assert (snapped[:2] <= box[:2]).all() and (snapped[2:] >= box[2:]).all()
    assert (snapped[:2] >= 0).all()
    room = np.maximum((box[2:] - box[:2]) * snap, 1.0)
    assert (box[:2] - snapped[:2] < room).all() and (snapped[2:] - box[2:] < room).all()
    assert np.array_equal(snap_box(box, CropSettings(snap=0.0)), box)


@given(st.floats(-40, 40), st.floats(-60, 60), st.floats(-180, 180))
def test_turns_make_a_rolled_image_upright(roll_deg, pitch_deg, yaw_deg):
    level = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)  # looks along x, z is up
    aim = Rotation.from_euler("zy", [yaw_deg, pitch_deg], degrees=True).as_matrix() @ level
    for rolled in range(4):
        roll = Rotation.from_euler("z", 90 * rolled + roll_deg, degrees=True).as_matrix()
        map_from_camera = aim @ roll
        found = quarter_turns(map_from_camera.T, np.array([0.0, 0, 1]))
        column, row = (map_from_camera.T @ [0, 0, 1])[:2]
        canvas = np.zeros((101, 101), np.uint8)
        canvas[int(50 + 40 * row), int(50 + 40 * column)] = 1
        ((y, x),) = np.argwhere(np.rot90(canvas, found))
        assert y < 50 and abs(x - 50) <= abs(y - 50) + 1


def test_a_camera_that_looks_down_has_no_upright():
    down = Rotation.from_euler("x", 180, degrees=True).as_matrix()
    for roll_deg in range(0, 360, 30):
        roll = Rotation.from_euler("z", roll_deg, degrees=True).as_matrix()
        assert quarter_turns((down @ roll).T, np.array([0.0, 0, 1])) == 0

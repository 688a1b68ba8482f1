"""A keyframe: encoded once, decoded always to the same, checked before memory is taken."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers import bombs
from helpers.keyframes import assert_same_frame, make_frame, make_keyframe
from helpers.map_files import bounded

from om3d_core.data.frame import Intrinsics
from om3d_core.data.keyframe import Keyframe
from om3d_core.errors import InputError


def smooth(stamp_ns=5):
    """A frame of smooth colors, as cameras give them."""
    frame = make_frame(stamp_ns=stamp_ns)
    y, x = np.mgrid[:30, :40]
    rgb = np.stack([4 * x + 40, 5 * y + 60, 2 * x + 3 * y], axis=2).astype(np.uint8)
    return replace(frame, rgb=rgb)


def test_lossless_color_and_depth_in_millimeters_come_back_to_the_bit():
    frame = make_frame()
    millimeters = np.rint(frame.depth * 1000).astype(np.uint16)
    frame = replace(frame, depth=millimeters.astype(np.float32) * np.float32(1.0 / 1000.0))
    assert_same_frame(Keyframe.of(frame, 0, 0).frame(), frame)


@pytest.mark.parametrize(("quality", "off"), [(0, 0.0), (80, 6.0), (95, 3.0), (100, 2.0)])
def test_color_is_as_near_as_its_quality_says(quality, off):
    frame = smooth()
    keyframe = Keyframe.of(frame, 2, quality)
    found = keyframe.frame()
    assert np.abs(found.rgb.astype(float) - frame.rgb).mean() <= off
    assert np.abs(found.depth - frame.depth).max() <= 0.000251
    assert (keyframe.level, keyframe.stamp_ns, keyframe.camera_frame) == (2, 5, "camera_0")
    assert_same_frame(found, keyframe.frame())


def test_depth_that_16_bits_do_not_hold_is_none():
    frame = make_frame()
    frame.depth[0, :4] = 32.7675, 32.7679, 1000.0, 0.0002
    found = Keyframe.of(frame, 0, 95).frame().depth
    np.testing.assert_allclose(found[0, :4], [32.7675, 0.0, 0.0, 0.0], rtol=1e-6)


def test_a_keyframe_that_moves_keeps_its_bytes():
    keyframe, pose = make_keyframe(), make_frame(7).map_from_camera
    moved = keyframe.moved(pose)
    assert (moved.color, moved.depth) == (keyframe.color, keyframe.depth)
    assert np.array_equal(moved.frame().map_from_camera, pose)
    with pytest.raises(InputError, match="keyframe of 1000000000 ns: .*right-handed"):
        keyframe.moved(np.diag([1.0, 1.0, -1.0, 1.0]))


def png(pixels):
    return cv2.imencode(".png", pixels)[1].tobytes()


WRONG = {
    "a stamp in": {"stamp_ns": 2**63},
    "a stamp in 0": {"stamp_ns": -1},
    "a level within": {"level": 2**40},
    "dtype float64": {"map_from_camera": np.eye(4, dtype=np.float32)},
    "within 10 km": {"map_from_camera": np.array(
        [[1.0, 0, 0, 2e4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])},
    "a finite transform": {"map_from_camera": np.full((4, 4), np.nan)},
    "color: expected data of a JPEG or PNG": {"color": b"no image"},
    "depth: expected data of a JPEG or PNG": {"depth": b""},
    "color of 40 x 30 pixels, got 30 x 40": {"color": png(np.zeros((40, 30, 3), np.uint8))},
    "depth of 40 x 30 pixels": {"depth": png(np.zeros((40, 30), np.uint16))},
    "gray PNG image of 16 bits": {"depth": png(np.zeros((30, 40), np.uint8))},
}


@pytest.mark.parametrize("field", WRONG)
def test_a_field_out_of_its_range_is_refused_by_name(field):
    with pytest.raises(InputError, match=field):
        replace(make_keyframe(), **WRONG[field])


def test_images_made_to_harm_are_refused_before_memory_is_taken(tmp_path):
    bomb = bombs.png(tmp_path / "bomb.png", 8192, 8192, 16, 0).read_bytes()
    large = Intrinsics(10.0, 10.0, 5.0, 5.0, 8192, 8192)
    with pytest.raises(InputError, match="at most 33554432 pixels"), bounded(megabytes=50):
        Keyframe(bomb, bomb, large, np.eye(4), 5)
    lying = bombs.png(tmp_path / "lying.png", 40, 30, 16, 0).read_bytes()
    with pytest.raises(InputError, match="keyframe of 1000000000 ns"), bounded(megabytes=50):
        replace(make_keyframe(), depth=lying[:60]).frame()


@pytest.mark.parametrize("which", ["color", "depth"])
def test_damaged_pixels_are_told_with_the_stamp(which):
    keyframe = make_keyframe()
    damaged = replace(keyframe, **{which: getattr(keyframe, which)[:-40]})
    with pytest.raises(InputError, match="keyframe of 1000000000 ns: expected"):
        damaged.frame()

"""The focal length by which frames agree, or none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from om3d_core.doctor.agreement import Look
from om3d_core.doctor.focal import Focal, find_focal

TRUE_PX = 152.0


@pytest.fixture(scope="module")
def looks(frames):
    return [Look.of(frame) for frame in frames]


@pytest.mark.parametrize("times", [1, 4])
def test_it_is_found_in_pixels_of_color(looks, times):
    focal = find_focal(looks, 160 * times, 120 * times)
    assert focal is not None
    assert focal.focal_px == pytest.approx(TRUE_PX * times, rel=0.005)
    mended = focal.apply(looks[0]).intrinsics
    assert (mended.width, mended.cx, mended.cy) == (160, 79.5, 59.5)
    assert mended.fx == pytest.approx(TRUE_PX, rel=0.005)


def test_the_setting_is_four_numbers_in_one_word():
    focal = Focal(292.47, 320, 240)
    assert focal.intrinsics == "292.5,292.5,159.5,119.5"
    assert focal.flag == "--folder.intrinsics 292.5,292.5,159.5,119.5"


def test_a_camera_that_stands_still_does_not_tell_it(looks):
    assert find_focal(looks[:1] * 6, 160, 120) is None


def test_frames_that_contradict_each_other_do_not_tell_it(looks):
    poses = [look.map_from_camera for look in looks]
    mixed = [replace(look, map_from_camera=pose) for look, pose in
             zip(looks, poses[5:] + poses[:5], strict=True)]  # fmt: skip
    assert find_focal(mixed, 160, 120) is None


def test_a_lens_that_is_longer_than_any_is_not_taken_for_the_longest(looks):
    middles = [replace(look, depth=look.depth[45:75, 60:100]) for look in looks]
    assert find_focal(middles, 40, 30) is None

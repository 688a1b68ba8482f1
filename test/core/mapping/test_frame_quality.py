"""The quality of frames: what is worse stands lower, and what shows nothing is refused."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.worlds import tabletop

from om3d_core.errors import InputError, UnusableFrameError
from om3d_core.mapping.frame_quality import quality_level

MAX_DEPTH_M = 4.0


@pytest.fixture(scope="module")
def good():
    return tabletop(1, width=320, height=240)[0]


def level(frame):
    return quality_level(frame, MAX_DEPTH_M)


@pytest.mark.parametrize("spoil", [
    lambda f: replace(f, rgb=cv2.GaussianBlur(f.rgb, (0, 0), 4.0)),
    lambda f: replace(f, rgb=(f.rgb * 0.3).astype(np.uint8)),
    lambda f: replace(f, rgb=np.clip(f.rgb.astype(int) * 4, 0, 255).astype(np.uint8)),
    lambda f: replace(f, depth=np.where(np.arange(320) < 100, f.depth, 0).astype(np.float32)),
    lambda f: replace(f, depth=(f.depth + (np.arange(320) > 150) * 5).astype(np.float32)),
], ids=["blurred", "underexposed", "overexposed", "little depth", "depth out of range"])
def test_what_is_worse_stands_lower(good, spoil):
    assert level(spoil(good)) < level(good)


def test_noise_of_the_sensor_changes_little(good):
    rng = np.random.default_rng(0)
    levels = []
    for _ in range(10):
        noisy = good.rgb + rng.normal(0, 2.0, good.rgb.shape)
        levels.append(level(replace(good, rgb=np.clip(noisy, 0, 255).astype(np.uint8))))
    assert max(levels) - min(levels) <= 1


@pytest.mark.parametrize("spoil, reason", [
    (lambda f: replace(f, depth=np.zeros_like(f.depth)), "no depth in range"),
    (lambda f: replace(f, depth=np.full_like(f.depth, 9.0)), "no depth in range"),
    (lambda f: replace(f, rgb=np.zeros_like(f.rgb)), "black or blown out"),
    (lambda f: replace(f, rgb=np.full_like(f.rgb, 255)), "black or blown out"),
])
def test_a_frame_that_shows_nothing_is_refused(good, spoil, reason):
    with pytest.raises(UnusableFrameError, match=f"stamp {good.stamp_ns} ns: expected") as caught:
        level(spoil(good))
    assert caught.value.reason == reason and isinstance(caught.value, InputError)


def test_a_plain_wall_is_no_fault(good):
    wall = replace(good, rgb=np.full_like(good.rgb, 128), depth=np.full_like(good.depth, 1.0))
    assert level(wall) < level(good)

"""Encoded pictures: their size, and resizing."""

from __future__ import annotations

import numpy as np

from om3d_core.formats.image_files import resize_color

RGB = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def test_resize_averages_down_and_keeps_the_same_size() -> None:
    assert resize_color(RGB, 32, 24) is RGB
    small = resize_color(RGB, 16, 12)
    mean = RGB.reshape(12, 2, 16, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, mean, atol=1)
    assert resize_color(RGB, 64, 48).shape == (48, 64, 3)

"""Colors by name."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.scenes import make_scene

from om3d_core.query.colors import NAMES, ColorMemory, color_shares, to_lab

NAMED = [
    ((200, 20, 20), "red"), ((120, 20, 25), "red"), ((20, 40, 180), "blue"),
    ((20, 140, 40), "green"), ((250, 220, 30), "yellow"), ((240, 130, 20), "orange"),
    ((100, 60, 35), "brown"), ((20, 20, 22), "black"), ((245, 245, 240), "white"),
    ((130, 130, 130), "gray"), ((240, 120, 180), "pink"), ((110, 40, 140), "purple"),
    ((40, 200, 210), "cyan"), ((220, 200, 165), "beige"),
]  # fmt: skip


def painted(*rgb):
    """A scene whose instances have these colors, with the noise of a camera."""
    scene = make_scene(n=len(rgb))
    rng = np.random.default_rng(0)
    for i, color in enumerate(rgb):
        members = scene.masks[i]
        noise = rng.normal(0, 6, (len(members), 3))
        scene.cloud.colors[members] = np.clip(np.array(color) + noise, 0, 255)
    return scene


@pytest.mark.parametrize(("rgb", "name"), NAMED)
def test_a_color_has_its_name(rgb, name):
    shares = color_shares(np.array([rgb], np.uint8), [1])[0].sum(axis=0)
    assert NAMES[int(shares.argmax())] == name
    assert shares.sum() == pytest.approx(1)


def test_red_and_blue_differ():
    memory = ColorMemory(painted((190, 30, 30)))
    assert memory.of(np.array([0]), "red")[0] == 1
    assert memory.of(np.array([0]), "blue")[0] < 0.1


def test_shades():
    memory = ColorMemory(painted((20, 30, 90)))
    row = np.array([0])
    assert memory.of(row, "dark blue")[0] > 0.9
    assert memory.of(row, "dark")[0] == 1
    assert memory.of(row, "light blue")[0] < 0.1


def test_lab_of_known_colors():
    lab = to_lab(np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8))
    known = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]
    np.testing.assert_allclose(lab, known, atol=0.05)

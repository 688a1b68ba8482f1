"""Lens distortion: images of a lens become those of a pinhole; what cannot be is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from om3d_core.data.frame import Intrinsics
from om3d_core.errors import InputError
from om3d_core.formats.calibration import Calibration

WIDTH, HEIGHT = 160, 120
CAMERA = Intrinsics(140.0, 142.0, 80.5, 58.0, WIDTH, HEIGHT)
LENSES = {
    "plumb_bob": (-0.2, 0.05, 0.001, -0.002, 0.01),
    "rational_polynomial": (-0.2, 0.05, 0.001, -0.002, 0.01, 0.02, -0.01, 0.005),
    "equidistant": (0.03, -0.01, 0.002, 0.001),
}


def rays(k=CAMERA):
    v, u = np.mgrid[: k.height, : k.width]
    return np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy, np.ones_like(u)], -1).reshape(-1, 3)


def seen_through(model, d, points):
    """(n, 2) pixels in which a lens shows points (n, 3)."""
    zero, d = np.zeros(3), np.array(d)
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    if model == "equidistant":
        return project(points[:, None], zero, zero, CAMERA.matrix, d)[0][:, 0]
    return project(points, zero, zero, CAMERA.matrix, d)[0][:, 0]


@pytest.mark.parametrize("model", list(LENSES))
def test_a_point_lies_in_the_rectified_image_where_a_pinhole_sees_it(model):
    """The picture is a smooth function of place; what lies in a pixel tells where it came from."""
    def shade(pixels):
        return 100.0 + pixels @ [1.0, 0.3]

    calibration = Calibration.of(WIDTH, HEIGHT, CAMERA.matrix, model, LENSES[model])
    v, u = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    distorted = shade(np.stack([u, v], -1)).astype(np.float32) / 1000.0
    color = np.repeat((u / 1.0).astype(np.uint8)[..., None], 3, 2)
    rgb, depth, k = calibration.rectified(color, distorted)
    places = seen_through(model, LENSES[model], rays()).reshape(HEIGHT, WIDTH, 2)
    inner = ((places >= 0) & (places <= [WIDTH - 1, HEIGHT - 1])).all(axis=2)
    assert k == CAMERA and inner.mean() > 0.5
    assert np.abs(rgb[..., 0][inner].astype(float) - places[..., 0][inner]).max() < 1.6
    assert np.abs(1000.0 * depth - shade(places))[inner].max() <= 0.5 * 1.3 + 0.05
    far = ((places < -1) | (places > [WIDTH, HEIGHT])).any(axis=2)
    assert not depth[far].any() and not rgb[far].any()


def test_depth_of_another_size_is_rectified_as_color_is():
    calibration = Calibration.of(WIDTH, HEIGHT, CAMERA.matrix, "plumb_bob", LENSES["plumb_bob"])
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    whole = (1.0 + u / WIDTH).astype(np.float32)
    half = whole.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3))
    color = np.repeat(u.astype(np.uint8)[..., None], 3, 2)
    _, large, _ = calibration.rectified(color, whole)
    rgb, small, k = calibration.rectified(color, half)
    assert rgb.shape == (HEIGHT // 2, WIDTH // 2, 3) and k.width == WIDTH // 2
    coarse = large.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3))
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(small[inner] - coarse[inner]).max() < 2.0 / WIDTH + 1e-3


def test_depth_is_never_between_two_surfaces():
    calibration = Calibration.of(WIDTH, HEIGHT, CAMERA.matrix, "plumb_bob", LENSES["plumb_bob"])
    depth = np.where(np.arange(WIDTH) < 70, 1.0, 3.0).astype(np.float32)[None].repeat(HEIGHT, 0)
    _, found, _ = calibration.rectified(np.zeros((HEIGHT, WIDTH, 3), np.uint8), depth)
    assert set(np.unique(found)) <= {0.0, 1.0, 3.0}


@pytest.mark.parametrize("d", [(), (0.0,) * 5, (1e-9, 0.0, 0.0, 0.0, 0.0)])
@pytest.mark.parametrize("model", ["", "plumb_bob", "none"])
def test_without_distortion_images_stay_as_they_are(d, model):
    calibration = Calibration.of(WIDTH, HEIGHT, CAMERA.matrix, model, d)
    rgb, depth = np.ones((HEIGHT, WIDTH, 3), np.uint8), np.ones((HEIGHT, WIDTH), np.float32)
    same = calibration.rectified(rgb, depth)
    assert same[0] is rgb and same[1] is depth and calibration == Calibration(CAMERA)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distortion_model": "mystery"}, "distortion model of plumb_bob"),
        ({"d": (0.1, 0.2, 0.3)}, "4 or 5 coefficients"),
        ({"d": (0.1, np.nan, 0.0, 0.0, 0.0)}, "finite distortion"),
        ({"k": np.zeros((3, 3))}, "calibrated camera_info"),
        ({"width": 0}, "image size"),
    ],
)
def test_what_is_no_calibration_is_refused(changes, said):
    good = {"width": WIDTH, "height": HEIGHT, "k": CAMERA.matrix, "distortion_model": "plumb_bob",
            "d": LENSES["plumb_bob"]}
    with pytest.raises(InputError, match=said):
        Calibration.of(**{**good, **changes})


def test_color_of_another_size_than_calibrated_is_refused():
    with pytest.raises(InputError, match="camera_info's height and width"):
        Calibration(CAMERA).rectified(
            np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.float32)
        )

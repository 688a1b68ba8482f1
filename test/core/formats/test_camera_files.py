"""Intrinsics as people write them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.recorded_scene import K

from om3d_core.errors import InputError
from om3d_core.formats.camera_files import read_camera

FOUR = {"fx": 30.0, "fy": 31.0, "cx": 16.5, "cy": 11.5}
WHOLE = np.eye(4)
WHOLE[:3, :3] = K
PROJECTION = np.hstack([K, np.zeros((3, 1))])


@pytest.mark.parametrize("numbers", [K, WHOLE, PROJECTION, K.T, WHOLE.T, list(FOUR.values())])
def test_text_of_numbers(tmp_path, numbers):
    path = tmp_path / "k.txt"
    path.write_text(" ".join(map(str, np.ravel(numbers))))
    np.testing.assert_array_equal(read_camera(path).matrix, K)


@pytest.mark.parametrize("content", [
    {"width": 32, "height": 24, "intrinsic_matrix": K.T.ravel().tolist()},
    {"camera": {**FOUR, "w": 32, "h": 24, "scale": 6553.5}},
    {"w": 32, "h": 24, "fl_x": 30, "fl_y": 31, "cx": 16.5, "cy": 11.5},
    {"width": 32, "height": 24, "K": K.tolist()},
    {"image_width": 32, "image_height": 24,
     "camera_matrix": {"rows": 3, "cols": 3, "data": K.ravel().tolist()}},
    {"width": 32, "height": 24, "intrinsics": FOUR},
])
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_cameras_by_name(tmp_path, content, suffix):
    path = tmp_path / f"camera.{suffix}"
    path.write_text(("%YAML:1.0\n" if suffix == "yaml" else "") + json.dumps(content))
    camera = read_camera(path)
    np.testing.assert_array_equal(camera.matrix, K)
    assert (camera.width, camera.height) == (32, 24)
    assert camera.depth_units_per_m == (6553.5 if "camera" in content else 0)


@pytest.mark.parametrize(("lens", "model", "terms"), [
    ({"distortion_model": "equidistant", "D": [0.1, 0, 0, 0]}, "equidistant", (0.1, 0, 0, 0)),
    ({"distortion_coefficients": {"data": [0.1, 0, 0, 0, 0]}}, "plumb_bob", (0.1, 0, 0, 0, 0)),
    ({"dist_coeffs": [0.1] * 8}, "rational_polynomial", (0.1,) * 8),
    ({"distortion": 0.1}, "", (0.1,)), ({"D": [0, 0, 0, 0, 0]}, "", ()), ({"D": None}, "", ()),
    ({"distortion": "none"}, "", ()),
])  # fmt: skip
def test_the_lens_of_a_calibration_and_its_rectified_camera(tmp_path, lens, model, terms):
    path = tmp_path / "camera.json"
    straight = np.hstack([2 * K, np.zeros((3, 1))]).tolist()
    path.write_text(json.dumps({"K": K.tolist(), **lens, "projection_matrix": straight}))
    camera = read_camera(path)
    assert (camera.model, camera.distortion) == (model, terms)
    if terms:
        np.testing.assert_array_equal(camera.rectified_matrix, 2 * K)
    else:
        assert camera.rectified_matrix is None


@pytest.mark.parametrize(("name", "text", "said"), [
    ("k.txt", "1 2 3", "fx fy cx cy.*got 3 numbers"), ("k.txt", "0 1 2 3", "positive focal"),
    ("k.txt", "nan 1 2 3", "finite"), ("k.json", "{", "a camera"), ("k.json", "[]", "got list"),
    ("k.json", '{"f": 1}', "got f"), ("k.json", '{"K": "x"}', "K: expected numbers"),
    ("k.json", '{"K": [1, 1, 1, 1], "D": ["x"]}', "D: expected numbers"),
    ("k.json", '{"fx": true, "fy": 1, "cx": 1, "cy": 1}', "fx of 0"), ("k.yaml", "a: *b", "alias"),
    ("none.txt", None, "No such file"),
])
def test_what_is_no_camera_is_said(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_camera(tmp_path / name)

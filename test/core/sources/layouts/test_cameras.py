"""Cameras of frames: lenses, sizes that differ, published intrinsics, maps of COLMAP's stereo."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from helpers.layouts import WRITERS, N, assert_frames, depth_m, open_folder, row
from helpers.recorded_scene import HEIGHT, WIDTH, K, color_of

from om3d_core.errors import SourceError
from om3d_core.formats.calibration import Calibration


@pytest.mark.parametrize(("model", "terms", "kind"), [
    ("OPENCV", {"k1": 0.1, "k2": -0.02, "p1": 0.001}, "plumb_bob"),
    ("OPENCV_FISHEYE", {"k1": 0.05}, "equidistant"),
])
def test_a_lens_is_made_good(tmp_path, model, terms, kind):
    path = WRITERS["nerfstudio"](tmp_path / "scan")
    file = path / "transforms.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "camera_model": model, **terms}))
    d = [terms.get("k1", 0), terms.get("k2", 0), terms.get("p1", 0), 0]
    calibration = Calibration.of(WIDTH, HEIGHT, K, kind, d if kind == "equidistant" else [*d, 0])
    rgb, depth, k = calibration.rectified(color_of(1), depth_m(1))
    frame = list(open_folder(path))[1]
    assert np.array_equal(frame.rgb, rgb) and not np.array_equal(rgb, color_of(1))
    np.testing.assert_allclose(frame.depth, depth, atol=1e-6)
    assert frame.intrinsics == k


def test_images_of_another_size_than_their_camera(tmp_path):
    path = WRITERS["nerfstudio"](tmp_path / "scan")
    for n in range(N):
        large = np.kron(color_of(n), np.ones((2, 2, 1), np.uint8))
        name = path / f"images/frame_{n + 1:05d}.png"
        cv2.imwrite(str(name), cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
    assert_frames(open_folder(path))


def test_a_lens_without_distortion_and_color_larger_than_depth(tmp_path):
    path = WRITERS["colmap"](tmp_path / "scan")
    four = 2 * np.array([K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5])
    (path / "sparse/0/cameras.txt").write_text(
        f"1 OPENCV {2 * WIDTH} {2 * HEIGHT} {row(four)} 0 0 0 0\n"
    )
    for file in (path / "images").iterdir():
        large = np.kron(cv2.imread(str(file)), np.ones((2, 2, 1), np.uint8))
        cv2.imwrite(str(file), large)
    assert_frames(open_folder(path))


def test_depth_maps_of_the_stereo_of_colmap(tmp_path):
    path = WRITERS["colmap"](tmp_path / "scan")
    maps = path / "stereo/depth_maps"
    maps.mkdir(parents=True)
    for n in range(N):
        content = f"{WIDTH}&{HEIGHT}&1&".encode() + depth_m(n).astype("<f4").tobytes()
        (maps / f"{n:04d}.png.geometric.bin").write_bytes(content)
        (path / f"depth/{n:04d}.png").unlink()
    assert_frames(open_folder(path))


@pytest.mark.parametrize(("name", "four"), [
    ("freiburg1", (517.3, 516.5, 318.6, 255.3)), ("freiburg3", (535.4, 539.2, 320.1, 247.6)),
])
def test_published_intrinsics_of_tum_are_those_of_its_sequence(tmp_path, name, four):
    path = WRITERS["tum"](tmp_path / f"rgbd_dataset_{name}_desk")
    (path / "intrinsics.txt").unlink()
    k = next(iter(open_folder(path))).intrinsics
    assert k.fx == pytest.approx(four[0] * WIDTH / 640)
    assert k.cy == pytest.approx((four[3] + 0.5) * HEIGHT / 480 - 0.5)


def test_camera_and_units_of_bundlefusion(tmp_path):
    path = WRITERS["seven_scenes"](tmp_path / "scan") / "seq-01"
    (path.parent / "camera-intrinsics.txt").unlink()
    whole = np.eye(4)
    whole[:3, :3] = K
    info = ["m_versionNumber = 4", f"m_colorWidth = {WIDTH}", f"m_colorHeight = {HEIGHT}",
            "m_depthShift = 1000", f"m_calibrationColorIntrinsic = {row(whole)} "]
    (path / "info.txt").write_text("\n".join(info))
    assert_frames(open_folder(path))
    (path / "info.txt").write_text(info[0])
    with pytest.raises(SourceError, match=r"info\.txt: expected m_colorWidth"):
        open_folder(path)
    (path / "info.txt").unlink()
    assert next(iter(open_folder(path))).intrinsics.fx == pytest.approx(585 * WIDTH / 640)

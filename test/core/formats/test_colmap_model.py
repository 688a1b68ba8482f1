"""COLMAP's models, text and binary."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from helpers.recorded_scene import pose_of

from om3d_core.data.poses import inverse, quaternion_of
from om3d_core.errors import InputError
from om3d_core.formats.colmap_model import depth_map_size, read_depth_map, read_model

CAMERAS = {
    1: ("SIMPLE_PINHOLE", 0, [30, 16, 12], "", ()),
    2: ("PINHOLE", 1, [30, 31, 16, 12], "", ()),
    3: ("SIMPLE_RADIAL", 2, [30, 16, 12, 0.1], "plumb_bob", (0.1, 0, 0, 0, 0)),
    4: ("RADIAL", 3, [30, 16, 12, 0.1, 0.2], "plumb_bob", (0.1, 0.2, 0, 0, 0)),
    5: ("OPENCV", 4, [30, 31, 16, 12, 0.1, 0.2, 0.3, 0.4], "plumb_bob", (0.1, 0.2, 0.3, 0.4, 0)),
    6: ("OPENCV_FISHEYE", 5, [30, 31, 16, 12, 1, 2, 3, 4], "equidistant", (1, 2, 3, 4)),
    7: ("FULL_OPENCV", 6, [30, 31, 16, 12, 1, 2, 3, 4, 5, 6, 7, 8], "rational_polynomial",
        (1, 2, 3, 4, 5, 6, 7, 8)),
}
STORED = [inverse(pose_of(n)) for n in range(3)]


def numbers(stored):
    x, y, z, w = quaternion_of(stored)
    return [w, x, y, z, *stored[:3, 3]]


def write_text(folder):
    cameras = ["# Camera list"] + [f"{i} {c[0]} 32 24 {' '.join(map(str, c[2]))}"
                                   for i, c in CAMERAS.items()]
    images = ["# Image list"]
    for n, stored in enumerate(STORED):
        images += [f"{n + 1} {' '.join(map(str, numbers(stored)))} {n + 1} a b/{n}.jpg",
                   "1.0 2.0 -1" if n else ""]
    (folder / "cameras.txt").write_text("\n".join(cameras))
    (folder / "images.txt").write_text("\n".join(images))


def write_binary(folder):
    cameras = struct.pack("<Q", len(CAMERAS))
    for number, (_, model, values, *_) in CAMERAS.items():
        cameras += struct.pack(f"<iiQQ{len(values)}d", number, model, 32, 24, *values)
    images = struct.pack("<Q", len(STORED))
    for n, stored in enumerate(STORED):
        images += struct.pack("<i7di", n + 1, *numbers(stored), n + 1)
        images += f"a b/{n}.jpg".encode() + b"\0" + struct.pack("<Q", n) + bytes(24 * n)
    (folder / "cameras.bin").write_bytes(cameras)
    (folder / "images.bin").write_bytes(images)


@pytest.mark.parametrize("write", [write_text, write_binary])
def test_a_model_is_read(tmp_path, write):
    write(tmp_path)
    cameras, images = read_model(tmp_path)
    for number, (_, _, values, model, distortion) in CAMERAS.items():
        camera = cameras[number]
        assert (camera.width, camera.height, camera.model) == (32, 24, model)
        np.testing.assert_allclose(camera.distortion, distortion)
        assert camera.matrix[0, 2] == 15.5 and camera.matrix[1, 2] == 11.5
        assert camera.matrix[1, 1] == (30 if number in (1, 3, 4) else 31), values
    assert [image.name for image in images] == [f"a b/{n}.jpg" for n in range(3)]
    for image, stored in zip(images, STORED, strict=True):
        np.testing.assert_allclose(image.camera_from_map, stored, atol=1e-9)


@pytest.mark.parametrize("write", [write_text, write_binary])
def test_a_damaged_model_names_its_file(tmp_path, write):
    for name in ("cameras", "images"):
        write(tmp_path)
        (file,) = tmp_path.glob(f"{name}.*")
        whole = file.read_bytes()
        for bad in (whole[: 60 if write is write_text else -20], whole[8:], b"\xff" * 40):
            file.write_bytes(bad)
            with pytest.raises(InputError, match=str(file)):
                read_model(tmp_path)


def test_depth_maps(tmp_path):
    depth = np.arange(12, dtype="<f4").reshape(3, 4)
    path = tmp_path / "a.jpg.geometric.bin"
    path.write_bytes(b"4&3&1&" + depth.tobytes())
    np.testing.assert_array_equal(read_depth_map(path), depth)
    assert depth_map_size(path) == (4, 3)
    for bad in (b"4&3&1&" + bytes(44), b"4&3&3&" + bytes(144), b"4&x&1&", b"99999&3&1&", b""):
        path.write_bytes(bad)
        with pytest.raises(InputError):
            read_depth_map(path)

"""Depth in files of any kind, and pictures that are none."""

from __future__ import annotations

import importlib
import struct
import zlib

import cv2
import numpy as np
import pytest
from helpers.recorded_scene import HEIGHT, WIDTH, depth_of

from om3d_core.errors import InputError
from om3d_core.formats.depth_files import depth_file_size, read_depth_file

UNITS = depth_of(3)
METERS = (UNITS / 1000).astype(np.float32)


def png_of_two_channels(path):
    """Gray and opacity of 16 bits, which few writers make."""
    pixels = np.dstack([UNITS, np.full_like(UNITS, 65535)]).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, body):
        whole = kind + body
        return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 4, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.parametrize(("name", "write", "expected"), [
    ("d.png", lambda p: cv2.imwrite(str(p), UNITS), UNITS),
    ("d.png", lambda p: cv2.imwrite(str(p), np.dstack([UNITS] * 3)), UNITS),
    ("d.png", png_of_two_channels, UNITS),
    ("d.tif", lambda p: cv2.imwrite(str(p), UNITS), UNITS),
    ("d.tiff", lambda p: cv2.imwrite(str(p), METERS), METERS),
    ("d.npy", lambda p: np.save(p, METERS), METERS),
    ("d.npy", lambda p: np.save(p, METERS.astype(np.float64)[None]), METERS),
    ("d.npy", lambda p: np.save(p, METERS.astype(np.float16)[..., None]),
     METERS.astype(np.float16).astype(np.float32)),
    ("d.npy", lambda p: np.save(p, UNITS.astype(np.int64)), UNITS),
])
def test_depth_is_as_stored(tmp_path, name, write, expected):
    path = tmp_path / name
    write(path)
    found = read_depth_file(path)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert depth_file_size(path) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("channels", ["Z", "Y", "RGB", "depth.V"])
def test_exr(tmp_path, channels):
    exr = pytest.importorskip("OpenEXR")
    names = list(channels) if channels == "RGB" else [channels]
    path = tmp_path / "d.exr"
    head = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    with exr.File(head, {name: METERS.copy() for name in names}) as file:
        file.write(str(path))
    np.testing.assert_array_equal(read_depth_file(path), METERS)
    assert depth_file_size(path) == (WIDTH, HEIGHT)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"\.exr"):
        read_depth_file(path)


def test_exr_without_its_module_says_what_to_install(tmp_path, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    (tmp_path / "d.exr").write_bytes(b"\x76\x2f\x31\x01")
    with pytest.raises(InputError, match="pip install OpenEXR"):
        read_depth_file(tmp_path / "d.exr")


COLORED = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)


@pytest.mark.parametrize(("name", "write", "said"), [
    ("d.png", lambda p: cv2.imwrite(str(p), (UNITS >> 8).astype(np.uint8)), "8 bits"),
    ("d.png", lambda p: cv2.imwrite(str(p), COLORED), "a colored picture"),
    ("d.jpg", lambda p: cv2.imwrite(str(p), (UNITS >> 8).astype(np.uint8)), r"depth as \.png"),
    ("d.npy", lambda p: np.save(p, METERS[0]), r"shape \(H, W\)"),
    ("d.npy", lambda p: np.save(p, np.full((2, 2), None)), "array of numbers"),
    ("d.npy", lambda p: np.save(p, np.array([[0, 70_000]])), "0 .. 65535, got 0 .. 70000"),
    ("d.npy", lambda p: p.write_bytes(b"\x93NUMPY\x01\x00"), r"\.npy"),
    ("d.tif", lambda p: p.write_bytes(b"II*\0" + bytes(20)), r"\.tiff"),
    ("d.png", lambda p: None, "No such file"),
])
def test_what_is_no_depth_is_said(tmp_path, name, write, said):
    write(tmp_path / name)
    with pytest.raises(InputError, match=said):
        read_depth_file(tmp_path / name)


def test_a_huge_array_is_refused_by_its_header(tmp_path):
    path = tmp_path / "d.npy"
    np.save(path, METERS)
    path.write_bytes(path.read_bytes().replace(b"(24, 32)", b"(1<<9,9)"))
    with pytest.raises(InputError):
        read_depth_file(path)
    np.save(path, METERS)
    path.write_bytes(path.read_bytes().replace(b"(24, 32), }", b"(99999, 9), }"))
    with pytest.raises(InputError, match="8192 pixels"):
        read_depth_file(path)

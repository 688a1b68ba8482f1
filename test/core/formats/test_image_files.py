"""Encoded pictures: their size, and resizing."""
from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from fuzz.probe import Probe
from helpers import bombs
from helpers.bounds import assert_read, assert_refused
from helpers.recorded_scene import write_scene

from om3d_core.data.encoded_image import decode_file
from om3d_core.errors import InputError
from om3d_core.formats.image_files import resize_color
from om3d_core.formats.picture_files import read_image
from om3d_core.sources.folder import FolderSource

RGB = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def test_resize_averages_down_and_keeps_the_same_size() -> None:
    assert resize_color(RGB, 32, 24) is RGB
    small = resize_color(RGB, 16, 12)
    mean = RGB.reshape(12, 2, 16, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, mean, atol=1)
    assert resize_color(RGB, 64, 48).shape == (48, 64, 3)


def test_a_large_picture_is_refused_by_its_header(tmp_path: Path, probe: Probe) -> None:
    assert_read(probe, "picture", bombs.png(tmp_path / "panorama.png", 8192, 4096))
    assert_refused(
        probe, "picture", bombs.png(tmp_path / "large.png", 8192, 8192),
        "at most 33554432 pixels .* got 8192 x 8192",
    )  # fmt: skip
    assert_refused(
        probe, "picture", bombs.png(tmp_path / "deep.png", 8192, 4096, 16, 6),
        "at most 134217728 bytes of pixels",
    )  # fmt: skip


def test_a_jpeg_of_many_scans_is_refused(tmp_path: Path, probe: Probe) -> None:
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    whole = cv2.imencode(".jpg", np.zeros((4096, 8192, 3), np.uint8), options)[1].tobytes()
    assert_read(probe, "picture", bombs.jpeg_of_scans(tmp_path / "few.jpg", whole, 1))
    assert_refused(
        probe, "picture", bombs.jpeg_of_scans(tmp_path / "many.jpg", whole, 200),
        "at most 32 scans of 8192 x 4096 pixels",
    )  # fmt: skip


def test_frames_of_a_scene_are_judged_the_same_way(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene", (0, 1, 2))
    bombs.png(scene / "color/1.png", 8192, 8192)
    source = FolderSource(scene)
    assert len(list(source)) == 2
    assert source.skipped.reasons == {"color unreadable": 1}


def test_programs_are_not_started_for_a_picture(tmp_path: Path) -> None:
    (tmp_path / "p.eps").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with pytest.raises(InputError, match=r"p\.eps: expected a picture .*BMP, GIF, TIFF, WEBP"):
        read_image(tmp_path / "p.eps")


def test_a_png_of_an_odd_kind(tmp_path: Path) -> None:
    data = bytearray(bombs.png(tmp_path / "p.png", 8, 8).read_bytes())
    data[25] = 5
    with pytest.raises(InputError, match="color type 5 of 8 bits"):
        decode_file(bytes(data), color=True)


def test_what_follows_a_png_is_not_decoded(tmp_path: Path) -> None:
    """OpenCV takes it for chunks where it has found no pixels, and allocates what they declare."""
    whole = bombs.png(tmp_path / "p.png", 8, 8).read_bytes()
    more = whole + struct.pack(">I4s", 1 << 30, b"IDAT") + bytes(1000)
    assert np.array_equal(decode_file(more, color=True), decode_file(whole, color=True))
    with pytest.raises(InputError, match="a whole image"):
        decode_file(more.replace(b"IDAT", b"IDA\xd4", 1), color=True)

"""Color in files of any kind; orientation tags."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from helpers.recorded_scene import HEIGHT, WIDTH, color_of

from om3d_core.errors import InputError
from om3d_core.formats.color_files import color_file_size, read_color_file

RGB = color_of(2)
EXIF = "ffe100224578696600004d4d002a000000080001011200030000000100{:02x}000000000000"


@pytest.mark.parametrize("name", ["c.png", "c.bmp", "c.tif", "c.tiff", "c.webp"])
def test_color_without_loss(tmp_path, name):
    path = tmp_path / name
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if name.endswith("webp") else []
    assert cv2.imwrite(str(path), cv2.cvtColor(RGB, cv2.COLOR_RGB2BGR), options)
    np.testing.assert_array_equal(read_color_file(path), RGB)
    assert color_file_size(path) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation_is_followed_only_where_depth_lies_across(tmp_path, orientation):
    path = tmp_path / "c.jpg"
    smooth = cv2.resize(RGB[:3, :4], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    assert cv2.imwrite(str(path), smooth, [cv2.IMWRITE_JPEG_QUALITY, 100])
    whole = path.read_bytes()
    stored = read_color_file(path)
    path.write_bytes(whole[:2] + bytes.fromhex(EXIF.format(orientation).replace(" ", ""))
                     + whole[2:])  # fmt: skip
    for like in (None, (64, 48), (30, 30)):
        np.testing.assert_array_equal(read_color_file(path, like), stored)
    across = read_color_file(path, (48, 64))
    turned = {6: np.rot90(stored, -1), 8: np.rot90(stored)}.get(orientation, stored)
    np.testing.assert_array_equal(across, turned)
    assert color_file_size(path, (48, 64)) == across.shape[1::-1]


def test_what_is_no_picture_is_said(tmp_path):
    path = tmp_path / "c.bmp"
    path.write_bytes(b"BM" + bytes(50))
    for read in (read_color_file, color_file_size):
        with pytest.raises(InputError, match="picture"):
            read(path)

"""Color images in files, upright as the depth beside them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import JPEG_MAGIC, PNG_MAGIC, decode_file, encoded_size
from om3d_core.errors import InputError, reason_of
from om3d_core.formats.image_files import read_encoded
from om3d_core.formats.picture_files import FORMATS, decode_picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
ORIENTATION = 0x0112
QUARTERS = {5: 1, 6: 3, 7: 3, 8: 1}
"""How often to turn by 90 degrees, counterclockwise, by EXIF's orientation; the mirrored ones,
which no camera writes, are turned only."""

Size = tuple[int, int]
"""Width and height in pixels."""


def read_color_file(path: Path, like: Size | None = None) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a JPEG, PNG, BMP, TIFF or WebP file, pixels as they are stored.

    Intrinsics belong to the stored pixels, so that EXIF's orientation is followed only where it
    turns an image that lies across ``like``, the size of its depth. Raises InputError.
    """
    data = read_encoded(path)
    if data.startswith((JPEG_MAGIC, PNG_MAGIC)):
        rgb = np.asarray(decode_file(data, color=True), np.uint8)
    else:
        rgb = decode_picture(data)
    quarters = _quarters(data, (rgb.shape[1], rgb.shape[0]), like)
    return np.ascontiguousarray(np.rot90(rgb, quarters)) if quarters else rgb


def color_file_size(path: Path, like: Size | None = None) -> Size:
    """Width and height that :func:`read_color_file` gives, from the header alone."""
    data = read_encoded(path)
    size = encoded_size(data) if data.startswith((JPEG_MAGIC, PNG_MAGIC)) else _size(data)
    return size[::-1] if _quarters(data, size, like) % 2 else size


def _quarters(data: bytes, size: Size, like: Size | None) -> int:
    if like is None or (size[0] - size[1]) * (like[0] - like[1]) >= 0:
        return 0
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", *FORMATS)) as image:
            return QUARTERS.get(int(image.getexif().get(ORIENTATION, 1)), 0)
    except Exception:
        return 0


def _size(data: bytes) -> Size:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.size
    except Exception as error:
        raise InputError(f"expected a picture, got {reason_of(error)}") from error

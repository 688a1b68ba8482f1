"""Image files of the disk to arrays, and arrays to other sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import MAX_ENCODED_BYTES, decode_file
from om3d_core.errors import InputError, reason_of
from om3d_core.files import read_regular


def read_image_file(path: Path, color: bool) -> npt.NDArray[Any]:
    """The pixels of a JPEG or PNG file on disk, as :func:`decode_file`. Raises InputError."""
    return decode_file(read_encoded(path), color)


def read_encoded(path: Path) -> bytes:
    """The bytes of an image file. Raises InputError if it is missing, special or too large."""
    try:
        return read_regular(path, MAX_ENCODED_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected an image file, got {reason_of(error)}") from error


def resize_color(rgb: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8: ``rgb`` averaged down, or interpolated up, to another size."""
    import cv2

    if rgb.shape[:2] == (height, width):
        return rgb
    shrinks = width * height < rgb.shape[0] * rgb.shape[1]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=mode), np.uint8)


def shrink_color(rgb: npt.NDArray[np.uint8], side_px: int) -> npt.NDArray[np.uint8]:
    """``rgb`` averaged down until its longer side has at most ``side_px`` pixels."""
    height, width = rgb.shape[:2]
    scale = min(1.0, side_px / max(height, width))
    return resize_color(rgb, max(1, round(width * scale)), max(1, round(height * scale)))

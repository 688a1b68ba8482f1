"""Reading picture files that came from outside."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import JPEG_MAGIC, MAX_PIXELS, PNG_MAGIC, decode_file
from om3d_core.errors import InputError, expect, reason_of
from om3d_core.files import read_regular

MAX_FILE_BYTES = 64_000_000
FORMATS = ("BMP", "GIF", "TIFF", "WEBP")
"""What Pillow reads, besides JPEG and PNG; of the others it knows some start programs."""


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """The picture at ``path`` as (H, W, 3) uint8 RGB.

    Raises :class:`InputError` if it is missing, no picture, or of more than 2 ** 25 pixels.
    """
    try:
        data = read_regular(path, MAX_FILE_BYTES)
        if data.startswith((JPEG_MAGIC, PNG_MAGIC)):
            return np.asarray(decode_file(data, color=True), np.uint8)
        return decode_picture(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a picture, got {reason_of(error)}") from error


def decode_picture(data: bytes) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of the bytes of a BMP, GIF, TIFF or WebP file. Raises InputError."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                expect(
                    image.width * image.height <= MAX_PIXELS, f"at most {MAX_PIXELS} pixels",
                    image.size,
                )
                return np.asarray(image.convert("RGB"), np.uint8)
    except InputError:
        raise
    except Exception as error:
        kinds = ", ".join(("JPEG", "PNG", *FORMATS))
        raise InputError(
            f"expected a picture ({kinds}), got {reason_of(error)}"
        ) from error

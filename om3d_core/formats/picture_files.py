"""Reading picture files that came from outside."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, reason_of
from om3d_core.files import open_regular
from om3d_core.formats.image_files import MAX_PIXELS

MAX_FILE_BYTES = 64_000_000
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""Pillow knows more; some of them start other programs."""


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """The picture at ``path`` as (H, W, 3) uint8 RGB.

    Raises :class:`InputError` if it is missing, no picture, or of more than 2 ** 25 pixels.
    """
    from PIL import Image

    try:
        with open(open_regular(path), "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            size = file.seek(0, 2)
            file.seek(0)
            if size > MAX_FILE_BYTES:
                raise InputError(f"{path}: expected at most {MAX_FILE_BYTES} bytes, got {size}")
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise InputError(
                        f"{path}: expected at most {MAX_PIXELS} pixels, got {image.size}"
                    )
                return np.asarray(image.convert("RGB"), np.uint8)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: expected a picture, got {reason_of(error)}") from error

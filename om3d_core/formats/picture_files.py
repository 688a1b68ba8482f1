"""Reading picture files that came from outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError

MAX_FILE_BYTES = 64_000_000
MAX_PIXELS = 64_000_000


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """The picture at ``path`` as (H, W, 3) uint8 RGB.

    Raises :class:`InputError` if it is missing, no picture, or larger than 64 megapixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: expected at most {MAX_FILE_BYTES} bytes")
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{path}: expected at most {MAX_PIXELS} pixels, got {image.size}"
                )
            return np.asarray(image.convert("RGB"), np.uint8)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        raise InputError(f"{path}: expected a picture: {error}") from error

"""A strip of an instance's best views, with a caption under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import decode_file
from om3d_core.errors import InputError
from om3d_core.pictures.palette import FAINT_TEXT, PANEL, TEXT
from om3d_core.pictures.text import font, shorten

if TYPE_CHECKING:
    from PIL import Image

PADDING_PX = 12
CAPTION_PX = 15
TITLE_PX = 16
TITLE_WIDTH_PX = 110
CORNER_PX = 6
MAX_ASPECT = 1.6


@dataclass(frozen=True)
class ViewPicture:
    """One view: the content of a JPEG or PNG file, and its caption."""

    jpeg: bytes
    caption: str


def draw_strip(
    views: Sequence[ViewPicture], title: str, width: int, height: int
) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8: as many views as fit, in their order, each whole.

    A damaged picture is shown as an empty frame.
    """
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, height), PANEL)
    draw = ImageDraw.Draw(image)
    middle = height / 2
    draw.text((PADDING_PX * 2, middle), shorten(title, TITLE_PX, TITLE_WIDTH_PX),
              fill=FAINT_TEXT, font=font(TITLE_PX), anchor="lm")
    tall = max(1, height - 3 * PADDING_PX - CAPTION_PX)
    left = TITLE_WIDTH_PX + 3 * PADDING_PX
    for view in views:
        tile = _tile(view.jpeg, tall)
        if left + tile.width + PADDING_PX > width:
            break
        mask = Image.new("L", tile.size, 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, tile.width - 1, tile.height - 1), CORNER_PX,
                                               fill=255)
        image.paste(tile, (left, PADDING_PX), mask)
        draw.text((left + tile.width / 2, height - PADDING_PX - CAPTION_PX / 2),
                  shorten(view.caption, CAPTION_PX, tile.width), fill=TEXT, font=font(CAPTION_PX),
                  anchor="mm")
        left += tile.width + PADDING_PX
    return np.array(image)


def _tile(content: bytes, height: int) -> Image.Image:
    """The picture at ``height``, at most MAX_ASPECT times as wide and at least half as wide."""
    from PIL import Image

    try:
        picture = Image.fromarray(decode_file(content, color=True))
    except InputError:
        return Image.new("RGB", (height, height), FAINT_TEXT)
    least, most = height // 2 + 1, round(height * MAX_ASPECT)
    scale = min(height / picture.height, most / picture.width)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    tile = Image.new("RGB", (int(np.clip(size[0], least, most)), height), (0, 0, 0))
    tile.paste(picture.resize(size, Image.Resampling.LANCZOS),
               ((tile.width - size[0]) // 2, (height - size[1]) // 2))
    return tile

"""Text in pictures, in the font that comes with Pillow."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

from om3d_core.data.text import one_line

if TYPE_CHECKING:
    from PIL import ImageDraw

Color = tuple[int, int, int]
ELLIPSIS = "..."


@cache
def font(size_px: int) -> Any:
    """Pillow's own scalable font at a height in pixels."""
    from PIL import ImageFont

    return ImageFont.load_default(size_px)


def text_width(text: str, size_px: int) -> int:
    """Width of one line in pixels."""
    return math.ceil(float(font(size_px).getlength(text)))


def shorten(text: str, size_px: int, max_width: int) -> str:
    """One line of ``text``, cut with an ellipsis to at most ``max_width`` pixels."""
    line = one_line(text)[:500]
    if text_width(line, size_px) <= max_width:
        return line
    while line and text_width(line + ELLIPSIS, size_px) > max_width:
        line = line[:-1]
    return line.rstrip() + ELLIPSIS


def draw_chip(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size_px: int,
    ink: Color,
    fill: Color,
    anchor: str = "lm",
) -> None:
    """A rounded label; ``at`` is its left middle ("lm"), middle ("mm") or right middle ("rm")."""
    width, height = text_width(text, size_px) + size_px, round(size_px * 1.6)
    left = at[0] - {"l": 0, "m": width / 2, "r": width}[anchor[0]]
    box = (left, at[1] - height / 2, left + width, at[1] + height / 2)
    draw.rounded_rectangle(box, radius=height / 3, fill=fill)
    draw.text((left + width / 2, at[1]), text, fill=ink, font=font(size_px), anchor="mm")

"""What grows with what, and where the time of a map goes, as one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from om3d_core.bench.workbench import Curves
from om3d_core.pictures.text import font

if TYPE_CHECKING:
    from PIL import ImageDraw

WIDTH, PANEL, COLUMNS = 620, 300, 2
LEFT, RIGHT, TOP, BOTTOM = 74, 40, 44, 48
INK, FAINT, GRID = (40, 40, 40), (110, 110, 110), (222, 222, 222)
COLORS = ((31, 119, 180), (214, 90, 30), (44, 140, 60))
TITLE_PX, TEXT_PX, DOT_PX = 16, 13, 3
TICKS, MOST_DOTS = 4, 40
BAR_NAME = 190

Color = tuple[int, int, int]


def draw_curves(
    path: Path, curves: Mapping[str, Curves], profile: Mapping[str, float]
) -> None:
    """Write a PNG with a panel a title of ``curves`` and one of ``profile`` (seconds by stage).

    Titles are ``what: y against x``; both axes begin at 0.
    """
    from PIL import Image, ImageDraw

    panels = len(curves) + bool(profile)
    rows = max(math.ceil(panels / COLUMNS), 1)
    image = Image.new("RGB", (WIDTH * COLUMNS, PANEL * rows), "white")
    draw = ImageDraw.Draw(image)
    for number, (title, lines) in enumerate(curves.items()):
        row, column = divmod(number, COLUMNS)
        _curve(draw, (column * WIDTH, row * PANEL), title, lines)
    if profile:
        row, column = divmod(len(curves), COLUMNS)
        _bars(draw, (column * WIDTH, row * PANEL), profile)
    image.save(path)


def _curve(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], title: str, lines: Curves
) -> None:
    what, _, axes = title.partition(": ")
    y_name, _, x_name = axes.partition(" against ")
    area = (at[0] + LEFT, at[1] + TOP, at[0] + WIDTH - RIGHT, at[1] + PANEL - BOTTOM)
    points = [point for line in lines.values() for point in line]
    x_step = _step(max((x for x, _ in points), default=1.0))
    y_step = _step(max((y for _, y in points), default=1.0))
    x_end, y_end = x_step * TICKS, y_step * TICKS

    def place(x: float, y: float) -> tuple[float, float]:
        return (area[0] + (area[2] - area[0]) * x / x_end,
                area[3] - (area[3] - area[1]) * y / y_end)  # fmt: skip

    for i in range(TICKS + 1):
        x, y = place(i * x_step, i * y_step)
        draw.line((area[0], y, area[2], y), fill=GRID)
        draw.line((x, area[1], x, area[3]), fill=GRID)
        draw.text((area[0] - 8, y), _tick(i * y_step), FAINT, font(TEXT_PX), "rm")
        draw.text((x, area[3] + 7), _tick(i * x_step), FAINT, font(TEXT_PX), "ma")
    draw.text((at[0] + LEFT, at[1] + 8), what, INK, font(TITLE_PX))
    draw.text((area[2], at[1] + 11), y_name, FAINT, font(TEXT_PX), "ra")
    draw.text(((area[0] + area[2]) / 2, area[3] + 25), x_name, FAINT, font(TEXT_PX), "ma")
    for color, line in zip(COLORS, lines.values(), strict=False):
        placed = [place(x, y) for x, y in line]
        if len(placed) > 1:
            draw.line(placed, fill=color, width=2)
        for x, y in placed if len(placed) <= MOST_DOTS else ():
            draw.ellipse((x - DOT_PX, y - DOT_PX, x + DOT_PX, y + DOT_PX), fill=color)


def _bars(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], profile: Mapping[str, float]
) -> None:
    """Horizontal bars of seconds."""
    draw.text((at[0] + LEFT, at[1] + 8), "a map from nothing: s by stage", INK, font(TITLE_PX))
    left, right = at[0] + BAR_NAME, at[0] + WIDTH - RIGHT - 60
    height = (PANEL - TOP - 20) / len(profile)
    longest = max(*profile.values(), 1e-9)
    for number, (stage, value) in enumerate(profile.items()):
        top = at[1] + TOP + number * height
        middle, end = top + height / 2, left + (right - left) * max(value, 0) / longest
        draw.rectangle((left, top + 3, end, top + height - 3), fill=COLORS[0])
        draw.text((left - 8, middle), stage, INK, font(TEXT_PX), "rm")
        draw.text((end + 6, middle), f"{value:.1f}", FAINT, font(TEXT_PX), "lm")


def _tick(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def _step(largest: float) -> float:
    """A round number of which ``TICKS`` reach ``largest``."""
    raw = max(largest, 1e-12) / TICKS
    power: float = 10.0 ** math.floor(math.log10(raw))
    return next(power * m for m in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if power * m >= raw)

"""Curves of a run as one picture, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from soak.record import Record
from soak.verdict import WARM_UP

WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM = 1200, 190, 90, 20, 28, 26
INK, GRID, SHADE = (40, 40, 40), (215, 215, 215), (244, 244, 238)
COLORS = ((31, 119, 180), (214, 90, 30), (44, 140, 60))
GRID_LINES = 4

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def plot(record: Record, path: Path) -> None:
    """Write the curves of ``record`` as a PNG; the warm-up is shaded."""
    curves = panels(record)
    image = Image.new("RGB", (WIDTH, PANEL * len(curves)), "white")
    end_s = max([*record.times_s, 1.0])
    for number, (title, lines) in enumerate(curves.items()):
        _draw_panel(ImageDraw.Draw(image), number * PANEL, title, lines, end_s)
    image.save(path)


def panels(record: Record) -> dict[str, dict[str, Curve]]:
    """The curves by title and by name."""
    times = record.times_s
    values = {
        name: np.array([getattr(s, name) for s in record.samples], np.float64)
        for name in ("refresh_s", "sent", "used", "revision")
    }
    asked = np.array([(a.at_s, a.latency_s) for a in record.answers], np.float64).reshape(-1, 2)
    held = {
        f"{title} by node": {node: (times, record.held(node, what)) for node in record.nodes}
        for title, what in (("resident memory (MB)", "memory_mb"), ("threads", "threads"),
                            ("file descriptors", "descriptors"))
    }  # fmt: skip
    return held | {
        "latency of answers (s)": {"": (asked[:, 0], asked[:, 1])},
        "duration of the last refresh (s)": {"": (times, values["refresh_s"])},
        "frames": {name: (times, values[name]) for name in ("sent", "used")},
        "revision": {"": (times, values["revision"])},
    }


def _draw_panel(
    draw: ImageDraw.ImageDraw, top: int, title: str, lines: Mapping[str, Curve], end_s: float
) -> None:
    font = ImageFont.load_default(13)
    area = (LEFT, top + TOP, WIDTH - RIGHT, top + PANEL - BOTTOM)
    every = [y for _, ys in lines.values() for y in ys if np.isfinite(y)] or [0.0]
    low, high = min(every), max(every)
    low, high = (low, high) if high > low else (low - 1, high + 1)

    def at(x: float, y: float) -> tuple[float, float]:
        return (area[0] + (area[2] - area[0]) * x / end_s,
                area[3] - (area[3] - area[1]) * (y - low) / (high - low))  # fmt: skip

    draw.rectangle((*at(0, high), *at(end_s * WARM_UP, low)), fill=SHADE)
    for i in range(GRID_LINES + 1):
        y, x = low + (high - low) * i / GRID_LINES, end_s * i / GRID_LINES
        draw.line((*at(0, y), *at(end_s, y)), fill=GRID)
        draw.text((LEFT - 8, at(0, y)[1]), f"{y:.4g}", INK, font, "rm")
        draw.text((at(x, low)[0], area[3] + 4), f"{x:.0f} s", INK, font, "ma")
    draw.text((LEFT, top + 7), title, INK, font)
    for number, (name, (xs, ys)) in enumerate(lines.items()):
        color = COLORS[number % len(COLORS)]
        draw.text((LEFT + 320 + 120 * number, top + 7), name, color, font)
        points = [at(x, y) for x, y in zip(xs, ys, strict=True) if np.isfinite(y)]
        if len(points) > 1:
            draw.line(points, fill=color, width=2)

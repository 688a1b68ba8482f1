"""Boxes and labels over a rendered view; hidden edges are faint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from om3d_core.data.boxes import Box
from om3d_core.pictures.splat import NEAR_M, Raster, Viewpoint
from om3d_core.pictures.text import Color, draw_chip, shorten, text_width

if TYPE_CHECKING:
    from PIL import ImageDraw

EDGES = ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6),
         (3, 7))
PIECES = 48
DEPTH_SLACK = 0.01
HIDDEN_OPACITY = 0.35
SUBPIXEL_BITS = 4
LABEL_PX = 18
LABEL_MAX_WIDTH = 320
MARGIN_PX = 6
INK = (18, 20, 24)


@dataclass(frozen=True, eq=False)
class BoxMark:
    """A box to draw, its color, its edge width in pixels (0: no edges), its label and the height
    of that in pixels."""

    box: Box
    color: Color
    width_px: int
    label: str = ""
    label_px: int = LABEL_PX


def draw_boxes(
    rgb: npt.NDArray[np.uint8], raster: Raster, view: Viewpoint, marks: Iterable[BoxMark]
) -> npt.NDArray[np.uint8]:
    """``rgb`` (H, W, 3) with boxes and labels on it; the first mark lies on top.

    raster: of the same view at any size; it decides which edges are hidden.
    """
    from PIL import Image, ImageDraw

    ordered = list(marks)
    for mark in (mark for mark in reversed(ordered) if mark.width_px):
        rgb = _draw_edges(rgb, raster, view, mark)
    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    taken: list[tuple[float, float, float, float]] = []
    for mark in ordered:
        _draw_label(draw, view, mark, taken)
    return np.array(image)


def _draw_edges(
    rgb: npt.NDArray[np.uint8], raster: Raster, view: Viewpoint, mark: BoxMark
) -> npt.NDArray[np.uint8]:
    """The edges cut in pieces: those behind the surface are blended in faintly."""
    import cv2

    corners = view.to_camera(mark.box.corners)
    steps = np.linspace(0, 1, PIECES + 1)[:, None]
    ends = [corners[a] * (1 - steps) + corners[b] * steps for a, b in EDGES]
    front, faint = rgb.copy(), rgb.copy()
    for line in ends:
        middle = (line[1:] + line[:-1]) / 2
        in_front = (line[1:, 2] > NEAR_M) & (line[:-1, 2] > NEAR_M)
        hidden = _hidden(middle, raster, view, in_front)
        pixels = np.zeros((len(line), 2))
        good = line[:, 2] > NEAR_M
        pixels[good] = view.to_pixels(line[good])
        fixed = np.rint(np.clip(pixels, -1e4, 1e4) * (1 << SUBPIXEL_BITS)).astype(int)
        for i in np.flatnonzero(in_front):
            canvas = faint if hidden[i] else front
            cv2.line(canvas, fixed[i].tolist(), fixed[i + 1].tolist(), mark.color, mark.width_px,
                     cv2.LINE_AA, SUBPIXEL_BITS)
    changed = (faint != rgb).any(axis=2, keepdims=True) & (front == rgb).all(axis=2, keepdims=True)
    blended = rgb * (1 - HIDDEN_OPACITY) + faint * HIDDEN_OPACITY
    return np.where(changed, np.rint(blended).astype(np.uint8), front)


def _hidden(
    points: npt.NDArray[np.float64],
    raster: Raster,
    view: Viewpoint,
    in_front: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """(M,) whether the surface lies before each camera point."""
    height, width = raster.depth.shape
    large = view.resized(width, height)
    hidden = np.zeros(len(points), bool)
    rows = np.flatnonzero(in_front)
    pixels = np.rint(large.to_pixels(points[rows]))
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
    rows, (x, y) = rows[inside], pixels[inside].astype(int).T
    slack = DEPTH_SLACK * points[rows, 2]
    hidden[rows] = raster.depth[y, x] < points[rows, 2] - slack
    return hidden


def _draw_label(
    draw: ImageDraw.ImageDraw,
    view: Viewpoint,
    mark: BoxMark,
    taken: list[tuple[float, float, float, float]],
) -> None:
    """The label above its box, moved up past the labels drawn before, or below it where there is
    no room; none if out of view."""
    corners = view.to_camera(mark.box.corners)
    if not mark.label or (corners[:, 2] <= NEAR_M).any():
        return
    pixels = view.to_pixels(corners)
    k = view.intrinsics
    if (pixels.max(axis=0) < 0).any() or (pixels.min(axis=0) > (k.width, k.height)).any():
        return
    size = mark.label_px
    text = shorten(mark.label, size, LABEL_MAX_WIDTH)
    wide, tall = (text_width(text, size) + size) / 2, size * 0.8
    x, y = (pixels.min(axis=0) + pixels.max(axis=0)) / 2
    y = pixels[:, 1].min() - 2 * tall
    x = float(np.clip(x, wide + MARGIN_PX, max(wide, k.width - wide) - MARGIN_PX))
    y = float(np.clip(y, tall + MARGIN_PX, max(tall, k.height - tall) - MARGIN_PX))
    for left, top, right, bottom in sorted(taken, key=lambda box: -box[1]):
        if x + wide > left and x - wide < right and y + tall > top and y - tall < bottom:
            y = top - tall - 2
    if y < tall:
        y = min(float(pixels[:, 1].max()) + 2 * tall, k.height - tall - MARGIN_PX)
    taken.append((x - wide, y - tall, x + wide, y + tall))
    draw_chip(draw, (x, y), text, size, INK, mark.color, "mm")

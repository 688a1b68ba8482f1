"""Furniture that the asset package lacks, built from textured boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from om3d_core.synthetic.assets import Model
from om3d_core.synthetic.mesh import MeshPart, bounds, box

Size = tuple[float, ...]
BOARD_M = 0.025


def table(size: Size, wood: Path) -> Model:
    """A table top on four legs."""
    length, depth, height = size
    top = 0.035
    legs = [(sx * (length / 2 - 0.06), sy * (depth / 2 - 0.06)) for sx in (-1, 1)
            for sy in (-1, 1)]
    parts = [box((-length / 2, -depth / 2, height - top), (length / 2, depth / 2, height), wood)]
    parts += [box((x - 0.03, y - 0.03, 0), (x + 0.03, y + 0.03, height - top), wood)
              for x, y in legs]
    return _model("table", parts)


def chair(size: Size, wood: Path) -> Model:
    """A chair that faces -y: seat, four legs, a back of slats."""
    width, depth, height = size
    seat = 0.45
    x, y = width / 2 - 0.02, depth / 2 - 0.02
    parts = [box((-width / 2, -depth / 2, seat - 0.03), (width / 2, depth / 2, seat), wood)]
    for sx in (-1, 1):
        parts.append(box((sx * x - 0.02, -y - 0.02, 0), (sx * x + 0.02, -y + 0.02, seat - 0.03),
                         wood))
        parts.append(box((sx * x - 0.02, y - 0.02, 0), (sx * x + 0.02, y + 0.02, height), wood))
    for low in (0.54, 0.66, 0.78):
        parts.append(box((-x, y - 0.012, low), (x, y + 0.012, low + 0.08), wood))
    return _model("chair", parts)


def shelf_levels(size: Size) -> list[float]:
    """The heights of the upper faces of a shelf's boards [m], the lowest first."""
    count = 5
    return [float(z) for z in np.linspace(0.10, size[2], count)]


def shelf(size: Size, wood: Path) -> Model:
    """A bookshelf, open toward -y, with a thin back panel."""
    width, depth, height = size
    parts = [
        box((-width / 2, -depth / 2, 0), (-width / 2 + BOARD_M, depth / 2, height), wood),
        box((width / 2 - BOARD_M, -depth / 2, 0), (width / 2, depth / 2, height), wood),
        box((-width / 2 + BOARD_M, depth / 2 - 0.01, 0), (width / 2 - BOARD_M, depth / 2, height),
            wood),
    ]
    inner = width / 2 - BOARD_M
    parts += [box((-inner, -depth / 2, z - BOARD_M), (inner, depth / 2 - 0.01, z), wood)
              for z in shelf_levels(size)]
    return _model("shelf", parts)


def _model(class_name: str, parts: list[MeshPart]) -> Model:
    low, high = bounds(tuple(parts))
    return Model(class_name, f"built/{class_name}", tuple(parts), high - low)

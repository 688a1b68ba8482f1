"""Which colors, by name, a thing has: its own points in CIELAB."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from om3d_core.data.scene import Scene

Doubles = npt.NDArray[np.float64]

MAX_POINTS = 200
"""Points of an instance that are looked at, spread evenly over it."""
ENOUGH = 0.4
"""Share of its points from which a thing has a color."""
SPREAD = 14.0
"""Distance in CIELAB within which a color is taken for another."""

_PROTOTYPES = {
    "red": ((200, 30, 35), (130, 25, 30), (220, 70, 60)),
    "orange": ((245, 130, 30), (225, 100, 20)),
    "yellow": ((250, 220, 40), (215, 180, 40), (250, 235, 120)),
    "green": ((40, 150, 60), (30, 85, 45), (120, 190, 90), (140, 160, 70)),
    "blue": ((30, 80, 190), (25, 40, 110), (90, 150, 220), (60, 100, 150)),
    "purple": ((120, 50, 150), (80, 35, 90), (160, 110, 190)),
    "pink": ((240, 130, 170), (230, 60, 140), (245, 190, 200)),
    "brown": ((110, 65, 35), (75, 45, 30), (150, 100, 60), (135, 85, 55)),
    "black": ((15, 15, 15), (35, 35, 37)),
    "white": ((250, 250, 250), (225, 225, 222)),
    "gray": ((128, 128, 128), (90, 90, 92), (170, 170, 170)),
    "beige": ((225, 205, 170), (200, 175, 140)),
    "cyan": ((40, 190, 200), (30, 130, 140), (130, 220, 220)),
}
"""sRGB colors that are called so."""
NAMES = tuple(_PROTOTYPES)
SHADES = ("dark", "medium", "light")
DARK, LIGHT = 40.0, 65.0
"""Lightness below which a color is dark, and from which it is light."""


class ColorMemory:
    """The colors of the instances of a map, looked at once each."""

    def __init__(self, scene: Scene):
        self._scene = scene
        self._known: dict[int, Doubles] = {}

    def of(self, rows: npt.NDArray[np.int64], color: str) -> Doubles:
        """(M,) how far the instances of rows have a color: "red", "dark blue", "dark", "light"."""
        shares = np.array(self._look_at(rows.tolist())).reshape(-1, len(SHADES), len(NAMES))
        for word in color.split():
            if word in SHADES:
                shares = shares[:, [SHADES.index(word)]]
            else:
                shares = shares[:, :, [NAMES.index(word)]]
        fits: Doubles = np.minimum(shares.sum(axis=(1, 2)) / ENOUGH, 1)
        return fits

    def shares(self, row: int) -> Doubles:
        """(13,) shares of its points that have each color of :data:`NAMES`, summing to 1."""
        result: Doubles = self._look_at([row])[0].sum(axis=0)
        return result

    def _look_at(self, rows: list[int]) -> list[Doubles]:
        fresh = [row for row in dict.fromkeys(rows) if row not in self._known]
        some = [self._some(row) for row in fresh]
        if fresh:
            shares = color_shares(self._scene.cloud.colors[np.concatenate(some)],
                                  [len(points) for points in some])  # fmt: skip
            self._known.update(zip(fresh, shares, strict=True))
        return [self._known[row] for row in rows]

    def _some(self, row: int) -> npt.NDArray[np.int32]:
        members = self._scene.masks[row]
        return members[:: max(1, -(-len(members) // MAX_POINTS))]


def color_shares(rgb: npt.NDArray[np.uint8], lengths: Sequence[int]) -> Doubles:
    """(M, 3, 13) shares of the points of things that have each shade and color, summing to 1.

    rgb: (n, 3) points, one thing after the other. lengths: number of points of each, at least 1. A
    point between two colors counts for both.
    """
    lab = to_lab(rgb)
    parts = np.zeros((len(lab), len(SHADES), len(NAMES)))
    parts[np.arange(len(lab)), np.digitize(lab[:, 0], (DARK, LIGHT))] = _belonging(lab)
    starts = np.cumsum([0, *lengths])[:-1]
    shares: Doubles = np.add.reduceat(parts, starts, axis=0) / np.array(lengths)[:, None, None]
    return shares


def to_lab(rgb: npt.NDArray[np.uint8]) -> Doubles:
    """(n, 3) CIELAB under D65 of sRGB (n, 3) uint8 (IEC 61966-2-1)."""
    value = rgb.astype(np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _XYZ.T / _XYZ.sum(axis=1)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = root.T
    return np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _belonging(lab: Doubles) -> Doubles:
    """(n, 13) how far each point has each color; rows sum to 1.

    Lightness counts half: shadow and lamps change it before they change the hue.
    """
    offset = (lab[:, None] - _LAB[None]) * _WEIGHTS
    distance = np.sqrt((offset**2).sum(axis=2))
    nearest = np.minimum.reduceat(distance, _FIRST, axis=1)
    weight = np.exp(-((nearest - nearest.min(axis=1, keepdims=True)) / SPREAD) * 3)
    result: Doubles = weight / weight.sum(axis=1, keepdims=True)
    return result


_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                 [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
_WEIGHTS = np.array([0.5, 1.0, 1.0])
_LAB = to_lab(np.array([rgb for colors in _PROTOTYPES.values() for rgb in colors], np.uint8))
_FIRST = np.cumsum([0, *(len(colors) for colors in _PROTOTYPES.values())])[:-1]

"""Points, colors and normals by the names that programs give them, whatever the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud, unit_normals
from om3d_core.errors import InputError

Array = npt.NDArray[Any]
Columns = Mapping[str, Array]

PLACES = ("x", "y", "z")
COLORS = (
    ("red", "green", "blue"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("r", "g", "b"),
)
NORMALS = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"))
PACKED = ("rgb", "rgba")
MAX_UNIT, MAX_BYTE, WORD_A_BYTE = 2.0, 255, 257
"""Floats up to the first are shares of full brightness, a little beyond 1 included; numbers up to
the second are bytes, and larger ones words of 16 bits."""


def cloud_of(columns: Columns, units_per_m: float = 1.0) -> Cloud:
    """The points of (P,) columns that have finite coordinates, in meters.

    Colors are black and normals zero where no names of :data:`COLORS` or :data:`PACKED`
    (0xRRGGBB, as an integer or as the bits of a float, as PCL packs them) and of :data:`NORMALS`
    are there. Colors may be bytes, words of 16 bits, or floats in 0..1 or 0..255. Raises
    InputError where x, y or z is missing, or one cannot be a coordinate in meters.
    """
    if not set(PLACES) <= set(columns):
        raise InputError(f"expected x, y, z, got {', '.join(sorted(columns)) or 'nothing'}")
    points = _stacked(columns, PLACES, units_per_m)
    keep = np.isfinite(points).all(axis=1)
    normals = np.zeros_like(points)
    for names in NORMALS:
        if set(names) <= set(columns):
            normals = unit_normals(_stacked(columns, names))
            break
    return Cloud(points[keep], _colors(columns, len(points))[keep], normals[keep])


def bytes_of_colors(colors: Array) -> npt.NDArray[np.uint8]:
    """(P, 3) uint8 of colors (P, 3) in one of the ranges that are told apart by their maximum."""
    shades = np.nan_to_num(colors.astype(np.float64), posinf=0.0, neginf=0.0)
    brightest = float(shades.max(initial=0.0))
    if np.issubdtype(colors.dtype, np.floating) and brightest <= MAX_UNIT:
        shades *= MAX_BYTE
    elif brightest > MAX_BYTE:
        shades /= WORD_A_BYTE
    return np.clip(np.rint(shades), 0, MAX_BYTE).astype(np.uint8)


def _colors(columns: Columns, count: int) -> npt.NDArray[np.uint8]:
    for names in COLORS:
        if set(names) <= set(columns):
            return bytes_of_colors(np.stack([columns[name] for name in names], axis=1))
    for name in PACKED:
        if name in columns:
            packed = _bits(columns[name])
            return np.stack([packed >> shift & 255 for shift in (16, 8, 0)], 1).astype(np.uint8)
    return np.zeros((count, 3), np.uint8)


def _bits(packed: Array) -> npt.NDArray[np.uint32]:
    if packed.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            return np.ascontiguousarray(packed.astype(np.float32)).view(np.uint32)
    return packed.astype(np.int64).astype(np.uint32)


def _stacked(
    columns: Columns, names: Sequence[str], units: float = 1.0
) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack([(columns[name] / units).astype(np.float32) for name in names], axis=1)

"""Points, colors and normals by the names that programs give them, whatever the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import MAX_COORDINATE_M, Cloud, unit_normals
from om3d_core.errors import InputError

Array = npt.NDArray[Any]
Columns = Mapping[str, Array]
Origin = tuple[float, float, float]

NO_ORIGIN = 0.0, 0.0, 0.0

PLACES = ("x", "y", "z")
COLORS = (
    ("red", "green", "blue"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("r", "g", "b"),
)
HARMONICS, HARMONIC_0 = ("f_dc_0", "f_dc_1", "f_dc_2"), 0.28209479177387814
"""Colors of Gaussian splats, about 0.5, by the harmonic of degree 0, which is 1 / (2 sqrt(pi))."""
NORMALS = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"))
PACKED = ("rgb", "rgba")
MAX_UNIT, MAX_BYTE, WORD_A_BYTE = 2.0, 255, 257
"""Floats up to the first are shares of full brightness, a little beyond 1 included; numbers up to
the second are bytes, and larger ones words of 16 bits."""


def cloud_of(
    columns: Columns, units_per_m: float = 1.0, origin_m: Origin = NO_ORIGIN
) -> Cloud:
    """The points of (P,) columns that have finite coordinates, in meters.

    origin_m: what is taken off them, before they lose digits. Where it is too far off for a map,
    and half of them are not, they are of the map's frame already: nothing is taken off.

    Colors are black and normals zero where no names of :data:`COLORS` or :data:`PACKED`
    (0xRRGGBB, as an integer or as the bits of a float, as PCL packs them) and of :data:`NORMALS`
    are there. Colors may be bytes, words of 16 bits, or floats in 0..1 or 0..255, or
    those of :data:`HARMONICS`. Raises
    InputError where x, y or z is missing, or one cannot be a coordinate in meters.
    """
    if not set(PLACES) <= set(columns):
        raise InputError(f"expected x, y, z, got {', '.join(sorted(columns)) or 'nothing'}")
    points = _placed(columns, units_per_m, origin_m)
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


def _placed(columns: Columns, units: float, origin_m: Origin) -> npt.NDArray[np.float32]:
    if not any(origin_m):
        return _stacked(columns, PLACES, units)
    with np.errstate(over="ignore", invalid="ignore"):
        far = np.stack([columns[name].astype(np.float64) / units for name in PLACES], axis=1)
        finite = far[np.isfinite(far).all(axis=1)]
        middle = np.median(finite, axis=0) if len(finite) else np.zeros(3)
        local = np.abs(origin_m).max() > MAX_COORDINATE_M >= np.abs(middle).max()
        return (far if local else far - origin_m).astype(np.float32)


def _colors(columns: Columns, count: int) -> npt.NDArray[np.uint8]:
    for names in COLORS:
        if set(names) <= set(columns):
            return bytes_of_colors(np.stack([columns[name] for name in names], axis=1))
    if set(HARMONICS) <= set(columns):
        shares = 0.5 + HARMONIC_0 * np.stack([columns[name] for name in HARMONICS], axis=1)
        return bytes_of_colors(np.clip(np.nan_to_num(shares), 0.0, 1.0))
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

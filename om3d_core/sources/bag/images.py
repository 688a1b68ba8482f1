"""Image messages of a bag, raw or compressed, to arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError
from om3d_core.formats.image_fields import (
    compressed_depth_size,
    decode_color,
    decode_compressed_color,
    decode_compressed_depth,
    decode_depth,
)
from om3d_core.streams.settings import DepthSettings


def color_of(message: Any) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB; raises :class:`InputError`."""
    if hasattr(message, "format"):
        return decode_compressed_color(message.format, message.data)
    return decode_color(*_fields(message))


def depth_of(message: Any, settings: DepthSettings) -> npt.NDArray[np.float32]:
    """(H, W) float32 meters, 0 where there is none; raises :class:`InputError`."""
    units = settings.units_per_m, settings.float_units_per_m
    if hasattr(message, "format"):
        return decode_compressed_depth(message.format, message.data, *units)
    return decode_depth(*_fields(message), *units)


def depth_size_of(message: Any) -> list[tuple[int, int]]:
    """Width and height of a depth message, or nothing where it has none."""
    if not hasattr(message, "format"):
        return [] if message is None else [(message.width, message.height)]
    try:
        return [compressed_depth_size(message.format, message.data)]
    except InputError:
        return []


def _fields(message: Any) -> tuple[str, int, int, int, int, npt.NDArray[np.uint8]]:
    return (
        message.encoding, message.height, message.width, message.step, message.is_bigendian,
        message.data,
    )

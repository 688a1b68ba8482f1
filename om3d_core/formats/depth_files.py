"""Depth images in files: PNG, TIFF, EXR and NPY."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import PNG_MAGIC, check_sides, decode_file, encoded_size
from om3d_core.errors import InputError, expect, reason_of
from om3d_core.formats.image_files import read_encoded
from om3d_core.formats.npy import npy_of, npy_shape

SUFFIXES = (".png", ".tif", ".tiff", ".exr", ".npy")
NPY_MAGIC, EXR_MAGIC = b"\x93NUMPY", b"\x76\x2f\x31\x01"
TIFF_MAGICS = (b"II*\0", b"MM\0*")
EXR_CHANNELS = ("Z", "Y", "R", "V", "D")
"""By which name writers keep depth: of Blender, OpenCV (gray), renderers (three of a kind)."""

Depth = npt.NDArray[Any]


def read_depth_file(path: Path) -> Depth:
    """(H, W) uint16 or float depth as a file holds it, in the units of its writer.

    Of several channels the first is taken if the others are the same, or opacity. Raises
    InputError for pictures of depth (8 bits, colored), and for files that cannot be read.
    """
    data = read_encoded(path)
    depth = _single(_read(path, data))
    if depth.dtype == np.uint8:
        raise InputError(
            "expected depth of 16 bits or floating point, got 8 bits, a picture for viewing"
        )
    if depth.dtype.kind in "iu":
        return _narrowed(depth)
    expect(depth.dtype.kind == "f", "depth of uint16 or float", depth.dtype)
    return depth.astype(np.float32)


def depth_file_size(path: Path) -> tuple[int, int]:
    """Width and height of a depth image; PNG and NPY are told from their headers."""
    data = read_encoded(path)
    if data.startswith(PNG_MAGIC):
        return encoded_size(data)
    height, width = _single(_read(path, data)).shape
    return width, height


def _read(path: Path, data: bytes) -> Depth:
    if data.startswith(NPY_MAGIC):
        return _npy(data)
    if data.startswith(EXR_MAGIC):
        return _exr(path)
    if data.startswith(TIFF_MAGICS):
        return _tiff(data)
    expect(data.startswith(PNG_MAGIC), f"depth as {', '.join(SUFFIXES)}", repr(data[:8]))
    return np.asarray(decode_file(data, color=False))


def _single(pixels: Depth) -> Depth:
    """One channel (H, W) of an image of (H, W), (1, H, W) or (H, W, C)."""
    if pixels.ndim == 3 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 2:
        return pixels
    expect(pixels.ndim == 3 and pixels.shape[2] in (2, 3, 4), "depth of one channel",
           f"an array of shape {pixels.shape}")
    first, others = pixels[..., 0], pixels[..., 1:]
    if pixels.shape[2] in (2, 4):
        others = others[..., :-1]
    expect(bool((others == first[..., None]).all()),
           "depth of one channel, or of channels that are the same", "a colored picture")
    return np.ascontiguousarray(first)


def _narrowed(depth: Depth) -> Depth:
    low, high = int(depth.min(initial=0)), int(depth.max(initial=0))
    expect(low >= 0 and high <= np.iinfo(np.uint16).max, "integers of 0 .. 65535",
           f"{low} .. {high}")
    return depth.astype(np.uint16)


def _npy(data: bytes) -> Depth:
    shape = npy_shape(data)
    expect(2 <= len(shape) <= 3, "depth of shape (H, W)", shape)
    height, width = shape[-2:] if shape[0] == 1 and len(shape) == 3 else shape[:2]
    check_sides(width, height)
    return npy_of(data)


def _tiff(data: bytes) -> Depth:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            check_sides(*image.size)
            return np.asarray(image)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"expected a .tiff file, got {reason_of(error)}") from error


def _exr(path: Path) -> Depth:
    try:
        exr = importlib.import_module("OpenEXR")
    except ModuleNotFoundError as error:
        raise InputError(
            "expected the Python module OpenEXR, which reads .exr, got none: pip install OpenEXR"
        ) from error
    try:
        (left, top), (right, bottom) = exr.File(str(path), header_only=True).header()[
            "dataWindow"
        ]
        check_sides(int(right) - int(left) + 1, int(bottom) - int(top) + 1)
        channels = exr.File(str(path), separate_channels=True).channels()
        found = {name.rpartition(".")[2].upper(): name for name in channels}
        name = next((found[short] for short in EXR_CHANNELS if short in found), "")
        expect(bool(name), f"a channel of {', '.join(EXR_CHANNELS)}", ", ".join(channels))
        pixels = np.asarray(channels[name].pixels)
        return pixels.astype(np.float32) if pixels.dtype.kind == "f" else pixels
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"expected an .exr file, got {reason_of(error)}") from error

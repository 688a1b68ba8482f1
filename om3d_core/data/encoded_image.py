"""JPEG and PNG bytes to arrays, checked before a decoder allocates anything."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.frame import MAX_SIDE_PX
from om3d_core.errors import InputError, expect, reason_of

MAX_ENCODED_BYTES = 160 * 1024 * 1024
MAX_PIXELS = 1 << 25
"""Of 8192 x 4096 pixels: a panorama, or 8K video."""
MAX_PIXEL_BYTES = 1 << 27
"""Of an image while it is decoded, at the depth and the channels that its file has."""
MAX_SCANNED_PIXELS = 1 << 30
"""Pixels times passes over them, of which a progressive JPEG has many."""
MAX_PNG_CHUNKS = 100_000
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
JPEG_END = b"\xff\xd9"
JPEG_SCAN = b"\xff\xda"
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
TRAILING_BYTES = 4096
# The level of OpenCV's log that has errors only: it warns of chunks over 8 MB, which it can read.
QUIET = 2

Buffer = bytes | bytearray | memoryview | Sequence[int] | npt.NDArray[np.uint8]


def decode_file(data: Buffer, color: bool) -> npt.NDArray[Any]:
    """The pixels of a whole JPEG or PNG file.

    ``color``: (H, W, 3) uint8 RGB; else the (H, W[, C]) pixels as stored (depth). Orientation
    tags are ignored, as the intrinsics belong to the stored pixels. Raises InputError for a file
    that is truncated, neither of the two, or of more than 2 ** 25 pixels or 128 MiB of them.
    """
    import cv2

    flat = as_bytes(data)
    width, height = encoded_size(flat)
    check_sides(width, height)
    if bytes(flat[:8]) == PNG_MAGIC:
        flat = flat[: _check_png(flat, width, height)]
    else:
        _check_jpeg(flat, width, height)
    mode = cv2.IMREAD_COLOR if color else cv2.IMREAD_UNCHANGED
    verbose = cv2.setLogLevel(QUIET)
    try:
        pixels = cv2.imdecode(flat, mode | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise InputError(
            f"expected data of a readable image, got {reason_of(error)}"
        ) from error
    finally:
        cv2.setLogLevel(verbose)
    if pixels is None or pixels.shape[:2] != (height, width):
        raise InputError("expected data of a readable image, got damaged pixels")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if color else pixels


def encoded_size(data: Buffer) -> tuple[int, int]:
    """Width and height in pixels from the header of a JPEG or PNG file, without decoding it."""
    flat = as_bytes(data)
    expect(len(flat) <= MAX_ENCODED_BYTES, f"at most {MAX_ENCODED_BYTES} bytes", len(flat))
    head = bytes(flat[:24])
    if head.startswith(PNG_MAGIC) and len(flat) > 25 and head[12:16] == b"IHDR":
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    if head.startswith(JPEG_MAGIC):
        return _jpeg_size(flat)
    raise InputError(f"expected data of a JPEG or PNG image, got {head[:8]!r}")


def check_sides(width: int, height: int) -> None:
    """Raise InputError unless an image of this size in pixels may be allocated."""
    for name, side in (("width", width), ("height", height)):
        expect(0 < side <= MAX_SIDE_PX, f"{name} of 1..{MAX_SIDE_PX} pixels", side)
    expect(
        width * height <= MAX_PIXELS, f"at most {MAX_PIXELS} pixels (such as 8192 x 4096)",
        f"{width} x {height}",
    )


def as_bytes(data: Buffer) -> npt.NDArray[np.uint8]:
    """``data`` as flat uint8, without a copy where it is a buffer of bytes."""
    try:
        if isinstance(data, (list, tuple)):
            return np.frombuffer(bytes(data), np.uint8)
        return np.frombuffer(data, np.uint8)  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError) as error:
        raise InputError(f"expected data of bytes, got {type(data).__name__}") from error


def _jpeg_size(flat: npt.NDArray[np.uint8]) -> tuple[int, int]:
    view, at = flat.data, 2
    while at + 9 <= len(view) and view[at] == 0xFF:
        marker = view[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", view[at + 5 : at + 9])
            return width, height
        else:
            at += 2 + int(struct.unpack(">H", view[at + 2 : at + 4])[0])
    raise InputError("expected data of a whole JPEG image, got no frame header")


def _check_jpeg(flat: npt.NDArray[np.uint8], width: int, height: int) -> None:
    """Raise InputError for a truncated JPEG file and for one of too many scans."""
    whole = JPEG_END in flat[-TRAILING_BYTES:].tobytes()
    expect(whole, "data of a whole image", "a truncated one")
    scans = bytes(flat).count(JPEG_SCAN)
    expect(
        scans * width * height <= MAX_SCANNED_PIXELS or scans <= 1,
        f"at most {MAX_SCANNED_PIXELS // (width * height)} scans of {width} x {height} pixels",
        scans,
    )


def _check_png(flat: npt.NDArray[np.uint8], width: int, height: int) -> int:
    """Where the image ends; what follows is not for a decoder, which would take it for chunks.

    Raises InputError unless the chunks follow each other to the last and the pixels fit.
    """
    depth, kind = int(flat[24]), int(flat[25])
    expect(
        depth in (1, 2, 4, 8, 16) and kind in PNG_CHANNELS, "data of a readable image",
        f"color type {kind} of {depth} bits",
    )
    taken = width * height * PNG_CHANNELS[kind] * max(depth // 8, 1)
    expect(taken <= MAX_PIXEL_BYTES, f"at most {MAX_PIXEL_BYTES} bytes of pixels", taken)
    end = _end_of_png(flat)
    expect(end > 0, "data of a whole image", "a truncated one")
    return end


def _end_of_png(flat: npt.NDArray[np.uint8]) -> int:
    """Where the last of the chunks ends, 0 if they do not follow each other up to it.

    Decoders allocate what chunks declare, and look for pixels beyond the end if there are none.
    """
    view, at, has_pixels = flat.data, len(PNG_MAGIC), False
    for _ in range(MAX_PNG_CHUNKS):
        if at + 12 > len(view):
            return 0
        length, kind = struct.unpack(">I4s", view[at : at + 8])
        at += 12 + length
        has_pixels |= kind == b"IDAT"
        if kind == b"IEND":
            return int(at) if has_pixels and at <= len(view) else 0
    return 0

"""ROS image messages to arrays and back, over plain fields, without importing ROS.

The arguments carry the names of the fields of sensor_msgs/Image and sensor_msgs/CompressedImage,
so that recorded and live messages share one code. Every function validates sizes before it
allocates and raises :class:`~om3d_core.errors.InputError` naming the field at fault.

- raw to array: :func:`decode_image` (as it lies), :func:`decode_color` (RGB), :func:`decode_depth`
- compressed to array: :func:`decode_compressed_color`, :func:`decode_compressed_depth`
- array to fields: :func:`encode_image`, :func:`encode_compressed_color`,
  :func:`encode_compressed_depth`
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import (
    PNG_MAGIC,
    Buffer,
    as_bytes,
    check_sides,
    decode_file,
    encoded_size,
)
from om3d_core.data.frame import clean_depth
from om3d_core.errors import expect
from om3d_core.formats.rvl import decode_rvl, rvl_size

MILLIMETERS_PER_M = 1000.0


@dataclass(frozen=True)
class PixelFormat:
    """How one pixel of an encoding lies in memory."""

    dtype: str
    channels: int
    rgb_order: tuple[int, ...] = ()
    """Channels to take for R, G, B; empty where they are not the channels."""
    mosaic: str = ""
    """The conversion of OpenCV to RGB of a Bayer pattern or of YUV with shared U and V."""

    @property
    def is_color(self) -> bool:
        """Whether there is an RGB image in it."""
        return bool(self.rgb_order or self.mosaic)


PIXEL_FORMATS = {
    "rgb8": PixelFormat("u1", 3, (0, 1, 2)),
    "bgr8": PixelFormat("u1", 3, (2, 1, 0)),
    "rgba8": PixelFormat("u1", 4, (0, 1, 2)),
    "bgra8": PixelFormat("u1", 4, (2, 1, 0)),
    "mono8": PixelFormat("u1", 1, (0, 0, 0)),
    "8UC1": PixelFormat("u1", 1, (0, 0, 0)),
    "8UC3": PixelFormat("u1", 3, (2, 1, 0)),
    "8UC4": PixelFormat("u1", 4, (2, 1, 0)),
    "rgb16": PixelFormat("u2", 3, (0, 1, 2)),
    "bgr16": PixelFormat("u2", 3, (2, 1, 0)),
    "rgba16": PixelFormat("u2", 4, (0, 1, 2)),
    "bgra16": PixelFormat("u2", 4, (2, 1, 0)),
    "16UC3": PixelFormat("u2", 3, (2, 1, 0)),
    "16UC4": PixelFormat("u2", 4, (2, 1, 0)),
    **{
        f"bayer_{pattern}{bits}": PixelFormat(f"u{bits // 8}", 1, mosaic=f"COLOR_Bayer{code}2RGB")
        for bits in (8, 16)
        for pattern, code in (("rggb", "BG"), ("bggr", "RG"), ("gbrg", "GR"), ("grbg", "GB"))
    },
    "uyvy": PixelFormat("u1", 2, mosaic="COLOR_YUV2RGB_UYVY"),
    "yuv422": PixelFormat("u1", 2, mosaic="COLOR_YUV2RGB_UYVY"),
    "yuyv": PixelFormat("u1", 2, mosaic="COLOR_YUV2RGB_YUYV"),
    "yuv422_yuy2": PixelFormat("u1", 2, mosaic="COLOR_YUV2RGB_YUYV"),
    "16UC1": PixelFormat("u2", 1),
    "mono16": PixelFormat("u2", 1),
    "32FC1": PixelFormat("f4", 1),
}
COLOR_ENCODINGS = tuple(name for name, pixel in PIXEL_FORMATS.items() if pixel.is_color)
DEPTH_ENCODINGS = tuple(name for name, pixel in PIXEL_FORMATS.items() if not pixel.is_color)


DEPTH_HEADER = struct.Struct("<iff")
"""compressedDepth: compression kind, then the quantization parameters a and b of 32FC1."""


class ImageFields(NamedTuple):
    """The fields of a sensor_msgs/Image but its header; ``data`` is flat uint8."""

    encoding: str
    height: int
    width: int
    step: int
    is_bigendian: int
    data: npt.NDArray[np.uint8]


def decode_image(
    encoding: str, height: int, width: int, step: int, is_bigendian: int, data: Buffer
) -> npt.NDArray[Any]:
    """The pixels of a raw image, (H, W) or (H, W, C), channels as they lie, native byte order.

    A view of ``data`` where that is possible. Raises InputError for an unknown encoding and for
    sizes that do not fit each other.
    """
    expect(encoding in PIXEL_FORMATS, f"encoding of {', '.join(PIXEL_FORMATS)}", repr(encoding))
    check_sides(width, height)
    pixel = PIXEL_FORMATS[encoding]
    dtype = np.dtype(pixel.dtype).newbyteorder(">" if is_bigendian else "<")
    row_bytes = width * pixel.channels * dtype.itemsize
    expect(step >= row_bytes, f"step of at least {row_bytes} bytes for {width} {encoding}", step)
    flat = as_bytes(data)
    expect(len(flat) == step * height, f"data of step x height = {step * height} bytes", len(flat))
    shape = (height, width) if pixel.channels == 1 else (height, width, pixel.channels)
    rows = np.ascontiguousarray(flat.reshape(height, step)[:, :row_bytes])
    pixels = rows.view(dtype).reshape(shape)
    return pixels.astype(dtype.newbyteorder("="), copy=False)


def decode_color(
    encoding: str, height: int, width: int, step: int, is_bigendian: int, data: Buffer
) -> npt.NDArray[np.uint8]:
    """A raw color or gray image as RGB, (H, W, 3) uint8; of 16 bits the higher eight.

    Images of a Bayer pattern, and of U and V that pixels share, have even sides.
    """
    expect(
        encoding in COLOR_ENCODINGS, f"encoding of {', '.join(COLOR_ENCODINGS)}", repr(encoding)
    )
    pixels = decode_image(encoding, height, width, step, is_bigendian, data)
    pixel = PIXEL_FORMATS[encoding]
    if pixel.mosaic:
        pixels = _without_mosaic(pixels, pixel.mosaic)
    else:
        pixels = pixels.reshape(height, width, -1)[..., pixel.rgb_order]
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    return np.ascontiguousarray(pixels)


def decode_depth(
    encoding: str,
    height: int,
    width: int,
    step: int,
    is_bigendian: int,
    data: Buffer,
    units_per_m: float = MILLIMETERS_PER_M,
    float_units_per_m: float = 1.0,
) -> npt.NDArray[np.float32]:
    """A raw depth image in meters, (H, W) float32, 0 where there is none.

    16UC1 counts ``units_per_m`` units per meter, 32FC1 ``float_units_per_m`` (REP 118: meters).
    """
    expect(
        encoding in DEPTH_ENCODINGS, f"encoding of {', '.join(DEPTH_ENCODINGS)}", repr(encoding)
    )
    pixels = decode_image(encoding, height, width, step, is_bigendian, data)
    return clean_depth(pixels, float_units_per_m if encoding == "32FC1" else units_per_m)


def decode_compressed_color(format: str, data: Buffer) -> npt.NDArray[np.uint8]:
    """A JPEG or PNG color image as RGB, (H, W, 3) uint8.

    ``format`` is that of sensor_msgs/CompressedImage. Its channel order describes the image
    before compression; a decoded JPEG or PNG knows its own.
    """
    expect("compressedDepth" not in format, "format of a color image", repr(format))
    return decode_file(as_bytes(data), color=True)


def decode_compressed_depth(
    format: str,
    data: Buffer,
    units_per_m: float = MILLIMETERS_PER_M,
    float_units_per_m: float = 1.0,
) -> npt.NDArray[np.float32]:
    """A compressedDepth or plain PNG depth image in meters, (H, W) float32, 0 where none.

    compressedDepth puts 12 bytes before its PNG or RVL code; a 32FC1 image is there stored as
    ``a / depth + b`` (image_transport_plugins). Units as in :func:`decode_depth`.
    """
    header, code = _split_depth(data)
    stored = decode_rvl(code) if _is_rvl(format) else _decode_png16(code)
    if not header or not format.strip().startswith("32FC1"):
        return clean_depth(stored, units_per_m)
    _, quantity_a, quantity_b = DEPTH_HEADER.unpack(header)
    expect(
        bool(np.isfinite([quantity_a, quantity_b]).all()) and quantity_a > 0,
        "data with finite depth quantization parameters, a > 0",
        (quantity_a, quantity_b),
    )
    inverse = stored.astype(np.float32) - np.float32(quantity_b)
    with np.errstate(divide="ignore", over="ignore"):
        depth = np.float32(quantity_a) / inverse
    depth[stored == 0] = 0.0
    return clean_depth(depth, float_units_per_m)


def compressed_depth_size(format: str, data: Buffer) -> tuple[int, int]:
    """Width and height in pixels of a compressedDepth or plain PNG depth image."""
    code = _split_depth(data)[1]
    return rvl_size(code) if _is_rvl(format) else encoded_size(code)


def encode_image(pixels: npt.NDArray[Any], encoding: str) -> ImageFields:
    """The fields of a raw image of (H, W) or (H, W, C) pixels that lie as ``encoding`` says."""
    expect(encoding in PIXEL_FORMATS, f"encoding of {', '.join(PIXEL_FORMATS)}", repr(encoding))
    pixel = PIXEL_FORMATS[encoding]
    expect(
        pixels.dtype == np.dtype(pixel.dtype)
        and pixels.shape[2:] == (() if pixel.channels == 1 else (pixel.channels,)),
        f"{encoding} pixels of {pixel.channels} x {pixel.dtype}",
        (pixels.shape, pixels.dtype),
    )
    height, width = pixels.shape[:2]
    check_sides(width, height)
    little = np.ascontiguousarray(pixels, dtype=np.dtype(pixel.dtype).newbyteorder("<"))
    flat = little.view(np.uint8).reshape(-1)
    return ImageFields(encoding, height, width, len(flat) // height, 0, flat)


def encode_compressed_color(
    rgb: npt.NDArray[np.uint8], kind: str = "jpeg", quality: int = 90
) -> tuple[str, npt.NDArray[np.uint8]]:
    """Format and data of a compressed image of (H, W, 3) RGB; ``kind`` is jpeg or png."""
    import cv2

    expect(kind in {"jpeg", "png"}, "kind of jpeg, png", repr(kind))
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == "jpeg" else []
    data = _encode(f".{kind}", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    return f"rgb8; {kind} compressed bgr8", data


def encode_compressed_depth(depth_mm: npt.NDArray[np.uint16]) -> tuple[str, npt.NDArray[np.uint8]]:
    """Format and data of a compressedDepth image of (H, W) uint16 millimeters, lossless."""
    import cv2

    png = _encode(".png", depth_mm, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    header = np.frombuffer(DEPTH_HEADER.pack(0, 0.0, 0.0), np.uint8)
    return "16UC1; compressedDepth png", np.concatenate([header, png])


def _without_mosaic(pixels: npt.NDArray[Any], conversion: str) -> npt.NDArray[Any]:
    """(H, W, 3) RGB of a Bayer pattern (H, W), or of YUV 4:2:2 (H, W, 2)."""
    import cv2

    height, width = pixels.shape[:2]
    expect(height % 2 == 0 and width % 2 == 0, "an even height and width", (height, width))
    return np.asarray(cv2.cvtColor(pixels, getattr(cv2, conversion)))


def _split_depth(data: Buffer) -> tuple[bytes, npt.NDArray[np.uint8]]:
    """The compressedDepth header (empty where there is none) and the code after it."""
    flat = as_bytes(data)
    if bytes(flat[: len(PNG_MAGIC)]) == PNG_MAGIC:
        return b"", flat
    size = DEPTH_HEADER.size
    expect(len(flat) > size, f"data of a {size}-byte header and code", f"{len(flat)} bytes")
    return bytes(flat[:size]), flat[size:]


def _is_rvl(format: str) -> bool:
    return "compressedDepth" in format and "rvl" in format.lower()


def _decode_png16(flat: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    pixels = decode_file(flat, color=False)
    expect(
        pixels.ndim == 2 and pixels.dtype == np.uint16,
        "data of a 16-bit gray PNG",
        (pixels.shape, pixels.dtype),
    )
    return pixels


def _encode(suffix: str, pixels: npt.NDArray[Any], options: list[int]) -> npt.NDArray[np.uint8]:
    import cv2

    done, data = cv2.imencode(suffix, pixels, options)
    expect(done, f"pixels that {suffix} can hold", (pixels.shape, pixels.dtype))
    return np.asarray(data, np.uint8).reshape(-1)

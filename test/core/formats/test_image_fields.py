"""ROS images to arrays and back."""

from __future__ import annotations

import struct
import time
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.encoded_image import encoded_size
from om3d_core.data.frame import clean_depth
from om3d_core.errors import InputError
from om3d_core.formats.image_fields import (
    PIXEL_FORMATS,
    decode_color,
    decode_compressed_color,
    decode_compressed_depth,
    decode_depth,
    decode_image,
    encode_compressed_color,
    encode_compressed_depth,
    encode_image,
)
from om3d_core.sources.bag.writer import raw_depth

RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)
MILLIMETERS = RNG.integers(0, 5000, (24, 32), dtype=np.uint16)


@pytest.mark.parametrize("encoding", sorted(PIXEL_FORMATS))
def test_raw_round_trip_of_every_encoding(encoding: str) -> None:
    pixel = PIXEL_FORMATS[encoding]
    shape = (24, 32) if pixel.channels == 1 else (24, 32, pixel.channels)
    pixels = RNG.integers(0, 200, shape).astype(pixel.dtype)
    assert np.array_equal(decode_image(*encode_image(pixels, encoding)), pixels)


def test_channel_orders_become_rgb() -> None:
    alpha = np.full((24, 32, 1), 9, np.uint8)
    gray = RGB[..., 0]
    for encoding, pixels, expected in (
        ("rgb8", RGB, RGB),
        ("bgr8", RGB[..., ::-1], RGB),
        ("rgba8", np.concatenate([RGB, alpha], axis=2), RGB),
        ("bgra8", np.concatenate([RGB[..., ::-1], alpha], axis=2), RGB),
        ("mono8", gray, np.repeat(gray[..., None], 3, axis=2)),
    ):
        decoded = decode_color(*encode_image(np.ascontiguousarray(pixels), encoding))
        assert decoded.dtype == np.uint8 and np.array_equal(decoded, expected)


def smooth(height: int = 24, width: int = 32) -> np.ndarray[Any, Any]:
    """(H, W, 3) uint8: each channel a slope of its own."""
    v, u = np.mgrid[:height, :width].astype(np.float64)
    return np.stack([40 + 4 * u, 200 - 5 * v, 60 + u + 2 * v], -1).astype(np.uint8)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_bayer_pattern_becomes_rgb(pattern: str, bits: int) -> None:
    rgb = smooth()
    mosaic = np.zeros(rgb.shape[:2], np.uint16)
    for at, channel in enumerate(pattern):
        row, column = divmod(at, 2)
        mosaic[row::2, column::2] = rgb[row::2, column::2, "rgb".index(channel)]
    pixels = mosaic.astype(np.uint8) if bits == 8 else mosaic * 257
    found = decode_color(*encode_image(pixels, f"bayer_{pattern}{bits}"))
    inner = np.s_[2:-2, 2:-2]
    assert np.abs(found[inner].astype(int) - rgb[inner]).max() <= 4


@pytest.mark.parametrize(("encoding", "luma"), [
    ("uyvy", 1), ("yuv422", 1), ("yuyv", 0), ("yuv422_yuy2", 0),
])
def test_yuv_becomes_rgb(encoding: str, luma: int) -> None:
    """By BT.601, as cv_bridge takes it."""
    rgb = smooth().astype(np.float64)
    y = 16 + rgb @ [0.257, 0.504, 0.098]
    u = 128 + rgb @ [-0.148, -0.291, 0.439]
    v = 128 + rgb @ [0.439, -0.368, -0.071]
    pixels = np.zeros((*rgb.shape[:2], 2), np.uint8)
    pixels[..., luma] = np.rint(y)
    pixels[:, ::2, 1 - luma] = np.rint((u[:, ::2] + u[:, 1::2]) / 2)
    pixels[:, 1::2, 1 - luma] = np.rint((v[:, ::2] + v[:, 1::2]) / 2)
    found = decode_color(*encode_image(pixels, encoding))
    assert np.abs(found.astype(int) - rgb).max() <= 8


@pytest.mark.parametrize("encoding", ["rgb16", "bgr16", "rgba16", "bgra16", "16UC3", "16UC4"])
def test_of_sixteen_bits_the_higher_eight_are_taken(encoding: str) -> None:
    rgb = smooth()
    pixel = PIXEL_FORMATS[encoding]
    pixels = np.zeros((*rgb.shape[:2], pixel.channels), np.uint16)
    for channel, at in enumerate(pixel.rgb_order):
        pixels[..., at] = rgb[..., channel].astype(np.uint16) * 256 + 255
    assert np.array_equal(decode_color(*encode_image(pixels, encoding)), rgb)


def test_a_pattern_of_odd_sides_is_refused() -> None:
    with pytest.raises(InputError, match="even height and width"):
        decode_color(*encode_image(np.zeros((3, 4), np.uint8), "bayer_rggb8"))


def test_padded_rows_and_kinds_of_buffers() -> None:
    padded = np.zeros((24, 100), np.uint8)
    padded[:, :96] = RGB.reshape(24, 96)
    flat = padded.reshape(-1)
    for data in (flat, flat.tobytes(), bytearray(flat), memoryview(flat), flat.tolist()):
        assert np.array_equal(decode_color("rgb8", 24, 32, 100, 0, data), RGB)


def test_depth_in_millimeters_and_meters_of_either_byte_order() -> None:
    expected = clean_depth(MILLIMETERS, 1000.0)
    for big, order in ((0, "<"), (1, ">")):
        stored = MILLIMETERS.astype(f"{order}u2").tobytes()
        assert np.array_equal(decode_depth("16UC1", 24, 32, 64, big, stored), expected)
        meters = expected.astype(f"{order}f4").tobytes()
        assert np.array_equal(decode_depth("32FC1", 24, 32, 128, big, meters), expected)
    coarse = decode_depth(*encode_image(MILLIMETERS, "16UC1"), units_per_m=100.0)
    assert coarse.max() == pytest.approx(min(20.0, MILLIMETERS.max() / 100), rel=0.01)


def test_invalid_depth_becomes_zero() -> None:
    depth = np.array([[np.nan, np.inf, -np.inf, -1.0, 0.0, 1.5]], np.float32)
    assert decode_depth(*encode_image(depth, "32FC1")).tolist() == [[0, 0, 0, 0, 0, 1.5]]
    stored = np.array([[0, 65535, 1500]], np.uint16)
    assert decode_depth(*encode_image(stored, "16UC1")) == pytest.approx(np.array([[0, 0, 1.5]]))


def test_raw_depth_is_lossless_whatever_its_scale() -> None:
    for units_per_m, encoding in ((1000.0, "16UC1"), (5000.0, "32FC1"), (6553.5, "32FC1")):
        depth = clean_depth(MILLIMETERS, units_per_m)
        fields = raw_depth(depth)
        assert fields.encoding == encoding
        assert np.array_equal(decode_depth(*fields), depth)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"encoding": "yuv777"}, "encoding"),
        ({"encoding": ""}, "encoding"),
        ({"encoding": "16UC1"}, "encoding"),
        ({"width": 0}, "width"),
        ({"height": -1}, "height"),
        ({"width": 2**31}, "width"),
        ({"step": 95}, "step"),
        ({"step": 2**32 - 1}, "data"),
        ({"data": b""}, "data"),
        ({"data": b"x"}, "data"),
        ({"data": "text"}, "data"),
        ({"data": [1, 2, 300]}, "data"),
    ],
)
def test_lying_fields_are_named(change: dict[str, Any], named: str) -> None:
    fields = {**encode_image(RGB, "rgb8")._asdict(), **change}
    with pytest.raises(InputError, match=named):
        decode_color(**fields)


@given(
    st.sampled_from([*PIXEL_FORMATS, "mono1"]),
    st.integers(-2, 2**32),
    st.integers(-2, 2**32),
    st.integers(-2, 2**32),
    st.integers(0, 255),
    st.binary(max_size=64),
)
@settings(max_examples=300, deadline=None)
def test_any_fields_give_pixels_or_an_input_error(
    encoding: str, height: int, width: int, step: int, big: int, data: bytes
) -> None:
    try:
        pixels = decode_image(encoding, height, width, step, big, data)
    except InputError:
        return
    assert pixels.shape[:2] == (height, width)


def test_compressed_color() -> None:
    form, data = encode_compressed_color(RGB, "png")
    assert encoded_size(data) == (32, 24)
    assert np.array_equal(decode_compressed_color(form, data), RGB)
    smooth = cv2.GaussianBlur(RGB, (0, 0), 4)
    form, data = encode_compressed_color(smooth, "jpeg", 95)
    assert encoded_size(data) == (32, 24)
    difference = decode_compressed_color(form, data.tobytes()).astype(int) - smooth
    assert np.abs(difference).mean() < 3


def test_compressed_depth() -> None:
    form, data = encode_compressed_depth(MILLIMETERS)
    expected = clean_depth(MILLIMETERS, 1000.0)
    assert np.array_equal(decode_compressed_depth(form, data), expected)
    assert np.array_equal(decode_compressed_depth("16UC1; png compressed", data[12:]), expected)


def test_compressed_depth_of_32fc1_is_inverse_depth() -> None:
    depth = RNG.uniform(0.5, 8.0, (24, 32)).astype(np.float32)
    depth[0, 0] = 0
    quantity = 100.0
    a, b = quantity * (quantity + 1.0), 1.0 - quantity * (quantity + 1.0) / 10.0
    with np.errstate(divide="ignore"):
        stored = np.where(depth > 0, a / depth + b, 0).astype(np.uint16)
    png = cv2.imencode(".png", stored)[1].tobytes()
    decoded = decode_compressed_depth("32FC1; compressedDepth", struct.pack("<iff", 0, a, b) + png)
    assert decoded[0, 0] == 0
    np.testing.assert_allclose(decoded, depth, atol=0.01)
    for bad in (float("nan"), float("inf"), 0.0):
        with pytest.raises(InputError, match="quantization"):
            decode_compressed_depth("32FC1; compressedDepth", struct.pack("<iff", 0, bad, b) + png)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_truncated_images_are_refused_at_every_length(kind: str) -> None:
    form, data = encode_compressed_color(RGB, kind)
    for length in range(0, len(data) - 2, 37):
        with pytest.raises(InputError):
            decode_compressed_color(form, data[:length])


def test_damaged_png_is_refused() -> None:
    form, data = encode_compressed_depth(MILLIMETERS)
    for at in range(80, len(data) - 30, 101):
        damaged = data.copy()
        damaged[at] ^= 0x55
        with pytest.raises(InputError):
            decode_compressed_depth(form, damaged)


def test_png_chunk_that_declares_gigabytes_is_not_decoded() -> None:
    form, data = encode_compressed_color(RGB, "png")
    lying = data.tobytes().replace(struct.pack(">I", len(data) - 57) + b"IDAT", b"\xff\0\0\0IDAT")
    assert lying != data.tobytes()
    start = time.monotonic()
    with pytest.raises(InputError, match="truncated"):
        decode_compressed_color(form, lying)
    assert time.monotonic() - start < 0.5


def test_depth_where_color_is_expected_and_the_reverse() -> None:
    form, data = encode_compressed_depth(MILLIMETERS)
    with pytest.raises(InputError, match="format"):
        decode_compressed_color(form, data)
    with pytest.raises(InputError, match="16-bit"):
        decode_compressed_depth("", encode_compressed_color(RGB, "png")[1])


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_an_image_or_an_input_error(tail: bytes, magic: bytes) -> None:
    for decode in (decode_compressed_color, decode_compressed_depth):
        try:
            decode("jpeg", magic + tail)
        except InputError:
            continue

"""RVL: what an encoder that is written plainly from the paper puts in comes out again."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from om3d_core.errors import InputError
from om3d_core.formats.rvl import decode_rvl, rvl_size


def groups(value):
    found = []
    while True:
        value, low = value >> 3, value & 7
        found.append(low | (8 if value else 0))
        if not value:
            return found


def encode_rvl(pixels):
    """(H, W) uint16 as size and code."""
    flat, code, last, i = pixels.ravel().astype(int).tolist(), [], 0, 0
    while i < len(flat):
        start = i
        while i < len(flat) and flat[i] == 0:
            i += 1
        code += groups(i - start)
        end = i
        while end < len(flat) and flat[end]:
            end += 1
        code += groups(end - i)
        for value in flat[i:end]:
            step = value - last
            code += groups((step << 1) ^ (step >> 63))
            last = value
        i = end
    code += [0] * (-len(code) % 8)
    digits = "".join(f"{group:x}" for group in code)
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    size = struct.pack("<II", pixels.shape[1], pixels.shape[0])
    return np.frombuffer(size + struct.pack(f"<{len(words)}I", *words), np.uint8)


shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
values = st.one_of(st.just(0), st.integers(0, 65535), st.integers(990, 1010))


@given(shapes.flatmap(lambda shape: arrays.arrays(np.uint16, shape, elements=values)))
@settings(deadline=None)
def test_what_goes_in_comes_out(pixels):
    data = encode_rvl(pixels)
    assert rvl_size(data) == pixels.shape[::-1]
    assert np.array_equal(decode_rvl(data), pixels)


@given(shapes.flatmap(lambda shape: arrays.arrays(np.uint16, shape, elements=values)), st.data())
@settings(deadline=None)
def test_code_that_ends_too_early_is_refused(pixels, data):
    code = encode_rvl(pixels)
    kept = data.draw(st.integers(0, len(code) - 4))
    with pytest.raises(InputError, match="RVL"):
        decode_rvl(code[:kept])


@given(st.binary(max_size=64))
@settings(deadline=None)
def test_any_code_ends(code):
    data = np.frombuffer(struct.pack("<II", 5, 4) + code, np.uint8)
    try:
        assert decode_rvl(data).shape == (4, 5)
    except InputError as error:
        assert "RVL" in str(error)


def test_a_size_of_gigabytes_is_refused():
    with pytest.raises(InputError):
        decode_rvl(np.frombuffer(struct.pack("<II", 2**31, 2**31), np.uint8))

"""RVL, the lossless code of depth images (Wilson 2017, "Fast Lossless Depth Image Compression").

Runs of zeros and of other values alternate; the others are coded as differences of neighbors. All
numbers are split into groups of three bits, the lowest first, each in four bits of which the
highest says that another group follows; eight such groups lie in a word, from its high end.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.encoded_image import check_sides
from om3d_core.errors import InputError, expect

SIZE = struct.Struct("<II")
"""What lies before the words: width and height."""


def rvl_size(data: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height in pixels, as the data says; raises :class:`InputError`."""
    expect(len(data) >= SIZE.size, f"RVL data of at least {SIZE.size} bytes", len(data))
    width, height = SIZE.unpack(bytes(data[: SIZE.size]))
    check_sides(width, height)
    return width, height


def decode_rvl(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """(H, W) pixels of a size and the code after it, flat uint8.

    Raises :class:`InputError` for sizes that are too large and for code that ends too early or
    goes on beyond the last pixel.
    """
    width, height = rvl_size(data)
    code = data[SIZE.size :]
    words = np.frombuffer(bytes(code[: len(code) // 4 * 4]), "<u4").astype(np.uint32)
    pixels = np.zeros(width * height, np.uint16)
    if not _kernel()(words, pixels):
        raise InputError(f"expected RVL code of {width} x {height} pixels, got another")
    return pixels.reshape(height, width)


@lru_cache(maxsize=1)
def _kernel() -> Any:
    import numba

    @numba.njit(cache=True)
    def number(words: Any, at: int) -> tuple[Any, int]:
        """The number whose first group is the one ``at``, and the group after it; or -1."""
        value, shift = np.int64(0), 0
        while shift < 33 and at >> 3 < len(words):
            group = (words[at >> 3] >> np.uint32(28 - 4 * (at & 7))) & np.uint32(15)
            value |= np.int64(group & np.uint32(7)) << shift
            at, shift = at + 1, shift + 3
            if group < 8:
                return value, at
        return -1, at

    @numba.njit(cache=True)
    def decode(words: Any, pixels: Any) -> bool:
        done, at, last = 0, 0, 0
        while done < len(pixels):
            zeros, at = number(words, at)
            if zeros < 0 or zeros > len(pixels) - done:
                return False
            done += zeros
            if done == len(pixels):
                return True
            others, at = number(words, at)
            if others < 0 or others > len(pixels) - done or zeros + others == 0:
                return False
            for _ in range(others):
                step, at = number(words, at)
                if step < 0:
                    return False
                last += (step >> 1) ^ -(step & 1)
                pixels[done] = last & 0xFFFF
                done += 1
        return True

    return decode

"""LZF, the compression of binary_compressed PCD files (oldhome.schmorp.de/marc/liblzf.html).

A control byte below 32 is followed by one literal more than it says. Another has the length of a
run less two in its upper three bits (7: the next byte adds to it), and in the rest, with one more
byte, how far back the run begins.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, expect

MAX_RATIO = 90
"""Three bytes make a run of at most 264."""


def decompress(data: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """The ``size`` bytes that were compressed. Raises InputError for data of another size."""
    expect(size <= MAX_RATIO * len(data), f"at most {MAX_RATIO * len(data)} bytes unpacked", size)
    unpacked = np.empty(size, np.uint8)
    if int(_kernel()(data, unpacked)) != size:
        raise InputError(f"expected LZF data of {size} bytes, got damaged data or another number")
    return unpacked


@lru_cache(maxsize=1)
def _kernel() -> Any:
    import numba

    @numba.njit(cache=True)
    def unpack(data: Any, out: Any) -> Any:
        """The number of bytes written, or -1 where the data is damaged."""
        at, to = np.int64(0), np.int64(0)
        while at < len(data):
            control = np.int64(data[at])
            at += 1
            if control < 32:
                count = control + 1
                if at + count > len(data) or to + count > len(out):
                    return -1
                for k in range(count):
                    out[to + k] = data[at + k]
                at += count
                to += count
                continue
            count = control >> 5
            if count == 7:
                if at >= len(data):
                    return -1
                count += np.int64(data[at])
                at += 1
            if at >= len(data):
                return -1
            back = ((control & 31) << 8) + np.int64(data[at]) + 1
            at += 1
            count += 2
            if back > to or to + count > len(out):
                return -1
            for k in range(count):
                out[to + k] = out[to + k - back]
            to += count
        return to

    return unpack

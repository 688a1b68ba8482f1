"""LZFSE, by which Apple's devices pack what they record."""

from __future__ import annotations

import importlib
import struct

from om3d_core.errors import InputError, expect, reason_of

MODULE, PACKAGE = "liblzfse", "pyliblzfse"
END, RAW, LZVN, FSE = b"bvx$", b"bvx-", b"bvxn", b"bvx2"
MOST_BLOCKS = 100_000


def is_lzfse(data: bytes) -> bool:
    """Whether bytes begin as a packed stream does."""
    return data[:3] == b"bvx"


def unpacked(data: bytes, size: int) -> bytes:
    """The ``size`` bytes of a packed stream, whose blocks are summed up before it is unpacked.

    Raises InputError for another size, for a damaged stream, and if no module reads it.
    """
    told = unpacked_size(data)
    expect(told == size, f"{size} bytes when unpacked", told)
    try:
        module = importlib.import_module(MODULE)
    except ModuleNotFoundError as error:
        raise InputError(
            f"expected the Python module {MODULE}, which unpacks LZFSE, got none: "
            f"pip install {PACKAGE}"
        ) from error
    try:
        content = bytes(module.decompress(data))
    except Exception as error:
        raise InputError(f"expected an LZFSE stream, got {reason_of(error)}") from error
    expect(len(content) == size, f"{size} bytes when unpacked", len(content))
    return content


def unpacked_size(data: bytes) -> int:
    """How many bytes the blocks say that they hold (lzfse_internal.h of Apple's library).

    Raises InputError for a damaged stream.
    """
    at, total = 0, 0
    try:
        for _ in range(MOST_BLOCKS):
            magic = data[at : at + 4]
            if magic == END:
                return total
            (raw,) = struct.unpack_from("<I", data, at + 4)
            total += raw
            if magic == RAW:
                at += 8 + raw
            elif magic == LZVN:
                at += 12 + struct.unpack_from("<I", data, at + 8)[0]
            elif magic == FSE:
                literals, matches, sizes = struct.unpack_from("<3Q", data, at + 8)
                packed = (literals >> 20 & 0xFFFFF) + (matches >> 40 & 0xFFFFF)
                at += (sizes & 0xFFFFFFFF) + packed
            else:
                break
    except struct.error:
        pass
    raise InputError("expected an LZFSE stream, got a damaged or truncated one")

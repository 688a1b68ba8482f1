"""How the allocator of the C library is set: memory that is freed goes back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_MMAP_THRESHOLD = -3
LARGE_BYTES = 1 << 20


def give_back_freed_memory() -> None:
    """Map blocks of :data:`LARGE_BYTES` and more one by one, where the library is glibc.

    Left to itself glibc learns from the first large block that is freed to take the next ones
    from heaps, which then only grow: clouds and tables of every map are such blocks.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)

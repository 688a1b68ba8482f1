"""The allocator of the C library: memory that is freed goes back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE_BYTES, HEAPS = 1 << 20, 2


def give_back_freed_memory() -> None:
    """Map blocks of :data:`LARGE_BYTES` and more one by one, and have few heaps for the others,
    where the library is glibc. To be called before there are threads.

    Left to itself glibc learns from the first large block that is freed to take the next ones
    from heaps, which then only grow: clouds and tables of every map are such blocks. It also has
    up to eight heaps a core, each for some of the threads; as maps come in now one thread and
    then another, every heap would grow until it had held the largest of them.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(M_ARENA_MAX, HEAPS)


def give_back_now() -> None:
    """Give back what is free within the heaps, too: to be called when much was freed.

    Between what stays glibc keeps it, so that a heap grows with each map that lies otherwise.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)

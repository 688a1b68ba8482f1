"""Files of a saved map, read only if they are what its manifest says, and no further."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from om3d_core.errors import InputError, expect
from om3d_core.files import open_regular

Content = bytes | bytearray


@dataclass(frozen=True)
class FileSum:
    """The size and SHA-256 sum of a file."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, content: Content) -> FileSum:
        """Those of a file with this content."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


def open_sized(path: Path, told: FileSum) -> BufferedReader:
    """Open a file of the size told.

    Raises :class:`InputError` if it has another, OSError if it is no regular file or cannot be
    read.
    """
    descriptor = open_regular(path, follow_links=False)
    found = os.fstat(descriptor).st_size
    if found != told.bytes:
        os.close(descriptor)
        raise InputError(f"expected {told.bytes} bytes, got {found}")
    return os.fdopen(descriptor, "rb")


def exactly(file: BufferedReader, size: int) -> bytearray:
    """The next ``size`` bytes; raises :class:`InputError` if there are fewer."""
    content = bytearray(size)
    expect(file.readinto(content) == size, f"{size} more bytes", "the end of the file")
    return content


def check_sum(parts: Iterable[Content], told: FileSum) -> None:
    """Raise :class:`InputError` unless the parts together have the sum told."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    expect(digest.hexdigest() == told.sha256, "the content to match its SHA-256 sum", "another")

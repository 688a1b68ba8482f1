"""Zip archives from outside: judged by their tables before anything is unpacked."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from om3d_core.errors import InputError, expect, reason_of
from om3d_core.files import open_regular

MAX_TABLE_BYTES = 4 * 1024**2
MAX_UNPACKED_BYTES = 192 * 1024**2
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1 | 0x20 | 0x40
"""Bits of an entry's flags: encrypted, patch data, strongly encrypted."""
DIRECTORY_SIZE = 5
"""Where the end record, as zipfile reads it, has the size of the table in bytes."""


class ZipArchive:
    """The entries of an open archive by name, each of a size that may be unpacked."""

    def __init__(self, archive: zipfile.ZipFile, n_bytes: int):
        self._archive = archive
        found = archive.infolist()
        self.entries: Mapping[str, zipfile.ZipInfo] = {entry.filename: entry for entry in found}
        expect(len(self.entries) == len(found), "entries of different names", "one name twice")
        for entry in found:
            name = f"entry {entry.filename[:64]!r}"
            expect(not entry.flag_bits & ENCRYPTED, f"{name} in the clear", "an encrypted one")
            expect(
                entry.compress_type in METHODS, f"{name} stored or deflated",
                f"method {entry.compress_type}",
            )
            stored = entry.compress_type == zipfile.ZIP_STORED
            expect(
                not stored or entry.file_size == entry.compress_size,
                f"{name} of {entry.compress_size} bytes", entry.file_size,
            )
        packed = sum(entry.compress_size for entry in found)
        expect(packed <= n_bytes, f"entries of at most {n_bytes} bytes, as the file", packed)
        unpacked = sum(e.file_size for e in found if e.compress_type == zipfile.ZIP_DEFLATED)
        expect(
            unpacked <= MAX_UNPACKED_BYTES,
            f"at most {MAX_UNPACKED_BYTES} bytes in deflated entries (store larger ones)",
            f"{unpacked} bytes",
        )

    def open(self, name: str) -> IO[bytes]:
        """An entry as a stream, within :func:`open_zip`."""
        return self._archive.open(self.entries[name])

    def read(self, name: str, max_bytes: int) -> bytes:
        """An entry whole. Raises InputError if it is larger than ``max_bytes``."""
        size = self.entries[name].file_size
        expect(size <= max_bytes, f"entry {name!r} of at most {max_bytes} bytes", size)
        return self._archive.read(self.entries[name])


@contextmanager
def open_zip(path: Path) -> Iterator[ZipArchive]:
    """An archive of stored and deflated entries, opened for reading.

    Deflated entries hold at most 192 MiB together, stored ones no more than the file. Raises
    InputError for whatever is no such archive, also while its entries are read.
    """
    try:
        with open(open_regular(path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
            expect(end is not None, "a zip archive", "another file or a truncated one")
            expect(
                end[DIRECTORY_SIZE] <= MAX_TABLE_BYTES,
                f"a table of entries of at most {MAX_TABLE_BYTES} bytes", end[DIRECTORY_SIZE],
            )
            with zipfile.ZipFile(file) as archive:
                yield ZipArchive(archive, size)
    except InputError:
        raise
    except (
        OSError, ValueError, EOFError, RuntimeError, OverflowError, IndexError,
        zipfile.BadZipFile, zlib.error, struct.error,
    ) as error:
        raise InputError(f"expected a readable zip archive, got {reason_of(error)}") from error

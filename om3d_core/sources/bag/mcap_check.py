"""A check of MCAP files before a library decodes them: no record or chunk may lie about its size.

Only the outer records are walked (https://mcap.dev/spec), and compressed chunks are inflated
once, never beyond the size that they declare.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from om3d_core.errors import SourceError

MAGIC = b"\x89MCAP0\r\n"
FOOTER, CHANNEL, CHUNK = 0x02, 0x04, 0x06
MAX_CHUNK_BYTES = 1024**3
MAX_CHANNEL_BYTES = 64 * 1024
MAX_NESTING = 64
RECORD = struct.Struct("<BQ")
CHUNK_HEAD = struct.Struct("<QQQII")
"""Start time, end time, uncompressed size, checksum, length of the compression's name."""


class Chunk(NamedTuple):
    """Where a chunk starts and what it declares, in bytes."""

    offset: int
    compression: str
    compressed_size: int
    uncompressed_size: int


def check_mcap(path: Path) -> frozenset[Chunk]:
    """Walk an MCAP file and return its chunks. Raises SourceError at the first lie."""
    size = path.stat().st_size
    chunks: set[Chunk] = set()
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise SourceError(f"{path}: expected an MCAP file, got one of another kind")
        while (at := file.tell()) < size:
            head = file.read(RECORD.size)
            if len(head) < RECORD.size:
                break
            kind, length = RECORD.unpack(head)
            stop = at + RECORD.size + length
            if stop > size - len(MAGIC):
                break
            if kind == FOOTER:
                return frozenset(chunks)
            if kind == CHANNEL:
                _check_channel(path, file, at, length)
            if kind == CHUNK:
                chunks.add(_chunk(path, file, at, length))
            file.seek(stop)
    raise SourceError(
        f"{path}: truncated or damaged (no footer after {at} of {size} bytes); "
        "'mcap recover' can save what is whole"
    )


def check_index(path: Path, chunks: frozenset[Chunk], indexed: Iterable[Chunk]) -> None:
    """Raise SourceError if the index of an MCAP file names a chunk that is not there."""
    for chunk in indexed:
        if chunk not in chunks:
            raise SourceError(
                f"{path}: the index names a chunk at {chunk.offset} that is not there"
            )


def nests_too_deep(yaml: bytes) -> bool:
    """Whether brackets nest so deep that parsing the YAML would take seconds."""
    depth = 0
    for byte in yaml:
        if byte in b"[{":
            depth += 1
        elif byte in b"]}":
            depth -= 1
        if depth > MAX_NESTING:
            return True
    return False


def inflate(data: bytes, compression: str, limit: int) -> bytes:
    """At most ``limit + 1`` bytes of compressed data. Raises ValueError if unreadable."""
    if compression == "":
        return data
    if compression == "zstd":
        from backports import zstd

        zstd_reader = zstd.ZstdDecompressor()
        try:
            return bytes(zstd_reader.decompress(data, max_length=limit + 1))
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from error
    if compression == "lz4":
        from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

        try:
            return bytes(LZ4FrameDecompressor().decompress(data, max_length=limit + 1))
        except RuntimeError as error:
            raise ValueError(str(error)) from error
    raise ValueError(f"unknown compression {compression!r}")


def _check_channel(path: Path, file: BinaryIO, offset: int, length: int) -> None:
    """Refuse a channel whose quality of service, which is YAML, is made to be slow."""
    if length > MAX_CHANNEL_BYTES or nests_too_deep(file.read(length)):
        raise SourceError(f"{path}: channel at {offset}: {length} bytes, or too deeply nested")


def _chunk(path: Path, file: BinaryIO, offset: int, length: int) -> Chunk:
    """Read the head of a chunk; inflate what is compressed to see that its size is true."""
    where = f"{path}: chunk at {offset}"
    head = file.read(min(length, CHUNK_HEAD.size))
    if len(head) < CHUNK_HEAD.size:
        raise SourceError(f"{where}: {length} bytes are no chunk")
    _, _, plain_size, _, name_length = CHUNK_HEAD.unpack(head)
    if name_length > 16 or length < CHUNK_HEAD.size + name_length + 8:
        raise SourceError(f"{where}: no room for its compression and size")
    compression = file.read(name_length).decode("ascii", "replace")
    (stored_size,) = struct.unpack("<Q", file.read(8))
    if CHUNK_HEAD.size + name_length + 8 + stored_size > length:
        raise SourceError(f"{where}: declares {stored_size} stored bytes, holds {length}")
    if plain_size > MAX_CHUNK_BYTES:
        raise SourceError(f"{where}: {plain_size} bytes, at most {MAX_CHUNK_BYTES} are read")
    if compression:
        try:
            plain = inflate(file.read(stored_size), compression, plain_size)
        except ValueError as error:
            raise SourceError(f"{where}: not readable: {error}") from error
        if len(plain) != plain_size:
            raise SourceError(f"{where}: declares {plain_size} bytes, holds another number")
    elif plain_size != stored_size:
        raise SourceError(f"{where}: declares {plain_size} bytes, holds {stored_size}")
    return Chunk(offset, compression, stored_size, plain_size)

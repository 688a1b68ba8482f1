"""A check of MCAP files before a library decodes them: no record or chunk may lie about its size.

Only the outer records and the channels are read (https://mcap.dev/spec), and compressed chunks
are inflated once, never beyond the size that they declare.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from heapq import heappop, heappush
from pathlib import Path
from typing import BinaryIO, NamedTuple

from om3d_core.errors import InputError, SourceError
from om3d_core.files import open_regular
from om3d_core.sources.bag.qos_check import QosCheck

MAGIC = b"\x89MCAP0\r\n"
FOOTER, CHANNEL, CHUNK = 0x02, 0x04, 0x06
MAX_CHUNK_BYTES = 512 * 1024**2
MAX_OPEN_BYTES = MAX_CHUNK_BYTES
"""Of the chunks that hold messages of one moment: they are in memory together."""
UNPACKED_SLACK_BYTES, MAX_RATIO = 128 * 1024**2, 50
"""All chunks unpack to at most so much more than so many times the file."""
RECORDS_SLACK, BYTES_A_RECORD = 100_000, 16
"""A file holds at most so many records more than one in so many of its bytes."""
MAX_CHANNEL_BYTES = 64 * 1024
RECORD = struct.Struct("<BQ")
CHUNK_HEAD = struct.Struct("<QQQII")
"""Start time, end time, uncompressed size, checksum, length of the compression's name."""


class Chunk(NamedTuple):
    """Where a chunk starts and what it declares, in bytes."""

    offset: int
    compression: str
    compressed_size: int
    uncompressed_size: int


class Span(NamedTuple):
    """What the index says of a chunk: first and last time in ns, and its size in bytes."""

    start_ns: int
    end_ns: int
    uncompressed_size: int


def check_mcap(path: Path) -> frozenset[Chunk]:
    """Walk an MCAP file and return its chunks. Raises SourceError at the first lie."""
    with open(open_regular(path), "rb") as file:
        return _Walk(path, file).chunks()


def check_index(path: Path, chunks: frozenset[Chunk], indexed: Iterable[Chunk]) -> None:
    """Raise SourceError if the index of an MCAP file names a chunk that is not there."""
    for chunk in indexed:
        if chunk not in chunks:
            raise SourceError(
                f"{path}: the index names a chunk at {chunk.offset} that is not there"
            )


def check_spans(path: Path, spans: Iterable[Span]) -> None:
    """Raise SourceError if more chunks hold messages of one moment than fit in memory."""
    ends: list[tuple[int, int]] = []
    held = 0
    for start_ns, end_ns, size in sorted(spans):
        while ends and ends[0][0] < start_ns:
            held -= heappop(ends)[1]
        heappush(ends, (end_ns, size))
        held += size
        if held > MAX_OPEN_BYTES:
            raise SourceError(
                f"{path}: the index names chunks of {held} bytes at one moment, at most"
                f" {MAX_OPEN_BYTES} are read; 'mcap sort' makes them follow each other"
            )


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


class _Walk:
    """One pass over a file."""

    def __init__(self, path: Path, file: BinaryIO):
        self._path, self._file = path, file
        self._size = os.fstat(file.fileno()).st_size
        self._left = UNPACKED_SLACK_BYTES + MAX_RATIO * self._size
        self._records_left = RECORDS_SLACK + self._size // BYTES_A_RECORD
        self._qos = QosCheck()

    def chunks(self) -> frozenset[Chunk]:
        path, file, size = self._path, self._file, self._size
        chunks: set[Chunk] = set()
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
            self._count(at)
            if kind == FOOTER:
                return frozenset(chunks)
            if kind == CHANNEL:
                self._check_channel(at, length)
            if kind == CHUNK:
                chunks.add(self._chunk(at, length))
            file.seek(stop)
        raise SourceError(
            f"{path}: truncated or damaged (no footer after {at} of {size} bytes); "
            "'mcap recover' can save what is whole"
        )

    def _chunk(self, offset: int, length: int) -> Chunk:
        """Read the head of a chunk; inflate what is compressed to see that its size is true."""
        where, file = f"{self._path}: chunk at {offset}", self._file
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
            raise SourceError(
                f"{where}: {plain_size} bytes, at most {MAX_CHUNK_BYTES} are read; record with"
                " smaller chunks"
            )
        self._left -= plain_size if compression else 0
        if self._left < 0:
            raise SourceError(
                f"{where}: the chunks up to here unpack to more than {MAX_RATIO} times the file"
                f" and {UNPACKED_SLACK_BYTES} bytes"
            )
        if compression:
            try:
                plain = inflate(file.read(stored_size), compression, plain_size)
            except ValueError as error:
                raise SourceError(f"{where}: not readable: {error}") from error
            if len(plain) != plain_size:
                raise SourceError(f"{where}: declares {plain_size} bytes, holds another number")
            self._check_plain(offset, plain)
        elif plain_size != stored_size:
            raise SourceError(f"{where}: declares {plain_size} bytes, holds {stored_size}")
        else:
            self._check_stored(offset, stored_size)
        return Chunk(offset, compression, stored_size, plain_size)

    def _check_plain(self, offset: int, plain: bytes) -> None:
        """Check the channels in an inflated chunk."""
        at = 0
        while at + RECORD.size <= len(plain):
            kind, length = RECORD.unpack_from(plain, at)
            at += RECORD.size
            self._count(offset)
            if kind == CHANNEL:
                self._channel(offset, length, plain[at : at + min(length, MAX_CHANNEL_BYTES)])
            at += length

    def _check_stored(self, offset: int, size: int) -> None:
        """Check the channels in a chunk that lies in the file as it is."""
        at, stop = self._file.tell(), self._file.tell() + size
        while at + RECORD.size <= stop:
            self._file.seek(at)
            kind, length = RECORD.unpack(self._file.read(RECORD.size))
            self._count(offset)
            if kind == CHANNEL:
                self._check_channel(offset, length)
            at += RECORD.size + length

    def _count(self, offset: int) -> None:
        self._records_left -= 1
        if self._records_left < 0:
            raise SourceError(
                f"{self._path}: more records up to {offset} than {RECORDS_SLACK} and one in"
                f" {BYTES_A_RECORD} bytes of the file"
            )

    def _check_channel(self, offset: int, length: int) -> None:
        self._channel(offset, length, self._file.read(min(length, MAX_CHANNEL_BYTES)))

    def _channel(self, offset: int, length: int, body: bytes) -> None:
        where = f"{self._path}: channel at {offset}"
        if length > MAX_CHANNEL_BYTES:
            raise SourceError(f"{where}: {length} bytes, at most {MAX_CHANNEL_BYTES} are read")
        try:
            fields = _Fields(body, 4)
            fields.text(), fields.text()
            metadata = _Fields(fields.text(), 0)
            while not metadata.done:
                name, value = metadata.text(), metadata.text()
                if name == b"offered_qos_profiles":
                    self._qos.check(value.decode("utf-8", "replace"))
        except struct.error as error:
            raise SourceError(f"{where}: damaged") from error
        except InputError as error:
            raise SourceError(f"{where}: offered_qos_profiles: {error}") from error


class _Fields:
    """Strings in a row, each after its length."""

    def __init__(self, data: bytes, at: int):
        self._data, self._at = data, at

    @property
    def done(self) -> bool:
        return self._at >= len(self._data)

    def text(self) -> bytes:
        (length,) = struct.unpack_from("<I", self._data, self._at)
        start = self._at + 4
        self._at = start + length
        if self._at > len(self._data):
            raise struct.error("a string beyond its record")
        return self._data[start : self._at]

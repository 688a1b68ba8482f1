"""Reading bags of ROS 2 and ROS 1, sized and checked, every failure a SourceError."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from heapq import merge
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from om3d_core.errors import SourceError
from om3d_core.sources.bag.excerpt import WHOLE, Excerpt
from om3d_core.sources.bag.files import PACKED, ROS1_STORAGE, storage_files, unpacked
from om3d_core.sources.bag.mcap_check import (
    MAX_RATIO,
    UNPACKED_SLACK_BYTES,
    Chunk,
    Span,
    check_index,
    check_mcap,
    check_spans,
    inflate,
)
from om3d_core.sources.bag.ros1 import check_ros1, ros2_type, to_cdr
from om3d_core.sources.bag.sqlite_check import check_sqlite

MAX_MESSAGE_BYTES = 512 * 1024 * 1024
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""How a message begins that is compressed, which no serialized one does."""


class Topic(NamedTuple):
    """A topic of a bag: its message type and number of messages."""

    name: str
    msgtype: str
    messages: int


class Message(NamedTuple):
    """One deserialized message, fields named as in ROS."""

    topic: str
    body: Any


class Recorded(NamedTuple):
    """One message as it was recorded: time of recording and serialized content (CDR).

    part: the number of the part of the excerpt that it is from.
    """

    topic: str
    msgtype: str
    recorded_ns: int
    raw: bytes
    part: int = 0


class BagReader:
    """A rosbag2 folder, with or without its metadata, or a single .mcap, .db3 or ROS 1 .bag file,
    of standard messages; files may be compressed as a whole.

    Message definitions that a bag brings along are not used: the standard types have not changed
    since Humble, and those that are used since ROS 1 but for their header. Raises SourceError for
    whatever is missing, damaged or not a bag.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        stored, by_metadata = storage_files(self._path)
        self._stack = ExitStack()
        try:
            self._files = stored if by_metadata else tuple(self._unpacked(stored))
            with self._guarded("cannot be opened"):
                chunks = self._checked()
                self._types = standard_types()
                self._readers = self._opened(by_metadata)
                for reader in self._readers:
                    self._check_chunks(reader, chunks)
                self._inflates = [self._take_message_compression(r) for r in self._readers]
                self._connections = [
                    [self._named(link) for link in reader.connections] for reader in self._readers
                ]
                self._check_topics()
        except BaseException:
            self.close()
            raise

    @property
    def topics(self) -> list[Topic]:
        """The topics in alphabetical order."""
        counts: dict[tuple[str, str], int] = {}
        for link in (link for links in self._connections for link in links):
            key = (link.topic, link.msgtype)
            counts[key] = counts.get(key, 0) + link.msgcount
        return [Topic(name, kind, count) for (name, kind), count in sorted(counts.items())]

    @property
    def duration_s(self) -> float:
        """Time from the first message to the last, by when they were recorded."""
        return float(self._length_ns) * 1e-9

    @property
    def _start_ns(self) -> int:
        return min(int(reader.start_time) for reader in self._readers)

    @property
    def _length_ns(self) -> int:
        ends = [int(reader.end_time) for reader in self._readers if reader.message_count]
        return max(ends) - self._start_ns if ends else 0

    @property
    def n_bytes(self) -> int:
        """The size of all storage files."""
        return sum(file.stat().st_size for file in self._files)

    def messages(self, topics: set[str], excerpt: Excerpt = WHOLE) -> Iterator[Message]:
        """The messages of some topics in order of recording.

        A single message that cannot be deserialized has None as its body.
        """
        for recorded in self.recorded(topics, excerpt):
            yield Message(recorded.topic, self._deserialize(recorded.raw, recorded.msgtype))

    def recorded(self, topics: set[str], excerpt: Excerpt = WHOLE) -> Iterator[Recorded]:
        """The messages of some topics in order of recording, not deserialized.

        A message that cannot be inflated is empty.
        """
        self._stored = self._unpacked_bytes = 0
        with self._guarded("cannot be read"):
            for part, span in enumerate(excerpt.spans(self._start_ns, self._length_ns)):
                streams = [
                    self._recorded_of(place, topics, span, part)
                    for place in range(len(self._readers))
                ]
                yield from merge(*streams, key=lambda recorded: recorded.recorded_ns)

    def _recorded_of(
        self, place: int, topics: set[str], span: tuple[int | None, int | None], part: int
    ) -> Iterator[Recorded]:
        """The messages of some topics of one file, or of all that the metadata names."""
        reader, inflates = self._readers[place], self._inflates[place]
        types = {link.id: link.msgtype for link in self._connections[place]}
        links = [link for link in reader.connections if link.topic in topics]
        if not links:
            return
        for link, stamp_ns, raw in reader.messages(links, *span):
            data, msgtype = self._inflate(memoryview(raw).tobytes(), inflates), types[link.id]
            if _is_ros1(reader):
                data = to_cdr(self._types, data, msgtype)
            yield Recorded(link.topic, msgtype, stamp_ns, data, part)

    def close(self) -> None:
        """Release the files."""
        self._stack.close()

    def _unpacked(self, stored: Sequence[Path]) -> list[Path]:
        if not any(path.suffix in PACKED for path in stored):
            return list(stored)
        folder = self._stack.enter_context(TemporaryDirectory(prefix="om3d-bag-"))
        return unpacked(stored, Path(folder))

    def _checked(self) -> dict[Path, frozenset[Chunk]]:
        """The chunks of the MCAP files, after all files were looked at."""
        chunks = {}
        for file in self._files:
            if file.suffix == ".mcap":
                chunks[file] = check_mcap(file)
            elif file.suffix == ".db3":
                check_sqlite(file, MAX_MESSAGE_BYTES)
            else:
                check_ros1(file)
        return chunks

    def _opened(self, by_metadata: bool) -> list[Any]:
        from rosbags.rosbag1 import Reader as Ros1Reader
        from rosbags.rosbag2 import Reader

        readers = []
        for path in (self._path,) if by_metadata else self._files:
            reader = Ros1Reader(path) if path.suffix == ROS1_STORAGE else Reader(path)
            reader.open()
            self._stack.callback(reader.close)
            readers.append(reader)
        return readers

    def _named(self, link: Any) -> Any:
        """A connection with the name of its type in ROS 2."""
        is_text = isinstance(link.msgtype, str)
        return link._replace(msgtype=ros2_type(link.msgtype)) if is_text else link

    def _inflate(self, raw: bytes, inflates: bool) -> bytes:
        if not inflates and not raw.startswith(ZSTD_MAGIC):
            return raw
        try:
            data = inflate(raw, "zstd", MAX_MESSAGE_BYTES)
        except ValueError:
            return b""
        self._stored, self._unpacked_bytes = (
            self._stored + len(raw), self._unpacked_bytes + len(data)
        )
        if self._unpacked_bytes > UNPACKED_SLACK_BYTES + MAX_RATIO * self._stored:
            raise SourceError(
                f"{self._path}: messages unpack to more than {MAX_RATIO} times what is stored and"
                f" {UNPACKED_SLACK_BYTES} bytes"
            )
        return data

    def _deserialize(self, raw: bytes, msgtype: str) -> Any:
        try:
            if len(raw) > MAX_MESSAGE_BYTES:
                return None
            return self._types.deserialize_cdr(memoryview(raw), msgtype)
        except Exception:
            return None

    def _check_chunks(self, reader: Any, chunks: dict[Path, frozenset[Chunk]]) -> None:
        if _is_ros1(reader):
            return
        for storage in getattr(reader.storage, "storages", [reader.storage]):
            indexed = getattr(storage, "chunks", [])
            check_index(storage.path, chunks.get(Path(storage.path), frozenset()), (
                Chunk(c.chunk_start_offset, c.compression, c.compressed_size, c.uncompressed_size)
                for c in indexed
            ))  # fmt: skip
            check_spans(storage.path, (
                Span(c.message_start_time, c.message_end_time, c.uncompressed_size)
                for c in indexed
            ))  # fmt: skip

    def _check_topics(self) -> None:
        """Refuse topics whose name, type or number of messages is none."""
        for link in (link for links in self._connections for link in links):
            if not (isinstance(link.topic, str) and isinstance(link.msgtype, str)):
                raise SourceError(
                    f"{self._path}: expected topics of texts, got {link.topic!r:.60}"
                )
            if type(link.msgcount) is not int or link.msgcount < 0:
                raise SourceError(
                    f"{self._path}: {link.topic}: expected a number of messages, got"
                    f" {link.msgcount!r:.60}"
                )

    def _take_message_compression(self, reader: Any) -> bool:
        """Whether messages are compressed one by one; they are then inflated here, bounded."""
        if _is_ros1(reader):
            return False
        storage = reader.storage
        compressed = storage.metadata.compression_mode == "message"
        if compressed:
            storage.metadata = storage.metadata._replace(compression_mode=None)
        return bool(compressed)

    @contextmanager
    def _guarded(self, failure: str) -> Iterator[None]:
        """Turn whatever a decoder raises on hostile bytes into a SourceError."""
        try:
            yield
        except (SourceError, GeneratorExit):
            raise
        except ImportError as error:
            raise SourceError(f"bags need the package rosbags: {error}") from error
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            raise SourceError(f"{self._path}: the bag {failure} ({detail})") from error


@cache
def standard_types() -> Any:
    """The standard message types, as of Jazzy."""
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_JAZZY)


def _is_ros1(reader: Any) -> bool:
    from rosbags.rosbag1 import Reader

    return isinstance(reader, Reader)

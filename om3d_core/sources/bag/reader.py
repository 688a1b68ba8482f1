"""Reading rosbag2 folders and files, sized and checked, every failure a SourceError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from om3d_core.errors import InputError, SourceError
from om3d_core.files import read_yaml
from om3d_core.sources.bag.excerpt import WHOLE, Excerpt
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
from om3d_core.sources.bag.qos_check import MAX_QOS_MARKS
from om3d_core.sources.bag.sqlite_check import check_sqlite

MAX_MESSAGE_BYTES = 512 * 1024 * 1024
STORAGES = (".mcap", ".db3")


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
    """A rosbag2 folder, or a single .mcap or .db3 file, of standard messages.

    Message definitions that a bag brings along are not used: the standard types have not changed
    since Humble. Raises SourceError for whatever is missing, damaged or not a bag.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        self._files = _storage_files(self._path)
        with self._guarded("cannot be opened"):
            from rosbags.rosbag2 import Reader

            chunks = {f: check_mcap(f) for f in self._files if f.suffix == ".mcap"}
            for file in self._files:
                if file.suffix == ".db3":
                    check_sqlite(file, MAX_MESSAGE_BYTES)
            self._types = standard_types()
            self._reader = Reader(self._path)
            self._reader.open()
        try:
            with self._guarded("cannot be opened"):
                self._check_chunks(chunks)
                self._inflates = self._take_message_compression()
                self._connections = list(self._reader.connections)
                self._check_topics()
        except BaseException:
            self.close()
            raise

    @property
    def topics(self) -> list[Topic]:
        """The topics in alphabetical order."""
        counts: dict[tuple[str, str], int] = {}
        for link in self._connections:
            key = (link.topic, link.msgtype)
            counts[key] = counts.get(key, 0) + link.msgcount
        return [Topic(name, kind, count) for (name, kind), count in sorted(counts.items())]

    @property
    def duration_s(self) -> float:
        """Time from the first message to the last, by when they were recorded."""
        return float(self._reader.duration) * 1e-9

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
        links = [link for link in self._connections if link.topic in topics]
        if not links:
            return
        self._stored = self._unpacked = 0
        with self._guarded("cannot be read"):
            spans = excerpt.spans(self._reader.start_time, self._reader.duration)
            for part, (start_ns, end_ns) in enumerate(spans):
                for link, stamp_ns, raw in self._reader.messages(links, start_ns, end_ns):
                    data = self._inflate(memoryview(raw).tobytes())
                    yield Recorded(link.topic, link.msgtype, stamp_ns, data, part)

    def close(self) -> None:
        """Release the files."""
        if self._reader.is_open:
            self._reader.close()

    def _inflate(self, raw: bytes) -> bytes:
        if not self._inflates:
            return raw
        try:
            data = inflate(raw, "zstd", MAX_MESSAGE_BYTES)
        except ValueError:
            return b""
        self._stored, self._unpacked = self._stored + len(raw), self._unpacked + len(data)
        if self._unpacked > UNPACKED_SLACK_BYTES + MAX_RATIO * self._stored:
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

    def _check_chunks(self, chunks: dict[Path, frozenset[Chunk]]) -> None:
        storages = getattr(self._reader.storage, "storages", [self._reader.storage])
        for storage in storages:
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
        for link in self._connections:
            if not (isinstance(link.topic, str) and isinstance(link.msgtype, str)):
                raise SourceError(
                    f"{self._path}: expected topics of texts, got {link.topic!r:.60}"
                )
            if type(link.msgcount) is not int or link.msgcount < 0:
                raise SourceError(
                    f"{self._path}: {link.topic}: expected a number of messages, got"
                    f" {link.msgcount!r:.60}"
                )

    def _take_message_compression(self) -> bool:
        """Whether messages are compressed one by one; they are then inflated here, bounded."""
        storage = self._reader.storage
        compressed = storage.metadata.compression_mode == "message"
        if compressed:
            storage.metadata = storage.metadata._replace(compression_mode=None)
        return compressed

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


def _storage_files(path: Path) -> list[Path]:
    """The storage files of a bag, each a regular file."""
    if path.is_dir():
        files = _listed_files(path)
    elif path.suffix in STORAGES:
        files = [path]
    else:
        found = "another file" if path.exists() else "nothing"
        raise SourceError(f"{path}: expected a rosbag2 folder, .mcap or .db3 file, found {found}")
    for file in files:
        if not file.is_file():
            raise SourceError(f"{file}: expected a regular file")
    return files


def _listed_files(folder: Path) -> list[Path]:
    """The storage files that the metadata of a bag folder names, wherever it says they are."""
    path = folder / "metadata.yaml"
    if not path.is_file():
        raise SourceError(f"{folder}: expected a rosbag2 folder with metadata.yaml, found none")
    try:
        information = read_yaml(path, MAX_QOS_MARKS)["rosbag2_bagfile_information"]
        names = [PurePath(name).name for name in information["relative_file_paths"]]
        mode = information.get("compression_mode", "")
        whole_files = isinstance(mode, str) and mode.lower() == "file"
    except (OSError, InputError) as error:
        raise SourceError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SourceError(
            f"{path}: expected rosbag2_bagfile_information with relative_file_paths: {error!r}"
        ) from error
    if whole_files:
        raise SourceError(f"{folder}: compressed as whole files; 'ros2 bag convert' it first")
    if not names or any(PurePath(name).suffix not in STORAGES for name in names):
        raise SourceError(f"{path}: expected {' or '.join(STORAGES)} files, got {names}")
    return [folder / name for name in names]

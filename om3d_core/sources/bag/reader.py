"""Reading rosbag2 folders and files, sized and checked, every failure a SourceError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from om3d_core.errors import SourceError
from om3d_core.sources.bag.mcap_check import (
    Chunk,
    check_index,
    check_mcap,
    inflate,
    nests_too_deep,
)

MAX_METADATA_BYTES = 1024 * 1024
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
    """One message as it was recorded: time of recording and serialized content (CDR)."""

    topic: str
    msgtype: str
    recorded_ns: int
    raw: bytes


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
            self._types = standard_types()
            self._reader = Reader(self._path)
            self._reader.open()
        try:
            with self._guarded("cannot be opened"):
                self._check_chunks(chunks)
                self._inflates = self._take_message_compression()
                self._connections = list(self._reader.connections)
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

    def messages(self, topics: set[str]) -> Iterator[Message]:
        """The messages of some topics in order of recording.

        A single message that cannot be deserialized has None as its body.
        """
        for recorded in self.recorded(topics):
            yield Message(recorded.topic, self._deserialize(recorded.raw, recorded.msgtype))

    def recorded(self, topics: set[str]) -> Iterator[Recorded]:
        """The messages of some topics in order of recording, not deserialized.

        A message that cannot be inflated is empty.
        """
        links = [link for link in self._connections if link.topic in topics]
        if not links:
            return
        with self._guarded("cannot be read"):
            for link, stamp_ns, raw in self._reader.messages(connections=links):
                yield Recorded(link.topic, link.msgtype, stamp_ns, self._inflate(raw))

    def close(self) -> None:
        """Release the files."""
        if self._reader.is_open:
            self._reader.close()

    def _inflate(self, raw: bytes) -> bytes:
        if not self._inflates:
            return bytes(raw)
        try:
            return inflate(raw, "zstd", MAX_MESSAGE_BYTES)
        except ValueError:
            return b""

    def _deserialize(self, raw: bytes, msgtype: str) -> Any:
        from rosbags.serde import SerdeError

        try:
            if len(raw) > MAX_MESSAGE_BYTES:
                return None
            return self._types.deserialize_cdr(memoryview(raw), msgtype)
        except (SerdeError, ValueError, KeyError, IndexError):
            return None

    def _check_chunks(self, chunks: dict[Path, frozenset[Chunk]]) -> None:
        storages = getattr(self._reader.storage, "storages", [self._reader.storage])
        for storage in storages:
            for found in getattr(storage, "chunks", []):
                chunk = Chunk(
                    found.chunk_start_offset,
                    found.compression,
                    found.compressed_size,
                    found.uncompressed_size,
                )
                check_index(storage.path, chunks[Path(storage.path)], [chunk])

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
    from ruamel.yaml import YAML

    path = folder / "metadata.yaml"
    if not path.is_file():
        raise SourceError(f"{folder}: expected a rosbag2 folder with metadata.yaml, found none")
    if path.stat().st_size > MAX_METADATA_BYTES:
        raise SourceError(f"{path}: larger than {MAX_METADATA_BYTES} bytes")
    text = path.read_bytes()
    if nests_too_deep(text):
        raise SourceError(f"{path}: too deeply nested")
    try:
        information = YAML(typ="safe").load(text)["rosbag2_bagfile_information"]
        names = [PurePath(name).name for name in information["relative_file_paths"]]
        mode = information.get("compression_mode", "")
        whole_files = isinstance(mode, str) and mode.lower() == "file"
    except Exception as error:
        raise SourceError(f"{path}: not readable ({type(error).__name__}: {error})") from error
    if whole_files:
        raise SourceError(f"{folder}: compressed as whole files; 'ros2 bag convert' it first")
    if not names or any(PurePath(name).suffix not in STORAGES for name in names):
        raise SourceError(f"{path}: expected {' or '.join(STORAGES)} files, got {names}")
    return [folder / name for name in names]

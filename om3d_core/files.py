"""Files that are written whole or not at all, and read whoever wrote them."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from om3d_core.errors import InputError, reason_of

MAX_JSON_BYTES = 1 << 25
MAX_JSON_VALUES = 8_000_000
"""Of lists and numbers; an entry of an object counts as four."""

MAX_YAML_BYTES = 1_000_000
MAX_MARKS = 6_000
"""Line ends and punctuation (``,:-[{?``) of one text; parsing takes a tenth of a millisecond each.
"""
MAX_NESTING = 64
MARKS = ",:-[{?\n"
KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every OSError from within name ``path``: that of a full disk, for one, names no file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path``, flush it to disk and rename it into place.

    Raises OSError that names ``path``.
    """
    with naming(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_durably(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a new file, at once or by pieces, and flush it to disk.

    Raises OSError that names ``path``.
    """
    with naming(path), path.open("wb") as file:
        for piece in (content,) if isinstance(content, bytes) else content:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def open_regular(path: Path, flags: int = os.O_RDONLY, follow_links: bool = True) -> int:
    """A descriptor of a regular file; nothing else is opened, so that nothing blocks or acts.

    Raises OSError that names ``path``; what is no regular file is told by its kind.
    """
    found = path.stat() if follow_links else path.lstat()
    _expect_regular(path, found.st_mode)
    extra = os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    descriptor = os.open(path, flags | extra)
    try:
        _expect_regular(path, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: Path, max_bytes: int, follow_links: bool = True) -> bytes:
    """The content of a regular file.

    Raises OSError if it cannot be read or is no regular file, and ValueError if it is larger than
    ``max_bytes``; no more than that is read.
    """
    with naming(path), open(open_regular(path, follow_links=follow_links), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(max_bytes + 1) if size <= max_bytes else b""
    if max(size, len(content)) > max_bytes:
        raise ValueError(f"more than {max_bytes} bytes")
    return content


def _expect_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "something else")
        raise OSError(errno.EINVAL, f"expected a regular file, found {kind}", str(path))


def user_path(text: str) -> Path:
    """A path that a user typed: ``~`` is the home of the user, where there is one."""
    return Path(os.path.expanduser(text))


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with naming(folder):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """The content of a JSON file, whoever wrote it.

    Raises OSError if it cannot be read, and ValueError if it is not JSON, nests too deeply, is
    larger than ``max_bytes`` or holds more values than fit in memory.
    """
    return parse_json(read_regular(path, max_bytes))


def parse_json(content: bytes | str) -> Any:
    """The content of JSON from outside. Raises ValueError, before memory is taken if it is large.
    """
    data = content.encode() if isinstance(content, str) else content
    commas, groups, keys = data.count(b","), data.count(b"[") + data.count(b"{"), data.count(b":")
    if commas + 2 * groups + 3 * keys > MAX_JSON_VALUES:
        raise ValueError(f"more than {MAX_JSON_VALUES} values")
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("JSON that nests too deeply") from error


def read_yaml(path: Path, max_marks: int = MAX_MARKS) -> Any:
    """The content of a YAML file: plain values, lists and tables, as JSON has them.

    Raises OSError if the file cannot be read and InputError for anything else, such as tags,
    aliases and merged keys.
    """
    try:
        text = read_regular(path, MAX_YAML_BYTES).decode("utf-8")
    except ValueError as error:
        raise InputError(f"expected YAML in UTF-8, got {reason_of(error)}") from error
    return parse_yaml(text, max_marks)


def parse_yaml(text: str, max_marks: int = MAX_MARKS) -> Any:
    """The content of a YAML text, as :func:`read_yaml`. Raises InputError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import Composer
    from ruamel.yaml.events import AliasEvent

    class PlainComposer(Composer):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.parser.check_event(AliasEvent):
                line = self.parser.peek_event().start_mark.line + 1
                raise InputError(f"expected plain values, got an alias (*name) in line {line}")
            return super().compose_node(parent, index)

    check_yaml(text, max_marks)
    reader = YAML(typ="safe", pure=True)
    reader.Composer = PlainComposer
    try:
        return reader.load(text)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"expected YAML, got {reason_of(error)}") from error


def check_yaml(text: str, max_marks: int = MAX_MARKS) -> None:
    """Raise InputError for a text that would take long to parse."""
    marks = count_marks(text)
    if marks > max_marks:
        raise InputError(f"expected at most {max_marks} values and lines, got {marks}")
    depth = 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if depth > MAX_NESTING:
            raise InputError(f"expected groups at most {MAX_NESTING} deep, got deeper ones")


def count_marks(text: str) -> int:
    """How much there is to parse, at most."""
    return sum(text.count(mark) for mark in MARKS)

"""Files that are written whole or not at all, and read whoever wrote them."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAX_JSON_BYTES = 1 << 25
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


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file and flush it to disk. Raises OSError that names ``path``."""
    with naming(path), path.open("wb") as file:
        file.write(content)
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

    Raises OSError if it cannot be read, and ValueError if it is not JSON, nests too deeply or is
    larger than ``max_bytes``.
    """
    content = read_regular(path, max_bytes)
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("JSON that nests too deeply") from error

"""The lock of a map folder, between processes and threads; the kernel frees that of a dead one."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from om3d_core.errors import MapBusyError
from om3d_core.files import open_regular

LOCK, TURN = ".lock", ".turn"
LOCK_TIMEOUT_S = 30.0
POLL_S = 0.005
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF}


@contextmanager
def map_lock(folder: Path, timeout_s: float, shared: bool = False) -> Iterator[bool]:
    """Hold the lock of a map folder; gives whether it is held.

    It is not held where the file system has no locks. A ``shared`` lock is that of a reader: it
    holds up savers but no readers, writes nothing, and is not held where no save has made its
    files. Who waits for the lock holds the turn, so that one who frees the lock and wants it
    again comes after.

    Raises :class:`MapBusyError` after ``timeout_s`` and OSError if the files of the lock cannot
    be opened; either names the file.
    """
    deadline = time.monotonic() + timeout_s
    with ExitStack() as held:
        with ExitStack() as waiting:
            locked = _take(waiting, folder / TURN, deadline, shared)
            locked = locked and _take(held, folder / LOCK, deadline, shared)
        yield locked


def _take(held: ExitStack, path: Path, deadline: float, shared: bool) -> bool:
    """Lock the file at ``path`` until ``held`` is closed; false where that is not possible."""
    while True:
        try:
            descriptor = _open(path, shared)
        except (FileNotFoundError, PermissionError):
            if shared:
                return False
            raise
        with ExitStack() as opened:
            opened.callback(os.close, descriptor)
            if not _lock(descriptor, path, deadline, shared):
                return False
            opened.callback(fcntl.flock, descriptor, fcntl.LOCK_UN)
            if _is_at(path, descriptor):
                held.enter_context(opened.pop_all())
                return True


def _open(path: Path, shared: bool) -> int:
    """A descriptor of the lock file, made if need be; open for writing if possible, for NFS."""
    if shared:
        return open_regular(path, follow_links=False)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:
        pass
    try:
        return open_regular(path, os.O_RDWR, follow_links=False)
    except PermissionError:
        return open_regular(path, follow_links=False)


def _lock(descriptor: int, path: Path, deadline: float, shared: bool) -> bool:
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise MapBusyError(
                    f"{path}: expected the lock of the map, another process holds it; try again"
                ) from None
            time.sleep(POLL_S)
        except OSError as error:
            if error.errno in NO_LOCKS:
                return False
            raise


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the locked file is still the one at ``path``: the folder may have been removed."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False

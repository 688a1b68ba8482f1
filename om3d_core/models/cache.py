"""Derived model files, built once and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from om3d_core.errors import ModelError
from om3d_core.files import write_atomically

_DIGEST_BYTES = 32


def cache_folder() -> Path:
    """``OM3D_CACHE``, else ``om3d`` below ``XDG_CACHE_HOME`` or ``~/.cache``."""
    own = os.environ.get("OM3D_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "om3d"


def file_key(*parts: str | Path) -> str:
    """A short checksum of texts and of the contents of files."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        else:
            total.update(hashlib.sha256(part.encode()).digest())
    return total.hexdigest()[:16]


def cached(name: str, key: str, build: Callable[[], bytes]) -> bytes:
    """What ``build`` returns, computed only if no whole copy of it is in the cache folder.

    A copy carries the checksum of its content, so that a truncated or damaged one is built again,
    and replaces an older one in a single step, so that processes may run side by side.
    Raises :class:`ModelError` if the folder cannot be written.
    """
    path = cache_folder() / f"{name}-{key}.bin"
    content = _read(path)
    if content is None:
        content = build()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, hashlib.sha256(content).digest() + content)
        except OSError as error:
            raise ModelError(
                f"expected to write {path.name} into {path.parent} (set OM3D_CACHE to another "
                f"folder), got: {error}"
            ) from error
    return content


def _read(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == digest else None

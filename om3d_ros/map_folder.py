"""Names of saved maps to folders below one root."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from om3d_core.errors import InputError
from om3d_core.files import user_path

MAX_NAME = 200


def map_folder(map_root: str, name: str) -> Path:
    """The folder of the map ``name`` below ``map_root``.

    Raises :class:`InputError` unless the name is a plain relative path that stays below the root,
    also through symbolic links.
    """
    path = PurePosixPath(name)
    if (
        not name.strip()
        or len(name) > MAX_NAME
        or not name.isprintable()
        or "\\" in name
        or path.is_absolute()
        or not path.parts
        or any(part.startswith((".", "~")) for part in path.parts)
    ):
        raise InputError(f"expected name to be a relative path without '..', got {name!r}")
    root = user_path(map_root).resolve()
    folder = root / path
    if not folder.resolve().is_relative_to(root):
        raise InputError(f"expected name to stay below {root}, got {name!r}")
    return folder

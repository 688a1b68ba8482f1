"""Names of saved maps to folders below one root."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from om3d_core.errors import InputError
from om3d_core.files import user_path

MAX_NAME = 200
MAX_PART_BYTES = 255


def map_folder(map_root: str, name: str) -> Path:
    """The folder of the map ``name`` below ``map_root``.

    A map may lie below another: ``home`` and ``home/kitchen``. Raises :class:`InputError` unless
    the name is a plain relative path that stays below the root, also through symbolic links.
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
        or any(len(part.encode()) > MAX_PART_BYTES for part in path.parts)
    ):
        raise InputError(
            f"expected name to be a relative path without '..' of at most {MAX_NAME} characters "
            f"and {MAX_PART_BYTES} bytes a part, got {name!r}"
        )
    root = Path(os.path.realpath(user_path(map_root)))
    folder = root / path
    if not Path(os.path.realpath(folder)).is_relative_to(root):
        raise InputError(f"expected name to stay below {root}, got {name!r}")
    return folder

"""The pictures of a saved map: one array, in version 1 a file each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.map_files import check_sum, exactly, open_sized
from om3d_core.data.map_manifest import Manifest
from om3d_core.errors import InputError, expect

THUMBNAILS = "thumbnails"
THUMBNAIL_NAME = re.compile(r"\d+-\d+\.jpg")


def thumbnails_of(
    manifest: Manifest, arrays: Mapping[str, npt.NDArray[Any]], content: Path
) -> tuple[tuple[bytes, ...], ...]:
    """The pictures of each instance of the map whose files lie in the folder ``content``.

    Raises :class:`InputError` that names the file, or OSError.
    """
    if manifest.version == 1:
        return _from_files(manifest, arrays["ids"].tolist(), content)
    data, at = arrays[THUMBNAILS], 0
    result = []
    for sizes in manifest.thumbnails:
        ends = np.cumsum([at, *sizes]).tolist()
        result.append(tuple(data[a:b].tobytes() for a, b in zip(ends, ends[1:], strict=False)))
        at = ends[-1]
    return tuple(result)


def _from_files(
    manifest: Manifest, ids: list[int], content: Path
) -> tuple[tuple[bytes, ...], ...]:
    total = sum(manifest.thumbnails)
    expect(len(manifest.files) == total + 1, f"{total} files of thumbnails",
           len(manifest.files) - 1)
    return tuple(
        tuple(_read(manifest, content, f"{THUMBNAILS}/{instance}-{rank}.jpg")
              for rank in range(count))
        for instance, count in zip(ids, manifest.thumbnails, strict=True)
    )


def _read(manifest: Manifest, content: Path, name: str) -> bytes:
    told = manifest.files.get(name)
    if told is None:
        raise InputError(f"expected {name} among the files of the map, got others")
    try:
        with open_sized(content / name, told) as file:
            picture = exactly(file, told.bytes)
        check_sum((picture,), told)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    return bytes(picture)

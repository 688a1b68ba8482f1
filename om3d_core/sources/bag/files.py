"""The storage files of a bag: as metadata.yaml names them, or as they lie; unpacked."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from om3d_core.errors import InputError, SourceError
from om3d_core.files import open_regular, read_yaml
from om3d_core.sources.bag.mcap_check import MAX_RATIO, UNPACKED_SLACK_BYTES
from om3d_core.sources.bag.qos_check import MAX_QOS_MARKS

ROS1_STORAGE = ".bag"
STORAGES = (".mcap", ".db3", ROS1_STORAGE)
PACKED = (".zstd", ".zst")
METADATA = "metadata.yaml"
BLOCK_BYTES = 1 << 20


class BagFiles(NamedTuple):
    """files: each readable alone, in their order. by_metadata: they are read as their folder."""

    files: tuple[Path, ...]
    by_metadata: bool


def is_bag(path: Path) -> bool:
    """Whether a file has the name of a bag, or a folder holds a bag and no folders."""
    if not path.is_dir():
        return path.exists() and bool(_storage(path))
    if (path / METADATA).exists():
        return True
    try:
        entries = list(path.iterdir())
    except OSError:
        return False
    loose = any(_storage(entry) not in {"", ROS1_STORAGE} for entry in entries)
    return loose and not any(entry.is_dir() for entry in entries)


def storage_files(path: Path) -> BagFiles:
    """The storage files of a bag, each a regular file. Raises SourceError where there are none."""
    if not path.is_dir():
        if not _storage(path):
            found = "another file" if path.exists() else "nothing"
            raise SourceError(
                f"{path}: expected a rosbag2 folder, or a {', '.join(STORAGES)} file, found"
                f" {found}"
            )
        files, whole = [path], False
    elif (path / METADATA).is_file():
        files, whole = _listed_files(path)
    else:
        files, whole = sorted((p for p in path.iterdir() if _storage(p)), key=_number), False
        if not files:
            raise SourceError(
                f"{path}: expected a rosbag2 folder, with {METADATA} or {' or '.join(STORAGES)}"
                " files, found none"
            )
    for file in files:
        if not file.is_file():
            raise SourceError(f"{file}: expected a regular file")
    by_metadata = path.is_dir() and (path / METADATA).is_file() and not whole
    return BagFiles(tuple(files), by_metadata)


def unpacked(files: Sequence[Path], folder: Path) -> list[Path]:
    """The files, those that are compressed as a whole unpacked into ``folder``.

    Raises SourceError for what is damaged, or unpacks to far more than it is.
    """
    return [_unpacked(path, folder) if path.suffix in PACKED else path for path in files]


def _unpacked(path: Path, folder: Path) -> Path:
    from backports import zstd

    out = folder / path.stem
    try:
        with open(open_regular(path), "rb") as stored, out.open("wb") as plain:
            left = UNPACKED_SLACK_BYTES + MAX_RATIO * os.fstat(stored.fileno()).st_size
            with zstd.ZstdFile(stored) as blocks:
                while block := blocks.read(BLOCK_BYTES):
                    left -= len(block)
                    if left < 0:
                        raise SourceError(
                            f"{path}: unpacks to more than {MAX_RATIO} times its size and"
                            f" {UNPACKED_SLACK_BYTES} bytes"
                        )
                    plain.write(block)
    except (OSError, EOFError, zstd.ZstdError) as error:
        raise SourceError(f"{path}: cannot be unpacked: {error}") from error
    return out


def _storage(path: Path) -> str:
    """The suffix of a storage file, its compression aside; empty for another file."""
    inner = PurePath(path.stem).suffix if path.suffix in PACKED else path.suffix
    return inner if inner in STORAGES else ""


def _number(path: Path) -> tuple[list[int], str]:
    return [int(digits) for digits in re.findall(r"\d{1,18}", path.name)], path.name


def _listed_files(folder: Path) -> tuple[list[Path], bool]:
    """The files that the metadata of a bag folder names, wherever it says they are, and whether
    they are compressed as a whole."""
    path = folder / METADATA
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
    storages = {_storage(Path(name)) for name in names}
    if not names or "" in storages or ROS1_STORAGE in storages:
        raise SourceError(f"{path}: expected .mcap or .db3 files, got {names}")
    return [folder / name for name in names], whole_files

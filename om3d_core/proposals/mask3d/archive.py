"""Tensors out of a PyTorch file of which nothing is executed.

The file is a zip archive of raw tensors and a pickle that says where each belongs; in a Lightning
checkpoint the pickle also names arbitrary classes. Here only tensors are rebuilt from it;
whatever else it asks for becomes an inert placeholder.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from om3d_core.errors import ModelError

MAX_PICKLE_BYTES = 1 << 28
BYTEARRAY = pickle.BYTEARRAY8[0]
MAX_SHARING = 4
"""Tensors may share what is stored; together they are at most this many times the file."""

_STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of the table ``state_dict``, or of the file itself if it has none.

    Raises ModelError for what is not a PyTorch file of version 1.6 or later.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path)
    except zipfile.BadZipFile as error:
        raise ModelError(
            f"{path}: expected a checkpoint of PyTorch 1.6 or later (a zip archive), got another"
            " file or a truncated one; older ones can be saved again with torch.save"
        ) from error
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{path}: expected a PyTorch checkpoint, got {error!r}") from error


def _read(archive: zipfile.ZipFile, path: Path) -> dict[str, Tensor]:
    entries = {entry.filename: entry for entry in archive.infolist()}
    tables = [name for name in entries if name.endswith("/data.pkl")]
    if len(tables) != 1:
        raise ModelError(f"{path}: expected one data.pkl in the archive, got {len(tables)}")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise ModelError(f"{path}: expected an uncompressed archive, got a compressed one")
    root = tables[0].removesuffix("data.pkl")
    if f"{root}byteorder" in entries and archive.read(f"{root}byteorder") != b"little":
        raise ModelError(f"{path}: expected little-endian tensors, got another byte order")
    if entries[tables[0]].file_size > MAX_PICKLE_BYTES:
        raise ModelError(f"{path}: expected a table of at most {MAX_PICKLE_BYTES} bytes")
    with archive.open(tables[0]) as table:
        content = _Unpickler(table).load()
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise ModelError(f"{path}: expected a table of weights, got another object")
    views = {
        name: view
        for name, view in content.items()
        if isinstance(name, str) and isinstance(view, _View)
    }
    total, stored = sum(view.n_bytes for view in views.values()), path.stat().st_size
    if total > MAX_SHARING * stored:
        raise ModelError(f"{path}: expected tensors of about {stored} bytes, got {total} bytes")
    load = lru_cache(maxsize=1)(partial(_load_storage, archive, f"{root}data/"))
    return {name: view.load(load) for name, view in views.items()}


@dataclass(frozen=True, eq=False)
class _Storage:
    """``count`` values of ``dtype`` in the archive's file ``key``."""

    dtype: torch.dtype
    key: str
    count: int


@dataclass(frozen=True, eq=False)
class _View:
    """A tensor that is still in the archive."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """The memory that the tensor takes."""
        return math.prod(self.size) * self.storage.dtype.itemsize

    def load(self, load_storage: Callable[[_Storage], Tensor]) -> Tensor:
        if math.prod(self.size) > self.storage.count:
            raise pickle.UnpicklingError(
                f"expected a tensor of at most {self.storage.count} values, got {self.size}"
            )
        return load_storage(self.storage).as_strided(self.size, self.stride, self.offset).clone()


def _load_storage(archive: zipfile.ZipFile, folder: str, storage: _Storage) -> Tensor:
    raw = archive.read(f"{folder}{storage.key}")
    size = storage.count * storage.dtype.itemsize
    if len(raw) != size:
        raise pickle.UnpicklingError(
            f"storage {storage.key}: expected {size} bytes, got {len(raw)}"
        )
    if not raw:
        return torch.empty(0, dtype=storage.dtype)
    return torch.frombuffer(bytearray(raw), dtype=storage.dtype)


class _Inert:
    """Stands for any object that is not a tensor: takes everything, does nothing."""

    def __new__(cls, *_: object, **__: object) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object):
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)

    def append(self, item: object) -> None:
        """Ignore a list item."""

    def extend(self, items: object) -> None:
        """Ignore list items."""

    def add(self, item: object) -> None:
        """Ignore a set item."""


class _Unpickler(pickle._Unpickler):
    """Builds plain containers and tensors; every other name resolves to :class:`_Inert`.

    The base is the implementation in Python: that in C reserves memory for any memo number that
    a file names. Byte arrays, for which both reserve whatever length is named, are refused.
    """

    dispatch = {
        key: load for key, load in pickle._Unpickler.dispatch.items() if key != BYTEARRAY
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("torch", "torch.storage") and name in _STORAGE_TYPES:
            return _STORAGE_TYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _rebuild_parameter
        return _Inert

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            return _Inert()
        return _Storage(dtype, key, count)


def _rebuild_tensor(
    storage: object, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> object:
    if not isinstance(storage, _Storage):
        return _Inert()
    return _View(storage, offset, tuple(size), tuple(stride))


def _rebuild_parameter(data: object, *_: object) -> object:
    return data

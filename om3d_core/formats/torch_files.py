"""Tensors and arrays out of a PyTorch file of which nothing is executed.

The file is a zip archive of raw tensors and a pickle that says where each belongs; in a Lightning
checkpoint the pickle also names arbitrary classes. Only tensors and NumPy arrays are rebuilt here
(:mod:`om3d_core.formats.torch_pickle` reads the pickle), each within what the file stores.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from om3d_core.errors import InputError, ModelError, expect, reason_of
from om3d_core.formats.torch_pickle import (
    MAX_STEPS,
    StoredArray,
    StoredSparse,
    StoredView,
    read_pickle,
)
from om3d_core.formats.zip_files import ZipArchive, open_zip

if TYPE_CHECKING:
    from torch import Tensor

MAX_PICKLE_BYTES = 1 << 28
MAX_DEPTH = 8
MAX_SHARING = 4
"""Tensors may share what is stored; together they are at most this many times the file."""


class SparseEntries(NamedTuple):
    """A sparse array. shape; indices: (D, nnz) int64; values: (nnz,)."""

    shape: tuple[int, ...]
    indices: npt.NDArray[np.int64]
    values: npt.NDArray[Any]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of the table ``state_dict``, or of the file itself if it has none.

    Raises ModelError for what is not a PyTorch file of version 1.6 or later.
    """
    with _opened(path) as (content, load):
        if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
            content = content["state_dict"]
        expect(isinstance(content, dict), "a table of weights", "another object")
        expect(all(isinstance(name, str) for name in content), "names of weights", "other keys")
        views = {
            name: view
            for name, view in content.items()
            if isinstance(view, StoredView)
        }
        total, stored = sum(view.n_bytes for view in views.values()), path.stat().st_size
        expect(
            total <= MAX_SHARING * stored, f"tensors of about {stored} bytes", f"{total} bytes"
        )
        found = {
            name: load(views[name]) for name in sorted(views, key=lambda n: views[n].storage.key)
        }
        return {name: found[name] for name in views}


def read_saved(path: Path) -> Any:
    """What a file holds of tables, lists and tuples of arrays, numbers and texts; None stands for
    every other object, which is never loaded. Tensors are arrays, or :class:`SparseEntries`.

    Raises ModelError for what is not a PyTorch file of version 1.6 or later.
    """
    with _opened(path) as (content, load):
        return _Loader(load, MAX_SHARING * path.stat().st_size).loaded(content)


class _Loader:
    """Puts arrays in place of what describes them, as long as there is not far more of them than
    the file has: parts of a pickle may be named again and again."""

    def __init__(self, load: Callable[[StoredView], Tensor], max_bytes: int):
        self._load, self._bytes, self._parts = load, max_bytes, MAX_STEPS

    def loaded(self, content: Any, depth: int = 0) -> Any:
        self._parts -= 1
        expect(depth <= MAX_DEPTH and self._parts >= 0,
               f"{MAX_STEPS} parts, {MAX_DEPTH} deep, at most", "more")  # fmt: skip
        if isinstance(content, dict):
            return {name: self.loaded(part, depth + 1) for name, part in content.items()}
        if isinstance(content, (list, tuple)):
            return type(content)([self.loaded(part, depth + 1) for part in content])
        if isinstance(content, StoredArray):
            array = content.to_array()
            self._take(array.nbytes)
            return array
        if isinstance(content, StoredView):
            content.check()
            self._take(content.n_bytes)
            return _as_array(self._load(content))
        if isinstance(content, StoredSparse):
            indices, values = (
                self.loaded(view, depth + 1) for view in (content.indices, content.values)
            )
            _check_sparse(content.size, indices, values)
            return SparseEntries(content.size, indices, values)
        return content if isinstance(content, (bool, int, float, str)) else None

    def _take(self, n_bytes: int) -> None:
        self._bytes -= n_bytes
        expect(self._bytes >= 0, "arrays of about the size of the file", "far more")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Callable[[StoredView], Tensor]]]:
    """What the pickle of a file describes, and what loads a tensor of it."""
    try:
        with open_zip(path) as archive:
            tables = [name for name in archive.entries if name.endswith("/data.pkl")]
            expect(len(tables) == 1, "one data.pkl in the archive", len(tables))
            expect(
                all(e.compress_type == zipfile.ZIP_STORED for e in archive.entries.values()),
                "an uncompressed archive", "a compressed one",
            )
            root = tables[0].removesuffix("data.pkl")
            if f"{root}byteorder" in archive.entries:
                order = archive.read(f"{root}byteorder", 16)
                expect(order == b"little", "little-endian tensors", f"byte order {order!r}")
            content = read_pickle(archive.read(tables[0], MAX_PICKLE_BYTES))
            storage = lru_cache(maxsize=1)(partial(_load_storage, archive, f"{root}data/"))
            yield content, partial(_load_view, storage)
    except InputError as error:
        raise ModelError(
            f"{path}: expected a file of PyTorch 1.6 or later (older ones can be saved again with"
            f" torch.save): {reason_of(error)}"
        ) from error


def _load_view(load_storage: Callable[[str, str, int], Tensor], view: StoredView) -> Tensor:
    view.check()
    storage = load_storage(view.storage.key, view.storage.dtype, view.storage.count)
    return storage.as_strided(view.size, view.stride, view.offset).clone()


def _load_storage(archive: ZipArchive, folder: str, key: str, dtype: str, count: int) -> Tensor:
    import torch

    kind: torch.dtype = getattr(torch, dtype)
    name, size = f"{folder}{key}", count * kind.itemsize
    expect(name in archive.entries, f"storage {name}", "none")
    raw = archive.read(name, size)
    expect(len(raw) == size, f"storage {name} of {size} bytes", len(raw))
    return torch.frombuffer(bytearray(raw), dtype=kind) if raw else torch.empty(0, dtype=kind)


def _as_array(tensor: Tensor) -> npt.NDArray[Any]:
    import torch

    array: npt.NDArray[Any] = (
        tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    ).numpy()
    return array


def _check_sparse(
    size: tuple[int, ...], indices: npt.NDArray[Any], values: npt.NDArray[Any]
) -> None:
    expect(
        indices.dtype == np.int64 and indices.shape == (len(size), values.size)
        and values.ndim == 1,
        f"int64 indices ({len(size)}, nnz) and values (nnz,) of a sparse tensor",
        (indices.shape, values.shape),
    )
    for axis, (along, side) in enumerate(zip(indices, size, strict=True)):
        low, high = int(along.min(initial=0)), int(along.max(initial=-1))
        expect(0 <= low and high < side, f"indices in 0..{side - 1} on axis {axis}", (low, high))

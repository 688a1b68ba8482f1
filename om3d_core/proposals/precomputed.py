"""Masks that another program made, read from a file: .npz, or OpenMask3D's .pt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import MAX_POINTS, Cloud
from om3d_core.data.masks import MAX_MEMBERS, InstanceMasks
from om3d_core.errors import InputError, ModelError, expect
from om3d_core.files import user_path
from om3d_core.formats.npz import read_npz
from om3d_core.formats.torch_files import SparseEntries, read_array
from om3d_core.progress import Job
from om3d_core.settings import Settings, setting

MAX_BYTES = 2 * 1024**3
MAX_MASKS = 5000
DENSE_NAMES = ("masks", "pred_masks", "arr_0")
ROW_NAMES = ("indptr", "indices", "n_points")

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PrecomputedSettings(Settings):
    """Which masks are read."""

    path: str = setting("", "mask file (.npz or .pt)")


class PrecomputedProposer:
    """Gives the masks of a file, whose rows are the points of the cloud in the cloud's order.

    .npz holds a dense array ``masks`` (P, N), or ``indptr`` (N + 1,), ``indices`` (nnz,) and
    ``n_points``; with them, optionally, ``scores`` (N,) in 0..1. .pt is what OpenMask3D saves: an
    array or tensor (P, N), non-zero where a point belongs to a mask, read without unpickling
    anything but arrays. Without scores every mask has score 1; none is structure.
    """

    def __init__(self, settings: PrecomputedSettings):
        """Raises :class:`ModelError` for a file that is missing, too large, damaged or strange."""
        if not settings.path:
            raise ModelError("precomputed.path: expected a mask file (.npz or .pt), got none")
        self._path = user_path(settings.path)
        self._masks = read_masks(self._path)

    def propose(self, cloud: Cloud, job: Job, up: npt.NDArray[np.float64]) -> InstanceMasks:
        """The masks; raises :class:`InputError` if they are over another number of points."""
        job.step("masks", 0, 1)
        expect(
            self._masks.n_points == len(cloud),
            f"masks over the cloud's {len(cloud)} points in {self._path}",
            f"masks over {self._masks.n_points} points",
        )
        job.step("masks", 1, 1)
        return self._masks


def read_masks(path: Path) -> InstanceMasks:
    """Read a mask file; see :class:`PrecomputedProposer` for its layouts and errors."""
    readers = {".npz": _read_npz, ".pt": _read_pt}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ModelError(f"{path}: expected a mask file that ends in .npz or .pt")
    if not path.is_file():
        raise ModelError(f"{path}: expected a mask file, found none")
    if path.stat().st_size > MAX_BYTES:
        raise ModelError(f"{path}: expected at most {MAX_BYTES} bytes, got {path.stat().st_size}")
    try:
        return reader(path)
    except InputError as error:
        raise ModelError(f"{path}: {error}") from error


def _read_npz(path: Path) -> InstanceMasks:
    arrays = read_npz(path, (*DENSE_NAMES, *ROW_NAMES, "scores"))
    scores = _scores(arrays)
    if set(ROW_NAMES) <= set(arrays):
        return _from_rows(arrays, scores)
    for name in DENSE_NAMES:
        if name in arrays:
            return _from_dense(arrays[name], name, scores)
    raise InputError(
        f"expected arrays masks, or indptr, indices and n_points, got {sorted(arrays)}"
    )


def _from_dense(
    dense: Array, name: str, scores: npt.NDArray[np.float32] | None = None
) -> InstanceMasks:
    expect(dense.ndim == 2, f"{name} of shape (P, N)", dense.shape)
    _check_number(dense.shape[1])
    return InstanceMasks.from_dense(dense, scores)


def _from_rows(
    arrays: Mapping[str, Array], scores: npt.NDArray[np.float32] | None
) -> InstanceMasks:
    for name in ROW_NAMES:
        expect(np.issubdtype(arrays[name].dtype, np.integer), f"integer {name}",
               arrays[name].dtype)
    indptr, indices = arrays["indptr"].astype(np.int64), arrays["indices"]
    expect(arrays["n_points"].size == 1, "one number n_points", arrays["n_points"].shape)
    expect(indptr.ndim == 1 and len(indptr) > 0 and indices.ndim == 1,
           "indptr (N + 1,) and indices (nnz,)", (indptr.shape, indices.shape))
    expect(
        int(indptr[0]) == 0 and int(indptr[-1]) == len(indices)
        and bool((indptr[1:] >= indptr[:-1]).all()),
        "indptr ascending from 0 to nnz",
        "something else",
    )
    _check_number(len(indptr) - 1)
    expect(len(indices) <= MAX_MEMBERS, f"at most {MAX_MEMBERS} indices", len(indices))
    n_points = int(arrays["n_points"].item())
    expect(0 <= n_points <= MAX_POINTS, f"n_points of 0..{MAX_POINTS}", n_points)
    low, high = int(indices.min(initial=0)), int(indices.max(initial=-1))
    expect(0 <= low and high < n_points, f"indices in 0..{n_points - 1}", (low, high))
    rows = np.split(indices.astype(np.int32), indptr[1:-1]) if len(indptr) > 1 else []
    return InstanceMasks.from_lists(rows, n_points, scores)


def _read_pt(path: Path) -> InstanceMasks:
    array = read_array(path)
    if not isinstance(array, SparseEntries):
        return _from_dense(array, "the array")
    shape, indices, values = array
    expect(len(shape) == 2, "a sparse tensor of shape (P, N)", shape)
    n_points, n = shape
    _check_number(n)
    expect(values.size <= MAX_MEMBERS, f"at most {MAX_MEMBERS} values", values.size)
    point, mask = indices[:, values != 0]
    order = np.argsort(mask, kind="stable")
    bounds = np.searchsorted(mask[order], np.arange(1, n))
    return InstanceMasks.from_lists(np.split(point[order], bounds) if n else [], n_points)


def _check_number(n: int) -> None:
    expect(n <= MAX_MASKS, f"at most {MAX_MASKS} masks", n)


def _scores(arrays: Mapping[str, Array]) -> npt.NDArray[np.float32] | None:
    if "scores" not in arrays:
        return None
    with np.errstate(over="ignore"):
        scores = arrays["scores"].astype(np.float32)
    expect(
        scores.ndim == 1 and bool(((scores >= 0) & (scores <= 1)).all()),
        "scores (N,) in 0..1",
        scores.shape if scores.ndim != 1 else "other values",
    )
    return scores

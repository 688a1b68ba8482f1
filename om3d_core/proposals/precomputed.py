"""Masks that another program made, read from a file: .npz, or OpenMask3D's .pt."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.masks import InstanceMasks
from om3d_core.errors import InputError, ModelError, expect, reason_of
from om3d_core.files import user_path
from om3d_core.progress import Job
from om3d_core.settings import Settings, setting

MAX_BYTES = 2 * 1024**3
DENSE_NAMES = ("masks", "pred_masks", "arr_0")


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
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
        if total > MAX_BYTES:
            raise ModelError(f"{path}: expected at most {MAX_BYTES} bytes, unpacks to {total}")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: not a readable .npz file: {error}") from error
    scores = _scores(arrays)
    if {"indptr", "indices", "n_points"} <= set(arrays):
        return _from_rows(arrays, scores)
    for name in DENSE_NAMES:
        if name in arrays:
            return InstanceMasks.from_dense(_numbers(arrays[name], name), scores)
    raise InputError(
        f"expected arrays masks, or indptr, indices and n_points, got {sorted(arrays)}"
    )


def _from_rows(
    arrays: Mapping[str, npt.NDArray[Any]], scores: npt.NDArray[np.float32] | None
) -> InstanceMasks:
    for name in ("indptr", "indices", "n_points"):
        expect(np.issubdtype(arrays[name].dtype, np.integer), f"integer {name}",
               arrays[name].dtype)
    indptr, indices = arrays["indptr"].astype(np.int64), arrays["indices"].astype(np.int64)
    expect(arrays["n_points"].size == 1, "one number n_points", arrays["n_points"].shape)
    expect(indptr.ndim == 1 and len(indptr) > 0 and indices.ndim == 1,
           "indptr (N + 1,) and indices (nnz,)", (indptr.shape, indices.shape))
    expect(
        int(indptr[0]) == 0 and int(indptr[-1]) == len(indices)
        and bool((np.diff(indptr) >= 0).all()),
        "indptr ascending from 0 to nnz",
        "something else",
    )
    n_points = int(arrays["n_points"].item())
    expect(n_points >= 0, "n_points of at least 0", n_points)
    return InstanceMasks.from_lists(np.split(indices, indptr[1:-1]) if len(indptr) > 1 else [],
                                    n_points, scores)


def _read_pt(path: Path) -> InstanceMasks:
    import torch

    try:
        with torch.serialization.safe_globals(_array_globals()):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{path}: expected one saved array or tensor (P, N): {reason_of(error)}"
        ) from error
    if isinstance(loaded, tuple) and loaded:
        loaded = loaded[0]
    if isinstance(loaded, torch.Tensor):
        expect(loaded.numel() <= MAX_BYTES, f"at most {MAX_BYTES} values", tuple(loaded.shape))
        loaded = loaded.detach().to_dense().float().numpy()
    expect(isinstance(loaded, np.ndarray), "an array or tensor (P, N)", type(loaded).__name__)
    return InstanceMasks.from_dense(_numbers(loaded, "the array"))


def _array_globals() -> list[Any]:
    """What a pickled NumPy array is made of, and nothing else, under its old and new names."""
    reconstruct = np.zeros(0).__reduce__()[0]
    kinds = [type(np.dtype(name)) for name in ("f2", "f4", "f8", "?", "u1", "i1", "i4", "i8")]
    named = [(reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]
    return [np.ndarray, np.dtype, *kinds, *named]


def _scores(arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32] | None:
    if "scores" not in arrays:
        return None
    scores = _numbers(arrays["scores"], "scores").astype(np.float32)
    expect(
        scores.ndim == 1 and bool(((scores >= 0) & (scores <= 1)).all()),
        "scores (N,) in 0..1",
        scores.shape if scores.ndim != 1 else "other values",
    )
    return scores


def _numbers(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    kinds = (np.bool_, np.integer, np.floating)
    expect(any(np.issubdtype(array.dtype, kind) for kind in kinds), f"numbers in {name}",
           array.dtype)
    return array

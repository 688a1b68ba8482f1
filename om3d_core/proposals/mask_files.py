"""Files of masks of other programs: .npz, .pt or .pth, .txt, .pts and .json."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from om3d_core.data.cloud import MAX_POINTS
from om3d_core.data.masks import MAX_MEMBERS, InstanceMasks
from om3d_core.errors import InputError, ModelError, expect, reason_of
from om3d_core.files import open_regular, read_json, read_regular
from om3d_core.formats.npz import read_npz
from om3d_core.formats.run_lengths import members_of
from om3d_core.formats.text_matrix import load_rows
from om3d_core.formats.torch_files import SparseEntries, read_saved
from om3d_core.proposals.mask_values import (
    Array,
    check_number,
    masks_of,
    of_runs,
    over_points,
    scores_of,
)

MAX_BYTES = 2 * 1024**3
MAX_LIST_BYTES, MAX_TEXT_BYTES = 4 * 1024**2, 4 * MAX_POINTS
BLANKS = np.frombuffer(b" \r\n\t", np.uint8)
LABEL_COLUMNS = 1, 5
"""Of text: a label, or x y z objectness label."""
DENSE_NAMES = ("masks", "pred_masks", "arr_0", "ins", "labels", "group", "instance_ids")
ROW_NAMES = ("indptr", "indices", "n_points")
SCORE_NAMES = ("scores", "pred_scores", "conf", "confidence")
SUPERPOINT_NAMES = ("superpoints", "point2segment", "spp")
MASK_ROWS = ("ins",)
"""Names of arrays that have a row a mask: Open3DIS."""


def read_masks(path: Path) -> InstanceMasks:
    """Read a mask file. Raises ModelError that names it.

    .npz and .pt, .pth: see :func:`_of_table`; of the latter no object but arrays, numbers and
    texts is ever loaded. .txt: lines of a file, a label and a score, of ScanNet's benchmark, as
    Mask3D, Segment3D and SAI3D write them (github.com/ScanNet/ScanNet, BenchmarkScripts), or a
    label a line. .pts: SAI3D's lines of x y z, objectness and label. .json: a list of run
    lengths, each with its ``score`` if it has one.
    """
    readers = {
        ".npz": _read_npz, ".pt": _read_torch, ".pth": _read_torch, ".txt": _read_text,
        ".pts": _read_text, ".json": _read_runs,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ModelError(f"{path}: expected a mask file that ends in {', '.join(readers)}")
    if not path.is_file():
        raise ModelError(f"{path}: expected a mask file, found none")
    if path.stat().st_size > MAX_BYTES:
        raise ModelError(f"{path}: expected at most {MAX_BYTES} bytes, got {path.stat().st_size}")
    try:
        return reader(path)
    except InputError as error:
        raise ModelError(f"{path}: {error}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: expected readable masks, got {reason_of(error)}") from error


def _read_npz(path: Path) -> InstanceMasks:
    names = (*DENSE_NAMES, *ROW_NAMES, *SCORE_NAMES, *SUPERPOINT_NAMES)
    return _of_table(read_npz(path, names))


def _read_torch(path: Path) -> InstanceMasks:
    """An array or tensor, a tuple of it and its scores, or a table of them (Open3DIS: ``ins`` and
    ``conf``; SAM3D: labels)."""
    content = read_saved(path)
    if isinstance(content, (tuple, list)) and content and _is_array(content[0]):
        second = content[1] if len(content) > 1 else None
        with_scores = _is_scores(second, content[0])
        content = {"masks": content[0], **({"scores": second} if with_scores else {})}
    if _is_array(content):
        content = {"masks": content}
    if isinstance(content, list) and content and all(isinstance(one, dict) for one in content):
        content = {"ins": content}
    if not isinstance(content, dict):
        raise InputError("expected one saved array or tensor, got objects, which are never loaded")
    return _of_table(content)


def _of_table(table: Mapping[Any, Any]) -> InstanceMasks:
    """``masks`` (P, N) or (P,), or ``indptr`` (N + 1,), ``indices`` (nnz,) and ``n_points``, under
    one of several names; with ``scores`` (N,), and with ``superpoints`` (P,) if the masks are over
    these."""
    given = next((table[name] for name in SCORE_NAMES if table.get(name) is not None), None)
    if set(ROW_NAMES) <= set(table):
        masks = _of_rows(table)
    else:
        name = next((name for name in DENSE_NAMES if _is_masks(table.get(name))), None)
        if name is None:
            raise InputError(
                "expected arrays masks, or indptr, indices and n_points, got"
                f" {sorted(map(str, table))[:8]}"
            )
        masks = _named(table[name], name)
    if given is not None:
        scores = scores_of(given, len(masks))
        masks = InstanceMasks(
            masks.indptr, masks.indices, scores, masks.structure, masks.n_points
        )
    for name in SUPERPOINT_NAMES:
        if isinstance(table.get(name), np.ndarray):
            return over_points(masks, table[name].reshape(-1))
    return masks


def _named(values: Any, name: str) -> InstanceMasks:
    if isinstance(values, list):
        return of_runs(values)
    if name in MASK_ROWS and isinstance(values, np.ndarray) and values.ndim == 2:
        values = values.T
    return masks_of(values, name, None)


def _is_masks(values: object) -> bool:
    if isinstance(values, list):
        return bool(values) and all(isinstance(one, dict) for one in values)
    return _is_array(values)


def _is_array(values: object) -> bool:
    return isinstance(values, (np.ndarray, SparseEntries))


def _is_scores(values: object, masks: Any) -> bool:
    shape = masks.shape
    return isinstance(values, np.ndarray) and len(shape) == 2 and values.shape == (shape[1],)


def _of_rows(table: Mapping[Any, Any]) -> InstanceMasks:
    arrays = {name: table[name] for name in ROW_NAMES}
    arrays["n_points"] = np.asarray(arrays["n_points"])
    for name, array in arrays.items():
        expect(isinstance(array, np.ndarray) and array.dtype.kind in "iu", f"integer {name}",
               getattr(array, "dtype", type(array).__name__))  # fmt: skip
    indptr, indices = arrays["indptr"].astype(np.int64), arrays["indices"]
    count = arrays["n_points"]
    expect(count.size == 1, "one number n_points", count.shape)
    expect(indptr.ndim == 1 and len(indptr) > 0 and indices.ndim == 1,
           "indptr (N + 1,) and indices (nnz,)", (indptr.shape, indices.shape))
    expect(
        int(indptr[0]) == 0 and int(indptr[-1]) == len(indices)
        and bool((indptr[1:] >= indptr[:-1]).all()),
        "indptr ascending from 0 to nnz",
        "something else",
    )
    check_number(len(indptr) - 1)
    expect(len(indices) <= MAX_MEMBERS, f"at most {MAX_MEMBERS} indices", len(indices))
    n_points = int(count.item())
    expect(0 <= n_points <= MAX_POINTS, f"n_points of 0..{MAX_POINTS}", n_points)
    low, high = int(indices.min(initial=0)), int(indices.max(initial=-1))
    expect(0 <= low and high < n_points, f"indices in 0..{n_points - 1}", (low, high))
    rows = np.split(indices.astype(np.int32), indptr[1:-1]) if len(indptr) > 1 else []
    return InstanceMasks.from_lists(rows, n_points)


def _read_text(path: Path) -> InstanceMasks:
    """Labels, or the list of ScanNet's benchmark, told apart by the first line."""
    with open(open_regular(path), "rb") as file:
        words = file.readline(4096).split()
        expect(bool(words), "a label or a mask a line", "an empty file")
        if not _is_number(words[0]):
            return _read_benchmark(path)
    labels = _rows(path, LABEL_COLUMNS, "a label a line, or x y z objectness label")
    return masks_of(labels[:, -1], "labels", None)


def _read_benchmark(path: Path) -> InstanceMasks:
    lines = read_regular(path, MAX_LIST_BYTES).decode("utf-8", "replace").splitlines()
    rows, scores, n_points, total = [], [], set(), 0
    listed = [line.split() for line in lines if line.strip()]
    check_number(len(listed))
    for words in listed:
        expect(len(words) == 3 and _is_number(words[2]), "lines of a file, a label and a score",
               " ".join(words)[:80])  # fmt: skip
        file = (path.parent / words[0]).resolve()
        expect(file.is_relative_to(path.parent.resolve()), "files beside the list", words[0])
        members, count = _members_of_file(file)
        total += len(members)
        expect(total <= MAX_MEMBERS, f"at most {MAX_MEMBERS} points in masks", total)
        rows.append(members)
        scores.append(float(words[2]))
        n_points.add(count)
    expect(len(n_points) == 1, "masks over one number of points", sorted(n_points)[:4])
    return InstanceMasks.from_lists(rows, n_points.pop(), scores_of(scores, len(rows)))


def _members_of_file(path: Path) -> tuple[Array, int]:
    """Of one mask: a 0 or another number a line, or run lengths as JSON (ScanNet++)."""
    if path.suffix == ".json":
        runs = read_json(path)
        expect(isinstance(runs, dict), f"run lengths in {path.name}", type(runs).__name__)
        return members_of(runs)
    raw: Array = np.frombuffer(read_regular(path, MAX_TEXT_BYTES), np.uint8)
    digit = (raw >= ord("0")) & (raw <= ord("9"))
    if bool((digit | np.isin(raw, BLANKS)).all()) and not bool((digit[1:] & digit[:-1]).any()):
        values: Array = raw[digit] - ord("0")
    else:
        values = _rows(path, (1,), "a number a line")[:, 0]
    return np.flatnonzero(values), len(values)


def _rows(path: Path, columns: Collection[int], expected: str) -> Array:
    try:
        with open(open_regular(path), "rb") as file:
            return load_rows(file, columns, MAX_POINTS)
    except ValueError as error:
        raise InputError(f"expected {expected} in {path.name}, got {error}") from error


def _read_runs(path: Path) -> InstanceMasks:
    entries = read_json(path)
    if isinstance(entries, dict):
        return _of_table(entries)
    expect(isinstance(entries, list) and bool(entries), "a list of run lengths", "another")
    expect(all(isinstance(one, dict) for one in entries), "run lengths", "other entries")
    runs = [one.get("segmentation", one) for one in entries]
    expect(all(isinstance(one, dict) for one in runs), "run lengths", "polygons or others")
    scores = [one["score"] for one in entries if "score" in one]
    return of_runs(runs, scores_of(scores, len(runs)) if scores else None)


def _is_number(word: bytes | str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True

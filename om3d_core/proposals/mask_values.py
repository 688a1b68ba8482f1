"""Masks of other programs, whatever they hold: memberships, logits, labels, runs, superpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.masks import MAX_MEMBERS, InstanceMasks
from om3d_core.errors import expect
from om3d_core.formats.run_lengths import members_of
from om3d_core.formats.torch_files import SparseEntries

MAX_MASKS = 5000
BLOCK_VALUES = 1 << 20
PROBABILITY = 0.5

Array = npt.NDArray[Any]
Scores = npt.NDArray[np.float32]


def masks_of(values: Array | SparseEntries, name: str, scores: Scores | None) -> InstanceMasks:
    """Masks of an array: labels (P,), or (P, N) what :func:`memberships` takes. Raises
    InputError that names the array."""
    if isinstance(values, SparseEntries):
        return _of_sparse(values, scores)
    expect(values.dtype.kind in "biuf", f"{name} of numbers", values.dtype)
    if values.ndim == 1:
        return _of_labels(values, name, scores)
    expect(values.ndim == 2, f"{name} of shape (P, N), or labels (P,)", values.shape)
    check_number(values.shape[1])
    return InstanceMasks.from_dense(memberships(values, name), scores)


def memberships(values: Array, name: str) -> npt.NDArray[np.bool_]:
    """Which points (P) belong to which masks (N), of an array (P, N).

    0 and one other value: those of the other; 1 alone: all. Floats in 0..1: probabilities, from
    0.5 on. Floats of both signs: logits, above 0 (as Mask3D takes them). Raises InputError for
    anything else.
    """
    low, high, whole = _extent(values, name)
    if values.dtype.kind == "b" or (whole and low == 0.0) or low == high == 1.0:
        return np.asarray(values != 0)
    expect(
        values.dtype.kind == "f" and (low < 0.0 < high or (low >= 0.0 and high <= 1.0)),
        f"{name} of 0 and 1, of probabilities, or of logits above and below 0",
        f"{values.dtype} {low:g} .. {high:g}",
    )
    return np.asarray(values > 0.0 if low < 0.0 else values >= PROBABILITY)


def scores_of(values: object, n: int) -> Scores:
    """(N,) scores of an array, or of a list of numbers. Raises InputError for others."""
    parts = values if isinstance(values, (list, tuple)) else [values]
    numbers = [np.asarray(part).reshape(-1) for part in parts
               if isinstance(part, (int, float, np.ndarray))]  # fmt: skip
    flat = np.concatenate(numbers) if numbers else np.zeros(0)
    expect(flat.dtype.kind in "biuf", "scores of numbers", flat.dtype)
    with np.errstate(over="ignore"):
        scores = flat.astype(np.float32)
    expect(
        scores.shape == (n,) and bool(((scores >= 0) & (scores <= 1)).all()),
        f"scores ({n},) in 0..1", scores.shape if scores.shape != (n,) else "other values",
    )
    return scores


def of_runs(runs: Sequence[Mapping[Any, Any]], scores: Scores | None = None) -> InstanceMasks:
    """Masks of one entry of run lengths each, over as many points. Raises InputError."""
    check_number(len(runs))
    rows, sizes, total = [], set(), 0
    for one in runs:
        members, n_points = members_of(one)
        total += len(members)
        expect(total <= MAX_MEMBERS, f"at most {MAX_MEMBERS} points in masks", total)
        rows.append(members)
        sizes.add(n_points)
    expect(len(sizes) == 1, "masks over one number of points", sorted(sizes)[:4])
    return InstanceMasks.from_lists(rows, sizes.pop(), scores)


def over_points(masks: InstanceMasks, superpoints: Array) -> InstanceMasks:
    """Masks over superpoints as masks over points, of which ``superpoints`` (P,) tells the row.

    Raises InputError for rows that are none of the masks'.
    """
    expect(
        superpoints.ndim == 1 and superpoints.dtype.kind in "iu", "integer superpoints (P,)",
        (superpoints.shape, superpoints.dtype),
    )
    low, high = int(superpoints.min(initial=0)), int(superpoints.max(initial=-1))
    expect(0 <= low and high < masks.n_points, f"superpoints in 0..{masks.n_points - 1}",
           (low, high))  # fmt: skip
    order = np.argsort(superpoints, kind="stable")
    counts = np.bincount(superpoints.astype(np.int64), minlength=masks.n_points)
    starts, rows, total = np.cumsum(counts) - counts, [], 0
    for mask in (masks[i] for i in range(len(masks))):
        sizes = counts[mask]
        total += int(sizes.sum())
        expect(total <= MAX_MEMBERS, f"at most {MAX_MEMBERS} points in masks", total)
        first = np.repeat(starts[mask] - (np.cumsum(sizes) - sizes), sizes)
        rows.append(order[first + np.arange(len(first))])
    return InstanceMasks.from_lists(rows, len(superpoints), masks.scores, masks.structure)


def check_number(n: int) -> None:
    """Raise InputError for more masks than are read."""
    expect(n <= MAX_MASKS, f"at most {MAX_MASKS} masks", n)


def _extent(values: Array, name: str) -> tuple[float, float, bool]:
    """The least and the greatest value, and whether there is only one beside 0."""
    low, high, others = np.inf, -np.inf, set[float]()
    flat, whole = values.reshape(-1), True
    for start in range(0, len(flat), BLOCK_VALUES):
        block = flat[start : start + BLOCK_VALUES]
        least, greatest = float(block.min()), float(block.max())
        expect(np.isfinite(least) and np.isfinite(greatest), f"finite {name}", "NaN or infinity")
        low, high = min(low, least), max(high, greatest)
        if whole:
            others |= {greatest} - {0.0}
            whole = len(others) <= 1 and bool(((block == 0) | (block == greatest)).all())
    return (low, high, whole) if len(flat) else (0.0, 0.0, True)


def _of_labels(values: Array, name: str, scores: Scores | None) -> InstanceMasks:
    """A mask each label. Where there are negative labels these are of no mask, and 0 is a label
    (SAM3D); else 0 is of none (SAI3D, ScanNet)."""
    expect(
        values.dtype.kind in "iu"
        or (values.dtype.kind == "f" and bool(np.isfinite(values).all())
            and bool((values == np.rint(values)).all())),
        f"whole labels in {name}", values.dtype,
    )  # fmt: skip
    labels = values.astype(np.int64)
    expect(len(labels) <= MAX_MEMBERS, f"at most {MAX_MEMBERS} labels", len(labels))
    none_below = 0 if bool((labels < 0).any()) else 1
    found, inverse = np.unique(labels, return_inverse=True)
    check_number(int((found >= none_below).sum()))
    order = np.argsort(inverse, kind="stable")
    bounds = np.searchsorted(inverse[order], np.arange(1, len(found)))
    rows = np.split(order, bounds) if len(found) else []
    kept = [row for label, row in zip(found.tolist(), rows, strict=True) if label >= none_below]
    return InstanceMasks.from_lists(kept, len(labels), scores)


def _of_sparse(entries: SparseEntries, scores: Scores | None) -> InstanceMasks:
    shape, indices, values = entries
    expect(len(shape) == 2, "a sparse tensor of shape (P, N)", shape)
    n_points, n = shape
    check_number(n)
    expect(values.size <= MAX_MEMBERS, f"at most {MAX_MEMBERS} values", values.size)
    member = memberships(values[:, None], "values of a sparse tensor")[:, 0] & (values != 0)
    point, mask = indices[:, member]
    order = np.argsort(mask, kind="stable")
    bounds = np.searchsorted(mask[order], np.arange(1, n))
    rows = np.split(point[order], bounds) if n else []
    return InstanceMasks.from_lists(rows, n_points, scores)

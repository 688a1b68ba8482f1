"""Masks as lengths of runs: of COCO, and of the 3D segmenters that come from ISBNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import MAX_POINTS
from om3d_core.data.masks import MAX_MEMBERS
from om3d_core.errors import InputError, expect

Ints = npt.NDArray[np.int64]


def members_of(runs: Mapping[Any, Any]) -> tuple[Ints, int]:
    """The point indices of a mask, ascending, and the number of points.

    Of ``length`` with ``counts`` as pairs of a first point, from 1, and a number (ISBNet,
    Open3DIS, ScanNet++'s benchmark): a text, a list or an array. Of ``size`` with ``counts`` as
    COCO has them (pycocotools): numbers of zeros and ones in turn, as a list or as its compressed
    text; the points are counted column by column. Raises InputError.
    """
    counts = runs.get("counts")
    if "length" in runs:
        n_points = _number(runs["length"], "length")
        pairs = _numbers(counts)
        expect(len(pairs) % 2 == 0, "counts in pairs of a start and a number", len(pairs))
        starts, lengths = pairs[0::2] - 1, pairs[1::2]
    else:
        size = runs.get("size")
        if not isinstance(size, (list, tuple)) or not 1 <= len(size) <= 2:
            names = sorted(map(str, runs))[:8]
            raise InputError(f"expected runs with length, or with size, got {names}")
        n_points = 1
        for side in size:
            n_points *= _number(side, "size")
        lengths = _coco_numbers(counts) if isinstance(counts, (str, bytes)) else _numbers(counts)
        expect(not len(lengths) or int(lengths.min()) >= 0, "counts of at least 0", "others")
        expect(int(lengths.sum()) == n_points, f"counts of {n_points} points", int(lengths.sum()))
        starts, lengths = (np.cumsum(lengths) - lengths)[1::2], lengths[1::2]
    expect(n_points <= MAX_POINTS, f"at most {MAX_POINTS} points", n_points)
    ends = starts + lengths
    expect(
        not len(starts) or (int(starts.min()) >= 0 and int(lengths.min()) >= 0
                            and int(ends.max()) <= n_points
                            and bool((starts[1:] >= ends[:-1]).all())),
        f"ascending runs within {n_points} points", "others",
    )  # fmt: skip
    total = int(lengths.sum())
    expect(total <= MAX_MEMBERS, f"at most {MAX_MEMBERS} points in a mask", total)
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(total), n_points


def _number(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InputError(f"expected a number {name}, got {type(value).__name__}")
    number = int(value)
    expect(0 <= number <= MAX_POINTS, f"{name} of 0..{MAX_POINTS}", number)
    return number


def _numbers(counts: object) -> Ints:
    if isinstance(counts, str):
        counts = counts.split()
    try:
        numbers = np.array(counts, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError("expected counts of numbers, got others") from error
    expect(
        numbers.ndim == 1 and bool((np.abs(numbers) <= MAX_POINTS).all())
        and bool((numbers == np.rint(numbers)).all()),
        f"whole counts of at most {MAX_POINTS}", "others",
    )  # fmt: skip
    return numbers.astype(np.int64)


def _coco_numbers(counts: str | bytes) -> Ints:
    """COCO's text: five bits a character from 48 on, the sixth if more follow, the last one's
    fifth the sign; from the third number on they are differences to the last but one."""
    raw = counts.encode("latin-1", "replace") if isinstance(counts, str) else counts
    numbers: list[int] = []
    value, shift = 0, 0
    for byte in raw:
        code = byte - 48
        expect(0 <= code < 64 and shift < 40, "compressed counts of COCO", "another text")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code >> 4 & 1) << shift
            numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
            value, shift = 0, 0
    expect(shift == 0, "compressed counts of COCO", "one that is cut short")
    return _numbers(numbers)

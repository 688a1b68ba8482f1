"""Names of files: which belong together, and when they were taken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from om3d_core.data.poses import NS_PER_S

NUMBER = re.compile(r"\d+\.\d+|\d+")
STAMP_DIGITS = {19: 1, 18: 1, 16: 1_000, 13: 1_000_000}
"""Nanoseconds in a unit of a number of so many digits: since 1970, ns, us and ms."""
MAX_DIGITS = 30
MAX_STAMP_S = 1 << 33

Key = tuple[Any, ...]
"""What tells the frames of a folder apart, equal for the files of one frame: whole numbers,
decimals as Decimal, or the name where it holds no number."""
T = TypeVar("T")


def keyed(
    folder: Path, suffixes: Collection[str], ending: str = "", prefix: str = ""
) -> dict[Key, Path]:
    """The files of a folder by what their names tell apart, ascending.

    Of names of several shapes (letters and punctuation between the numbers) the most frequent
    shape is read; hidden files (``._1.png`` of macOS) are none. Numbers that all names share do
    not count, nor do leading zeros; of two files of one key the first by name stays. ending,
    prefix: of the stems to read, no part of the key.
    """
    if not folder.is_dir():
        return {}
    paths = [
        path for path in sorted(folder.iterdir())
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
        and path.stem.endswith(ending) and path.stem.startswith(prefix)
    ]  # fmt: skip
    stems = {path: path.stem.removesuffix(ending) for path in paths}
    shapes = Counter(NUMBER.sub("#", stem) for stem in stems.values())
    if not shapes:
        return {}
    shape = max(shapes, key=lambda s: (shapes[s], "#" in s))
    if "#" not in shape:
        return {(stem,): path for path, stem in stems.items()}
    chosen = {path: NUMBER.findall(stem) for path, stem in stems.items()
              if NUMBER.sub("#", stem) == shape}  # fmt: skip
    chosen = {p: texts for p, texts in chosen.items() if max(map(len, texts)) <= MAX_DIGITS}
    columns = list(zip(*chosen.values(), strict=True))
    telling = [i for i, texts in enumerate(columns) if len(set(texts)) > 1]
    telling = telling or [len(columns) - 1]
    keys: dict[Key, Path] = {}
    for path, texts in chosen.items():
        keys.setdefault(tuple(_value(texts[i]) for i in telling), path)
    return dict(sorted(keys.items()))


def stamps_of(keys: Iterable[Key], rate_hz: float) -> dict[Key, int]:
    """A stamp in ns for each key: the time that it tells, else its number by the rate.

    Keys that are no single number, or too large a one, are counted from 0.
    """
    keys = list(keys)
    stamps = {key: _stamp(key) for key in keys}
    if keys and all(stamp is not None for stamp in stamps.values()):
        return {key: stamp for key, stamp in stamps.items() if stamp is not None}
    most = int(MAX_STAMP_S * rate_hz)
    single = all(len(key) == 1 and isinstance(key[0], int) and key[0] < most for key in keys)
    numbers = [int(key[0]) if single else i for i, key in enumerate(keys)]
    return {key: round(number * NS_PER_S / rate_hz)
            for key, number in zip(keys, numbers, strict=True)}  # fmt: skip


def are_stamps(keys: Iterable[Key]) -> bool:
    """Whether every key tells a time."""
    stamps = [_stamp(key) for key in keys]
    return bool(stamps) and None not in stamps


def nearest(wanted_ns: Iterable[int], among: Mapping[int, T], slop_ns: int) -> dict[int, T]:
    """For each time the value of the nearest one, where that is within ``slop_ns``.

    No value is given twice: it goes to the time that is nearest to it.
    """
    stamps = np.array(sorted(among), np.int64)
    best: dict[int, tuple[int, int]] = {}
    for stamp in wanted_ns:
        after = int(np.searchsorted(stamps, stamp))
        for found in stamps[max(0, after - 1) : after + 1].tolist():
            gap = abs(found - stamp)
            if gap <= slop_ns and gap < best.get(found, (slop_ns + 1, 0))[0]:
                best[found] = gap, stamp
    chosen: dict[int, tuple[int, int]] = {}
    for found, (gap, stamp) in best.items():
        if gap < chosen.get(stamp, (slop_ns + 1, 0))[0]:
            chosen[stamp] = gap, found
    return {stamp: among[found] for stamp, (_, found) in chosen.items()}


def _value(text: str) -> int | Decimal:
    return Decimal(text) if "." in text else int(text)


def _stamp(key: Key) -> int | None:
    if len(key) != 1:
        return None
    (value,) = key
    if isinstance(value, int):
        value *= STAMP_DIGITS.get(len(str(value)), 0)
        return value if 0 < value < 1 << 63 else None
    if not isinstance(value, Decimal) or value >= MAX_STAMP_S:
        return None
    return int(value * NS_PER_S)

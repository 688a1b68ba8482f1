"""Which frames each block of a fused volume is made of: a bounded number of the nearest.

A block that has its number changes no more, unless a nearer frame comes, so that what was seen
well once stays as it is. The rule looks at each frame and block alone: the order of arrival does
not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int = npt.NDArray[np.int64]
NEAREST_M = 0.5
BITS = 21
HALF = 1 << (BITS - 1)


@dataclass(frozen=True, eq=False)
class SeenBlocks:
    """The blocks that a frame sees: keys (B,), from which octant it sees each, and from which
    octave of distance (both (B,)), 0 up to :data:`NEAREST_M`."""

    keys: Int
    octants: Int
    octaves: Int

    @classmethod
    def of(
        cls, blocks: npt.NDArray[np.int32], position: npt.NDArray[np.float64], block_m: float
    ) -> SeenBlocks:
        """blocks: (B, 3) indices of cubes of side ``block_m``; position (3,) of the camera."""
        away = position - (blocks + 0.5) * block_m
        distance = np.linalg.norm(away, axis=1)
        octaves = np.floor(np.log2(np.maximum(distance / NEAREST_M, 0.5))) + 1
        octants = (away > 0) @ np.array([1, 2, 4])
        return cls(pack(blocks), octants.astype(np.int64), octaves.astype(np.int64))


def pack(blocks: npt.NDArray[np.int32]) -> Int:
    """(B,) one key a block (B, 3) of indices within 2 ** 20 of zero."""
    x, y, z = (blocks.astype(np.int64) + HALF).T
    keys: Int = (x << 2 * BITS) | (y << BITS) | z
    return keys


def unpack(keys: Int) -> npt.NDArray[np.int32]:
    """(B, 3) blocks with these keys."""
    low = (1 << BITS) - 1
    parts = [keys >> 2 * BITS, (keys >> BITS) & low, keys & low]
    return (np.stack(parts, axis=1) - HALF).astype(np.int32)


def choose_frames(
    seen: Mapping[int, SeenBlocks], among: Int, most: int
) -> dict[int, tuple[int, ...]]:
    """For each block in ``among`` that is seen, the ascending stamps of the frames it is made of.

    seen: by stamp. Of each octant the ``most`` nearest by octave are taken, the earliest first.
    """
    among = np.sort(among)
    rows = [] if not len(among) else [
        (np.full(int(here.sum()), stamp), blocks.keys[here], blocks.octants[here],
         blocks.octaves[here])
        for stamp, blocks in seen.items()
        if (here := _within(blocks.keys, among)).any()
    ]
    if not rows:
        return {}
    stamps, keys, octants, octaves = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    order = np.lexsort((stamps, octaves, octants, keys))
    groups = np.stack([keys[order], octants[order]])
    starts = np.flatnonzero(np.diff(groups, axis=1, prepend=groups[:, :1] - 1).any(axis=0))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    chosen = order[place < most]
    chosen = chosen[np.lexsort((stamps[chosen], keys[chosen]))]
    found, first = np.unique(keys[chosen], return_index=True)
    ends = np.append(first[1:], len(chosen))
    used = stamps[chosen].tolist()
    return {
        key: tuple(used[a:b])
        for key, a, b in zip(found.tolist(), first.tolist(), ends.tolist(), strict=True)
    }


@dataclass(frozen=True, eq=False)
class Changes:
    """reset: blocks that begin anew. frames: for each stamp, ascending, the blocks it is fused
    into."""

    reset: Int
    frames: dict[int, Int]


def changes(
    before: Mapping[int, tuple[int, ...]],
    after: Mapping[int, tuple[int, ...]],
    blocks: Iterable[int],
) -> Changes:
    """What to do with ``blocks`` that were made of the frames ``before`` and are of ``after``."""
    reset: list[int] = []
    frames: dict[int, list[int]] = {}
    for block in blocks:
        old, new = before.get(block, ()), after.get(block, ())
        if old == new:
            continue
        missing = new[len(old):]
        if new[: len(old)] != old:
            reset.append(block)
            missing = new
        for stamp in missing:
            frames.setdefault(stamp, []).append(block)
    return Changes(
        np.array(reset, np.int64),
        {stamp: np.array(frames[stamp], np.int64) for stamp in sorted(frames)},
    )


def _within(keys: Int, among: Int) -> npt.NDArray[np.bool_]:
    at = np.minimum(np.searchsorted(among, keys), len(among) - 1)
    result: npt.NDArray[np.bool_] = among[at] == keys
    return result

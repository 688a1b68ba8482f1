"""Which frames a block is made of: the nearest, then the earliest, of each octant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.mapping.block_frames import (
    BITS,
    SeenBlocks,
    changes,
    choose_frames,
    pack,
    unpack,
)

BLOCK_M = 0.08
FAR = (1 << (BITS - 1)) - 1
index = st.integers(-FAR - 1, FAR)


@given(st.lists(st.tuples(index, index, index), min_size=1, max_size=20, unique=True))
@settings(deadline=None)
def test_keys_of_blocks_are_unique_and_go_both_ways(blocks):
    array = np.array(blocks, np.int32)
    keys = pack(array)
    assert len(np.unique(keys)) == len(blocks) and np.array_equal(unpack(keys), array)


@pytest.mark.parametrize(
    ("position", "octant", "octave"),
    [
        ((0.04, 0.04, 0.3), 4, 0), ((0.04, 0.04, 0.9), 4, 1), ((0.04, 0.04, -1.9), 0, 2),
        ((3.0, 0.04, 0.04), 1, 3), ((3.0, -3.0, 3.0), 5, 4),
    ],
)
def test_an_octant_and_an_octave_of_distance(position, octant, octave):
    block = np.zeros((1, 3), np.int32)
    seen = SeenBlocks.of(block, np.array(position), BLOCK_M)
    assert (seen.octants.tolist(), seen.octaves.tolist()) == ([octant], [octave])


# What some frames see, by stamp: (block, octant, octave) each, a block once.
sights = st.dictionaries(
    st.integers(0, 50),
    st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 2), st.integers(0, 2))),
    max_size=12,
)


def seen_of(content):
    return {
        stamp: SeenBlocks(
            np.array(list(blocks), np.int64),
            np.array([octant for octant, _ in blocks.values()], np.int64),
            np.array([octave for _, octave in blocks.values()], np.int64),
        )
        for stamp, blocks in content.items()
    }


@given(sights, st.integers(1, 4), st.sets(st.integers(0, 5), min_size=1))
@settings(deadline=None)
def test_the_nearest_then_the_earliest_of_each_octant(content, most, among):
    wanted = {}
    for block in among:
        chosen = []
        for octant in range(3):
            ranked = sorted(
                (blocks[block][1], stamp) for stamp, blocks in content.items()
                if block in blocks and blocks[block][0] == octant
            )
            chosen += [stamp for _, stamp in ranked[:most]]
        if chosen:
            wanted[block] = tuple(sorted(chosen))
    assert choose_frames(seen_of(content), np.array(sorted(among)), most) == wanted
    back = dict(reversed(content.items()))
    assert choose_frames(seen_of(back), np.array(sorted(among)), most) == wanted


made_of = st.dictionaries(
    st.integers(0, 4), st.sets(st.integers(0, 6), min_size=1).map(lambda s: tuple(sorted(s)))
)


@given(made_of, made_of)
@settings(deadline=None)
def test_changes_lead_from_one_to_the_other_in_the_order_of_stamps(before, after):
    todo = changes(before, after, range(5))
    blocks = {block: list(before.get(block, ())) for block in range(5)}
    for block in todo.reset:
        blocks[int(block)] = []
    assert list(todo.frames) == sorted(todo.frames)
    for stamp, touched in todo.frames.items():
        for block in touched:
            blocks[int(block)].append(stamp)
    assert all(tuple(blocks[b]) == after.get(b, ()) for b in range(5))
    same = changes(after, after, range(5))
    assert not len(same.reset) and not same.frames

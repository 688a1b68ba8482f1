"""What the mapper publishes of its map, by what came since: of real maps, as bytes on the wire."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.doubles import BoxProposer, ColorEncoder
from helpers.small_mapper import SETTINGS
from helpers.worlds import BOXES, tabletop

from om3d_core.mapping.mapper import Mapper
from om3d_ros.bench.map_sizes import FOR_PEOPLE, MapSizes

LATER_NS = 60_000_000_000
WITH_STOOL = {**BOXES, "stool": ((1.2, 0.0, 0.25), (0.3, 0.3, 0.4), (220, 220, 40))}


@pytest.fixture(scope="module")
def sizes():
    """Bytes by topic: of the first map, of another look at the same, of one with a new thing,
    and of all of that.
    """
    rng, sizes = np.random.default_rng(0), MapSizes()
    mapper = Mapper(SETTINGS, BoxProposer(WITH_STOOL), [ColorEncoder()])
    frames, with_stool = (tabletop(48, 160, 120, boxes=boxes) for boxes in (BOXES, WITH_STOOL))

    def refreshed(seen, shift_ns):
        for frame in seen:
            depth = frame.depth + (frame.depth > 0) * rng.normal(0, 1e-3, frame.depth.shape)
            mapper.add_frame(replace(frame, depth=depth.astype(np.float32),
                                     stamp_ns=frame.stamp_ns + shift_ns))
        return sizes.of(mapper.refresh())

    return (
        refreshed(frames[::4], 0), refreshed(frames[::4], LATER_NS),
        refreshed(with_stool[13:16:2], 2 * LATER_NS), MapSizes().of(mapper.refresh()),
    )


def test_another_look_at_the_same_costs_a_hundredth_of_the_whole_map(sizes):
    whole, again, _, _ = sizes
    assert sum(again.values()) <= 0.01 * sum(whole.values())
    assert again["updates"] <= 0.001 * whole["updates"]
    assert not any(again[topic] for topic in FOR_PEOPLE)


def test_a_new_thing_costs_what_changed_around_it(sizes):
    before, _, new, whole = sizes
    assert 0 < new["updates"] < 0.75 * whole["updates"]
    assert new["detections"] == whole["detections"] > before["detections"] > 0
    assert new["instance_cloud"] == whole["instance_cloud"]

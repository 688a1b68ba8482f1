"""What frames see of instances, looked up where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.worlds import look_at
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.data.masks import InstanceMasks
from om3d_core.mapping.keyframes import KeyframeStore
from om3d_core.mapping.pose_cells import KeyframeSettings
from om3d_core.mapping.sightings import Sightings
from om3d_core.mapping.tracking import digests_of
from om3d_core.mapping.visibility import VisibilitySettings, observe, visible_pixels
from om3d_core.progress import Job

CAMERA = Intrinsics(40.0, 45.0, 30.0, 25.0, 64, 48)
POINTS = np.random.default_rng(1).uniform(-2, 2, (3000, 3)).astype(np.float32)
CLOUD = Cloud(POINTS, np.zeros((3000, 3), np.uint8), np.zeros((3000, 3), np.float32))
CELLS = np.floor(POINTS + 2).astype(int) @ [16, 4, 1]
THINGS = [np.flatnonzero(CELLS == cell) for cell in np.unique(CELLS)]
LOOSE = VisibilitySettings(require_front=False, require_depth=False, pixel="truncated")


def frame_at(stamp, eye, target, depth_m):
    pose = look_at(np.array(eye, float), np.array(target, float))
    depth = np.full((48, 64), depth_m, np.float32)
    depth[stamp % 48] = 0.0
    return Frame(np.zeros((48, 64, 3), np.uint8), depth, CAMERA, pose, stamp)


def masks_of(numbers):
    return InstanceMasks.from_lists([THINGS[i] for i in numbers], len(CLOUD))


def assert_seen(found, frames, masks, chosen):
    for observation, frame in zip(found, frames, strict=True):
        pixels = visible_pixels(
            POINTS, frame.depth, CAMERA, frame.map_from_camera, chosen
        )
        expected = observe(pixels, masks, 64, 48)
        assert np.array_equal(observation.pixels, expected.pixels)
        assert np.array_equal(observation.boxes, expected.boxes)


coordinate = st.floats(-3, 3).map(lambda v: round(v, 3))
cameras = st.tuples(
    st.tuples(coordinate, coordinate, coordinate), st.tuples(coordinate, coordinate),
    st.sampled_from([0.3, 1.0, 2.5]),
)
things = st.lists(st.integers(0, len(THINGS) - 1), unique=True, max_size=6)


def update(sightings, store, masks):
    return sightings.update(store, CLOUD, masks, digests_of(CLOUD, masks), Job())


@pytest.mark.parametrize("chosen", [VisibilitySettings(), LOOSE])
@given(steps=st.lists(st.tuples(things, st.lists(cameras, max_size=2)), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_what_is_kept_is_what_would_be_seen_now(chosen, steps):
    sightings, store = Sightings(chosen), KeyframeStore(KeyframeSettings(step_m=0.0))
    for numbers, new in steps:
        for eye, (x, y), depth_m in new:
            target = (eye[0] + 1.0, x, y)
            store.add(frame_at(len(store), eye, target, depth_m))
        masks = masks_of(numbers)
        found = update(sightings, store, masks)
        assert_seen(found, list(store), masks, chosen)


def test_frames_that_look_elsewhere_are_not_looked_at_again():
    """Two cameras back to back; what is new lies before the one."""
    store = KeyframeStore(KeyframeSettings(step_m=0.0))
    store.add(frame_at(0, (0, 0, 0), (1, 0, 0), 1.5))
    store.add(frame_at(1, (0, 0, 0), (-1, 0, 0), 1.5))
    ahead = [i for i, rows in enumerate(THINGS) if POINTS[rows, 0].min() > 0.5]
    behind = [i for i, rows in enumerate(THINGS) if POINTS[rows, 0].max() < -0.5]
    sightings = Sightings(VisibilitySettings())
    update(sightings, store, masks_of(behind))
    assert sightings.looks == 2 * len(behind)
    both = masks_of(behind + ahead)
    found = update(sightings, store, both)
    assert sightings.looks == 2 * len(behind) + len(ahead)
    assert_seen(found, list(store), both, VisibilitySettings())
    update(sightings, store, both)
    assert sightings.looks == 2 * len(behind) + len(ahead)

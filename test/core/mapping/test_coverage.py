"""Which places a frame sees, and which frame is missed least."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.keyframes import make_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.data.keyframe import Keyframe
from om3d_core.mapping.coverage import FAR_M, PLACE_M, Coverage, DepthSample

CAMERA = Intrinsics(300.0, 300.0, 319.5, 239.5, 640, 480)


def places_of(depth, pose=None):
    return DepthSample.of(depth, CAMERA).places(np.eye(4) if pose is None else pose)


def test_a_wall_is_seen_in_cells_of_its_plane():
    wall = np.full((480, 640), 2.25, np.float32)
    width, height = 640 / 300 * 2.25, 480 / 300 * 2.25
    n = len(places_of(wall))
    assert (width / PLACE_M) * (height / PLACE_M) * 0.7 < n <= (width / PLACE_M + 2) * (
        height / PLACE_M + 2)
    along = np.eye(4)
    along[0, 3] = 1000 * PLACE_M
    assert len(places_of(wall, along)) == n
    assert not set(places_of(wall)) & set(places_of(wall, along))


@pytest.mark.parametrize("depth_m", [0.0, FAR_M + 0.1, 200.0])
def test_without_depth_in_reach_nothing_is_seen(depth_m):
    assert not len(places_of(np.full((480, 640), depth_m, np.float32)))


def test_one_stray_pixel_is_no_place():
    depth = np.full((480, 640), 2.25, np.float32)
    clean = places_of(depth)
    depth[240:250, 320:330] = 4.75
    assert np.array_equal(places_of(depth), clean)


@pytest.mark.parametrize("seed", range(5))
def test_a_frame_sees_the_same_before_it_is_encoded_and_after(seed):
    frame = make_frame(seed, width=64, height=48)
    kept = Keyframe.of(frame, 0, 50).frame()
    before, after = (DepthSample.of(f.depth, f.intrinsics) for f in (frame, kept))
    assert np.array_equal(before.units, after.units)
    pose = frame.map_from_camera
    assert len(before.places(pose)) and np.array_equal(before.places(pose), after.places(pose))


seen_by = st.lists(st.frozensets(st.integers(0, 9), max_size=5), min_size=1, max_size=8)


def expected(frames):
    """In the words of the docstring."""
    others = {i: [sum(place in other for other in frames) - 1 for place in seen]
              for i, seen in enumerate(frames)}
    least = {i: min(counts, default=len(frames)) for i, counts in others.items()}
    alone = {i: counts.count(0) for i, counts in others.items()}
    if max(least.values()) > 0:
        best = [i for i in least if least[i] == max(least.values())]
    else:
        best = [i for i in alone if alone[i] == min(alone.values())]
    return max(best), alone[max(best)]


@given(frames=seen_by, gone=st.sets(st.integers(0, 7)))
@settings(max_examples=300, deadline=None)
def test_the_frame_that_others_see_most_goes(frames, gone):
    coverage = Coverage()
    for i, places in enumerate(frames):
        coverage.put(i, np.array(sorted(places), np.int64))
    for i in gone & set(range(len(frames))):
        coverage.remove(i)
        assert i not in coverage
        coverage.put(i, np.array(sorted(frames[i]), np.int64))
    assert coverage.missed_least(lambda i: i) == expected(frames)


def test_many_places_are_held():
    coverage = Coverage()
    for i in range(40):
        coverage.put(i, np.arange(100 * i, 100 * i + 120))
    assert coverage.missed_least(lambda i: -i) == (1, 80)
    for i in range(39):
        coverage.remove(i)
    assert coverage.missed_least(lambda i: i) == (39, 120)
    assert len(coverage._row) == 120


def test_a_sample_of_a_small_image():
    frame = make_frame(width=8, height=6)
    small = replace(frame, depth=np.full((6, 8), 1.0, np.float32))
    assert isinstance(small, Frame)
    assert len(DepthSample.of(small.depth, small.intrinsics).places(np.eye(4)))
    assert not len(DepthSample.empty(small.intrinsics).places(np.eye(4)))

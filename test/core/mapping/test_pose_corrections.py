"""Keyframes follow a localization that corrects itself, each once, whenever they came."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.poses import pose
from helpers.small_mapper import mapper as small_mapper
from helpers.worlds import tabletop

from om3d_core.mapping.pose_corrections import PoseCorrections

JUMPS = pose(2.0, 0.5), pose(-1.0, 1.0)


@pytest.fixture(scope="module")
def frames():
    return tabletop(6)


def where(mapper):
    return dict(zip(*(a.tolist() for a in mapper.keyframe_poses()), strict=True))


def test_each_keyframe_is_moved_by_what_its_pose_did_not_know(frames):
    mapper, corrections = small_mapper(), PoseCorrections()
    assert corrections.add(mapper, frames[0], 0)
    corrections.learn(JUMPS[0])
    corrections.add(mapper, frames[1], 0)
    corrections.add(mapper, frames[2], 1)
    assert corrections.apply(mapper) == 1
    corrections.learn(JUMPS[1])
    corrections.add(mapper, frames[3], 2)
    assert corrections.apply(mapper) == 3 and corrections.apply(mapper) == 0
    both = JUMPS[1] @ JUMPS[0]
    for frame, move in zip(frames, (both, both, JUMPS[1], np.eye(4)), strict=False):
        np.testing.assert_allclose(
            where(mapper)[frame.stamp_ns], move @ frame.map_from_camera, atol=1e-9
        )


def test_a_frame_may_know_of_a_jump_before_this_does(frames):
    mapper, corrections = small_mapper(), PoseCorrections()
    corrections.add(mapper, frames[0], 1)
    corrections.learn(JUMPS[0])
    assert corrections.apply(mapper) == 0


def test_the_map_is_that_of_the_right_poses(frames):
    right, moved, corrections = small_mapper(), small_mapper(), PoseCorrections()
    back = np.linalg.inv(JUMPS[0])
    for frame in frames:
        right.add_frame(frame)
        corrections.add(moved, replace(frame, map_from_camera=back @ frame.map_from_camera), 0)
    moved.refresh()
    corrections.learn(JUMPS[0])
    corrections.apply(moved)
    boxes, expected = moved.refresh().boxes, right.refresh().boxes
    np.testing.assert_allclose(
        [b.center for b in boxes], [b.center for b in expected], atol=1e-3
    )


def test_what_was_loaded_stays(frames):
    mapper, corrections = small_mapper(), PoseCorrections()
    for frame in frames:
        corrections.add(mapper, frame, 0)
    saved = mapper.refresh(), mapper.snapshot()[1]
    corrections.learn(JUMPS[0])
    mapper.load(*saved)
    corrections.forget()
    assert corrections.apply(mapper) == 0

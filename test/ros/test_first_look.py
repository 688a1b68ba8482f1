"""The first keyframes are held against each other once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from helpers.poses import pose
from helpers.worlds import fused, tabletop

from om3d_core.data.masks import InstanceMasks
from om3d_core.data.poses import inverse
from om3d_core.data.scene import Scene
from om3d_core.data.tables import ViewTable
from om3d_core.streams.settings import DepthSettings
from om3d_ros.first_look import ENOUGH, FirstLook

FRAMES = tabletop(ENOUGH + 2, sway_m=0.5)


def inverted(frame):
    return replace(frame, map_from_camera=inverse(frame.map_from_camera))


def shown(frames, encoding=""):
    look = FirstLook(DepthSettings())
    for frame in frames:
        look.take(frame, encoding)
    return look


def test_healthy_keyframes_are_no_complaint():
    look = shown(FRAMES)
    assert not look.complaints and "frames agree" in look.told


def test_inverse_poses_are_told_until_cleared():
    look = shown(map(inverted, FRAMES))
    (text,) = look.complaints.values()
    assert "camera_from_map" in text and "--" not in text
    look.clear()
    assert not look.complaints and look.told == "too few yet"


def test_a_cure_names_the_parameter():
    deep = [replace(frame, depth=frame.depth * 5) for frame in FRAMES]
    (text,) = shown(deep).complaints.values()
    assert "(depth.units_per_m:=5000)" in text
    (text,) = shown(deep, "32FC1").complaints.values()
    assert "(depth.float_units_per_m:=5)" in text


def test_only_the_first_keyframes_are_judged():
    look = shown(FRAMES[:ENOUGH])
    told = look.told
    for frame in map(inverted, FRAMES):
        look.take(frame)
    assert not look.complaints and look.told == told


def test_a_map_of_a_frame_that_was_made_anew_is_told_and_one_of_this_frame_is_not():
    cloud = fused(FRAMES[::3], 0.03)
    floor = cloud.points[:, 2] < 0.05
    masks = InstanceMasks.from_lists(
        [np.flatnonzero(floor), np.flatnonzero(~floor)], len(cloud), structure=[True, False]
    )
    known = replace(Scene.empty(1), cloud=cloud, masks=masks, ids=np.arange(1, 3),
                    labels=("", ""), thumbnails=((), ()), views=ViewTable.empty(2, 1))
    for moved, complains in ((np.eye(4), False), (pose(0.0, 1.5), True), (pose(0.7), True)):
        look = FirstLook(DepthSettings())
        look.clear(known)
        for frame in FRAMES:
            look.take(replace(frame, map_from_camera=moved @ frame.map_from_camera))
        assert any("made anew" in text for text in look.complaints.values()) == complains
    elsewhere = FirstLook(DepthSettings())
    elsewhere.clear(known)
    for frame in FRAMES:
        elsewhere.take(replace(frame, map_from_camera=pose(50.0) @ frame.map_from_camera))
    assert not elsewhere.complaints


def test_few_keyframes_are_not_judged_yet():
    assert shown(map(inverted, FRAMES[: ENOUGH - 1])).told == "too few yet"

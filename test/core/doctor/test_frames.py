"""Samples of frames, and what is said of them beside the cures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from om3d_core.data.poses import inverse
from om3d_core.doctor.agreement import Look
from om3d_core.doctor.cures import Given
from om3d_core.doctor.frames import MOST_FRAMES, TO_FOLDER, TO_STREAM, judge, sample


def judged(frames, given=None, to=TO_FOLDER):
    return judge([Look.of(frame) for frame in frames], given or Given(), to)


def deeper(frames, factor):
    return [replace(frame, depth=frame.depth * np.float32(factor)) for frame in frames]


@pytest.mark.parametrize("length", [0, 1, 2, 23, 24, 25, 240, 241, 5000])
def test_a_sample_is_spread_over_a_recording(length):
    places = sample(length)
    assert len(places) == min(length, MOST_FRAMES) and places == sorted(set(places))
    if length:
        assert places[0] == 0 and places[-1] == length - 1


def test_no_frames_are_no_fault():
    assert judged([]).told == ("no frames to judge",)


def test_a_camera_that_stands_still_shows_little(frames):
    found = judged(frames[:1] * 6)
    assert not found.findings and "hardly moves" in found.told[-1]


def test_one_frame_of_absurd_depth(frames):
    (finding,) = judged(deeper(frames[:1], 0.01)).findings
    assert finding.kind == "depth units" and "below" in finding.said


def test_cameras_too_far_apart(frames):
    spread = []
    for i, frame in enumerate(frames[:3]):
        pose = frame.map_from_camera.copy()
        pose[0, 3] += 1000.0 * i
        spread.append(replace(frame, map_from_camera=pose))
    (finding,) = judged(spread).findings
    assert finding.kind == "pose units"


def test_hardly_any_depth(frames):
    few = []
    for frame in frames:
        depth = np.zeros_like(frame.depth)
        depth[50:56, 50:56] = 2.0
        few.append(replace(frame, depth=depth))
    (finding,) = judged(few).findings
    assert finding.kind == "little depth"


def test_units_are_relative_to_those_given(frames):
    (finding,) = judged(deeper(frames, 0.2), Given(5000.0)).findings
    assert finding.flag == "--depth.units_per_m 1000"


def test_a_stream_has_no_flags_of_folders(frames):
    inverted = [replace(f, map_from_camera=inverse(f.map_from_camera)) for f in frames]
    (finding,) = judged(inverted, to=TO_STREAM).findings
    assert finding.cure and not finding.flag

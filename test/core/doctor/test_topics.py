"""Topics by what came on them: names, stamps, rates, registration."""

from __future__ import annotations

import numpy as np
import pytest

from om3d_core.data.frame import Intrinsics
from om3d_core.doctor.topics import (
    Heard,
    floats_in_millimeters,
    misnamed,
    nearest,
    out_of_step,
    uncovered,
    unregistered,
)

MS = 1_000_000
START = 1_700_000_000_000 * MS


def heard(topic="/color", count=60, period_ms=100, shift_ms=0, frame="optical"):
    return Heard(topic, START + (np.arange(count) * period_ms + shift_ms) * MS, frame)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("color/image_raw", "/camera/color/image_raw"),
        ("/camera/colour/image_raw", "/camera/color/image_raw"),
        ("odometry", "/odom"),
        ("/xyz", ""),
    ],
)
def test_the_nearest_name(name, expected):
    names = ["/camera/color/image_raw", "/camera/depth/image_rect_raw", "/odom", "/tf"]
    assert nearest(name, names) == expected
    assert nearest(name, []) == ""


def test_a_topic_that_is_silent_and_one_that_is_not_there():
    silent, absent, fine = "/depth/image_raw", "/colour/image_raw", "/odom"
    found = misnamed(
        {"depth": silent, "color": absent, "pose": fine},
        {silent: 0, fine: 12, "/color/image_raw": 9},
        {"color": "--bag.color_topic {}"},
        {"color": ["/color/image_raw", "/mono/image"], "depth": [silent]},
    )
    assert [f.said for f in found] == [
        f"nothing comes on {silent}", f"there is no topic {absent}"
    ]
    assert [f.flag for f in found] == ["", "--bag.color_topic /color/image_raw"]


@pytest.mark.parametrize(
    ("shift_ms", "said", "flag"),
    [
        (45, "45 ms later", "--sync.slop_s 0.045"),
        (-33, "33 ms earlier", "--sync.slop_s 0.035"),
        (3_600_000, "3597.1 s later", ""),
    ],
)
def test_an_offset_and_the_slop_that_bridges_it(shift_ms, said, flag):
    depth = heard("/depth", count=40 if shift_ms < 1000 else 60, shift_ms=shift_ms)
    finding = out_of_step(heard(), depth, "depth", 0.02)
    assert finding is not None and finding.flag == flag
    assert f"(depth) are {said} than those of /color" in finding.said


def test_streams_in_step_are_no_fault_nor_is_a_slower_one():
    assert out_of_step(heard(), heard(shift_ms=10), "depth", 0.02) is None
    assert out_of_step(heard(), heard(count=12, period_ms=500), "depth", 0.02) is None
    assert out_of_step(heard(), heard(count=0), "depth", 0.02) is None


def test_poses_of_another_time_and_poses_too_rare():
    late = uncovered(heard(), heard("/odom", shift_ms=60_000), 0.05, 1.0)
    assert late is not None and "60.0 s later" in late.said
    rare = uncovered(heard(), heard("/odom", count=4, period_ms=2000), 0.05, 1.0)
    assert rare is not None and rare.flag == "--pose.max_gap_s 3"
    assert uncovered(heard(), heard("/odom", period_ms=90, count=70), 0.05, 1.0) is None


def test_depth_of_another_camera():
    k, other = Intrinsics(600, 600, 320, 240, 640, 480), Intrinsics(380, 380, 320, 240, 640, 480)
    small = k.resized(320, 240)
    assert unregistered(heard(), k, small, "") is None is unregistered(heard(), k, None, "")
    found = unregistered(heard(), k, other, "--x")
    assert found is not None and "380" in found.evidence and found.flag == "--x"


def test_floating_point_in_other_units():
    depth = np.full((2, 3), 1800, "<f4")
    depth[0, 0] = np.nan
    finding = floats_in_millimeters("32FC1", depth.tobytes() + b"odd", 1.0)
    assert finding is not None and finding.flag == "--depth.float_units_per_m 1000"
    assert floats_in_millimeters("32FC1", depth.tobytes(), 1000.0) is None
    assert floats_in_millimeters("16UC1", depth.tobytes(), 1.0) is None
    assert floats_in_millimeters("32FC1", b"", 1.0) is None


def test_the_rate_of_stamps():
    assert heard().rate_hz == pytest.approx(10)
    assert heard(count=1).rate_hz == 0.0
    assert Heard("/same", np.full(3, START)).rate_hz == 0.0
    assert Heard("/none", np.array([], np.int64)).rate_hz == 0.0


def test_a_rate_is_that_within_the_parts_that_were_read():
    stamps = START + np.array([0, 100, 200, 60_000, 60_100, 60_200]) * MS
    assert Heard("/color", stamps).rate_hz == pytest.approx(5 / 60.2)
    assert Heard("/color", stamps, "", np.repeat([0, 1], 3)).rate_hz == pytest.approx(10.0)

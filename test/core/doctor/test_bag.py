"""Bags spoiled as recorders spoil them."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from helpers.bag_maker import BagMaker

from om3d_core.doctor import bag as doctor_bag
from om3d_core.doctor.scene import examine_scene
from om3d_core.formats.image_fields import ImageFields, encode_image
from om3d_core.settings import build
from om3d_core.sources.settings import SourceSettings
from om3d_core.streams.settings import RecordedStreamSettings

COLOR, DEPTH, INFO, ODOM = "/color/image_raw", "/depth/image_raw", "/color/camera_info", "/odom"
START_NS, STEP_NS = 1_700_000_000_000_000_000, 100_000_000
BASE_FROM_OPTICAL = np.array([[0, 0, 1, 0.1], [-1, 0, 0, 0], [0, -1, 0, 0.2], [0, 0, 0, 1.0]])


def millimeters(frame):
    return encode_image(np.rint(frame.depth * 1000).astype(np.uint16), "16UC1")


def floats(frame):
    h, w = frame.depth.shape
    data = np.frombuffer((frame.depth * 1000).astype("<f4").tobytes(), np.uint8)
    return ImageFields("32FC1", h, w, 4 * w, 0, data)


@pytest.fixture
def recorded(frames, tmp_path):
    """Writes the room as a bag, spoiled."""

    def write(
        depth_shift_ms=0, pose_shift_s=0, child="optical", pose=lambda m: m, depth=millimeters,
        depth_info=None, tf=False, info=INFO, stamped=False,
    ):
        with BagMaker(tmp_path / "bag") as bag:
            for i, frame in enumerate(frames):
                stamp, k = START_NS + i * STEP_NS, frame.intrinsics
                bag.image(COLOR, stamp, encode_image(frame.rgb, "rgb8"))
                bag.image(DEPTH, stamp + depth_shift_ms * 1_000_000, depth(frame))
                bag.info(info, stamp, k.matrix, k.width, k.height)
                if depth_info is not None:
                    bag.info("/depth/camera_info", stamp, depth_info(k), k.width, k.height)
                if stamped:
                    bag.pose_stamped(ODOM, stamp, "map", pose(frame.map_from_camera))
                else:
                    bag.odometry(ODOM, stamp + pose_shift_s * 10**9, ("map", child),
                                 pose(frame.map_from_camera))
                if tf:
                    bag.tf("/tf_static", stamp, [("base_link", "optical", BASE_FROM_OPTICAL)])
        return tmp_path / "bag"

    return write


def kinds(path, **settings):
    given = build(SourceSettings, {f"bag.{k}": v for k, v in settings.items()})
    return {f.kind: f for f in examine_scene(path, given).findings}


def test_a_healthy_bag_has_no_fault(recorded):
    found = examine_scene(recorded())
    assert not found.findings
    assert "/color/image_raw 10.0 Hz" in found.told[0]
    assert found.told[-1].startswith("frames agree")


def test_a_misnamed_topic_is_told_with_the_nearest(recorded):
    (finding,) = kinds(recorded(), depth_topic="/depth/image_rect_raw").values()
    assert (finding.kind, finding.flag) == ("depth topic", "--bag.depth_topic /depth/image_raw")


def test_stamps_40_ms_apart(recorded):
    (finding,) = kinds(recorded(depth_shift_ms=40)).values()
    assert finding.kind == "stamps out of step" and "40 ms later" in finding.said
    assert finding.flag == "--sync.slop_s 0.04"


def test_poses_of_another_clock(recorded):
    (finding,) = kinds(recorded(pose_shift_s=100)).values()
    assert finding.kind == "stamps of poses" and "100.0 s later" in finding.said


def test_odometry_of_the_base_with_its_mount(recorded):
    def of_base(pose):
        return pose @ np.linalg.inv(BASE_FROM_OPTICAL)

    assert not kinds(recorded(child="base_link", pose=of_base, tf=True))


def test_a_camera_info_of_another_namespace_is_told(recorded):
    found = examine_scene(recorded(info="/other/camera_info"))
    assert not found.findings and "that of /other/camera_info" in found.told[-1]


def test_poses_without_a_frame_of_the_base_are_told_with_the_flag_that_mends_it(recorded):
    path = recorded(stamped=True, tf=True, pose=lambda m: m @ np.linalg.inv(BASE_FROM_OPTICAL))
    found = examine_scene(path)
    assert found.findings and "--pose.of_frame" in found.assumed[0]
    of_base = build(RecordedStreamSettings, {"pose.of_frame": "base_link"})
    assert not examine_scene(path, streams=of_base).findings


def test_odometry_of_the_base_with_its_mount_missing(recorded):
    def of_base(pose):
        return pose @ np.linalg.inv(BASE_FROM_OPTICAL)

    found = kinds(recorded(child="base_link", pose=of_base))
    assert "'base_link'" in found["mount"].evidence and "/tf_static" in found["mount"].cure


def test_depth_with_a_camera_info_of_its_own(recorded):
    (finding,) = kinds(recorded(depth_info=lambda k: k.matrix * [[0.6], [0.6], [1]])).values()
    assert finding.kind == "registration" and "its own camera_info" in finding.evidence


def test_floating_point_in_millimeters(recorded):
    (finding,) = kinds(recorded(depth=floats)).values()
    assert finding.kind == "depth units" and "millimeters" in finding.said


def test_inverse_poses_have_no_flag_but_a_cure(recorded):
    (finding,) = kinds(recorded(pose=np.linalg.inv)).values()
    assert (finding.kind, finding.cure, finding.flag) == ("pose inverse", "invert them", "")


def test_a_bag_without_depth(tmp_path, frames):
    with BagMaker(tmp_path / "bag") as bag:
        bag.image(COLOR, START_NS, encode_image(frames[0].rgb, "rgb8"))
    (finding,) = kinds(tmp_path / "bag").values()
    assert finding.kind == "topics" and "no depth topic" in finding.evidence


@pytest.fixture
def half_read(monkeypatch):
    """Makes bags of twice the size that is read."""

    def limit(path):
        size = sum(file.stat().st_size for file in path.glob("*.mcap"))
        monkeypatch.setattr(doctor_bag, "MOST_BYTES", size // 2)
        return path

    return limit


def test_of_a_large_bag_parts_are_read_that_are_spread_over_it(recorded, half_read):
    found = examine_scene(half_read(recorded()))
    assert not found.findings
    assert found.told[0] == "6 parts of 0.1 s, spread over 1 s, are judged"
    assert "/color/image_raw 10.0 Hz" in found.told[1]
    (frames,) = (text for text in found.told if "frames: median depth" in text)
    assert 6 <= int(frames.split()[0]) <= 8


def test_a_fault_at_the_end_of_a_large_bag_is_found(recorded, half_read):
    number = count()

    def ending(frame):
        shown = np.where(next(number) < 5, frame.depth, 0) * 1000
        return encode_image(np.rint(shown).astype(np.uint16), "16UC1")

    path = half_read(recorded(depth=ending))
    assert "little depth" in kinds(path)
    assert not kinds(path, duration_s=0.55)

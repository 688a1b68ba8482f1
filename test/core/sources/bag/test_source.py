"""Bags of other recorders: topics, poses, pairing, and bags made to harm."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backports import zstd
from helpers.bag_maker import OPTICAL, BagMaker
from helpers.bombs import yaml_of_merges
from helpers.recorded_scene import HEIGHT, WIDTH, K, color_of, depth_of, pose_of, write_scene
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import CompressionMode

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import clean_depth
from om3d_core.data.poses import inverse
from om3d_core.errors import SourceError
from om3d_core.formats.cloud_fields import pack_cloud
from om3d_core.formats.image_fields import (
    encode_compressed_color,
    encode_compressed_depth,
    encode_image,
)
from om3d_core.sources.bag import mcap_check
from om3d_core.sources.bag.reader import Topic
from om3d_core.sources.bag.source import RosbagSettings, RosbagSource
from om3d_core.sources.bag.topics import TopicNames, choose_topics
from om3d_core.sources.bag.writer import BagSettings, write_bag
from om3d_core.sources.folder import FolderSource
from om3d_core.sources.open import open_source
from om3d_core.streams.settings import (
    DepthSettings,
    RecordedPoseSettings,
    RecordedStreamSettings,
    SyncSettings,
)

COLOR, DEPTH, INFO = "/cam/color/image_raw", "/cam/depth/image_raw", "/cam/color/camera_info"
STEP_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000


def stamp(number: int) -> int:
    return START_NS + number * STEP_NS


def from_poses(**values: Any) -> RecordedStreamSettings:
    return RecordedStreamSettings(pose=RecordedPoseSettings(**values))


def synced(**values: Any) -> RecordedStreamSettings:
    return RecordedStreamSettings(sync=SyncSettings(**values))


def add_images(bag: BagMaker, numbers: range, depth_delay_ns: int = 0) -> None:
    """Raw color, depth and camera_info of some frames."""
    for number in numbers:
        at = stamp(number)
        bag.info(INFO, at, K, WIDTH, HEIGHT)
        bag.image(COLOR, at, encode_image(color_of(number), "rgb8"))
        bag.image(DEPTH, at + depth_delay_ns, encode_image(depth_of(number), "16UC1"))


def add_odometry(bag: BagMaker, numbers: range) -> None:
    for number in numbers:
        bag.odometry("/odom", stamp(number), ("odom", OPTICAL), pose_of(number))


def check_frames(source: RosbagSource, numbers: range | list[int]) -> None:
    """The frames are those of ``numbers``, with their own poses."""
    frames = list(source)
    assert [frame.stamp_ns for frame in frames] == [stamp(n) for n in numbers]
    assert {frame.camera_frame for frame in frames} <= {OPTICAL}
    for number, frame in zip(numbers, frames, strict=True):
        assert np.array_equal(frame.rgb, color_of(number))
        assert np.array_equal(frame.depth, clean_depth(depth_of(number), 1000.0))
        np.testing.assert_allclose(frame.map_from_camera, pose_of(number), atol=1e-9)


def test_odometry_of_the_camera_itself(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(4))
        add_images(bag, range(4))
    check_frames(RosbagSource(tmp_path / "bag"), range(4))


def test_odometry_of_a_base_with_a_mounted_camera(tmp_path: Path) -> None:
    mount, tilt = pose_of(3), pose_of(9)
    with BagMaker(tmp_path / "bag") as bag:
        links = [("base", "mast", mount), ("mast", OPTICAL, tilt)]
        bag.tf("/tf_static", START_NS, links)
        for n in range(3):
            base = pose_of(n) @ inverse(mount @ tilt)
            bag.odometry("/odom", stamp(n), ("odom", "base"), base)
        add_images(bag, range(3))
    check_frames(RosbagSource(tmp_path / "bag"), range(3))


def test_odometry_of_a_base_without_its_mount_is_refused(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        for n in range(3):
            bag.odometry("/odom", stamp(n), ("odom", "base"), pose_of(n))
        add_images(bag, range(3))
    with pytest.raises(SourceError, match="of 'base', the images of 'optical'.*pose.of_frame"):
        RosbagSource(tmp_path / "bag")
    told = from_poses(of_frame=OPTICAL)
    check_frames(RosbagSource(tmp_path / "bag", streams=told), range(3))


def test_depth_of_a_camera_of_its_own_is_registered_or_refused(tmp_path: Path) -> None:
    beside = np.eye(4)
    beside[0, 3] = 0.05

    def record(name: str, told: bool) -> Path:
        with BagMaker(tmp_path / name) as bag:
            add_odometry(bag, range(2))
            if told:
                bag.tf("/tf_static", START_NS, [(OPTICAL, "infrared", beside)])
                bag.info(f"{DEPTH.rpartition('/')[0]}/camera_info", START_NS, K, WIDTH, HEIGHT)
            for n in range(2):
                bag.info(INFO, stamp(n), K, WIDTH, HEIGHT)
                bag.image(COLOR, stamp(n), encode_image(color_of(n), "rgb8"))
                depth = np.full((HEIGHT, WIDTH), 2000, np.uint16)
                bag.image(DEPTH, stamp(n), encode_image(depth, "16UC1"), frame="infrared")
        return tmp_path / name

    with pytest.raises(SourceError, match="camera_info.* and tf between.*depth.camera to color"):
        RosbagSource(record("silent", False))
    as_it_is = RecordedStreamSettings(depth=DepthSettings(camera="color"))
    assert next(iter(RosbagSource(tmp_path / "silent", streams=as_it_is))).depth.all()
    frames = list(RosbagSource(record("told", True)))
    shift = round(0.05 / 2.0 * K[0, 0])
    assert len(frames) == 2 and shift > 0
    for frame in frames:
        assert not frame.depth[:, :shift].any()
        np.testing.assert_allclose(frame.depth[:, shift:], 2.0, atol=1e-6)


def test_tf_chain_beats_drifting_odometry(tmp_path: Path) -> None:
    correction, mount = pose_of(4), pose_of(7)
    with BagMaker(tmp_path / "bag") as bag:
        bag.tf("/tf_static", START_NS, [("base", OPTICAL, mount)])
        for n in range(3):
            odom_from_base = inverse(correction) @ pose_of(n) @ inverse(mount)
            links = [("map", "odom", correction), ("odom", "base", odom_from_base)]
            bag.tf("/tf", stamp(n), links)
            bag.odometry("/odom", stamp(n), ("odom", "base"), odom_from_base)
        add_images(bag, range(3))
    check_frames(RosbagSource(tmp_path / "bag"), range(3))
    drifting = RosbagSource(tmp_path / "bag", streams=from_poses(source="odometry"))
    expected = inverse(correction) @ pose_of(0)
    np.testing.assert_allclose(next(iter(drifting)).map_from_camera, expected, atol=1e-9)
    by_topic = RosbagSource(tmp_path / "bag", RosbagSettings(pose_topic="/odom"))
    np.testing.assert_allclose(next(iter(by_topic)).map_from_camera, expected, atol=1e-9)


def test_pose_stamped_interpolated_at_the_image(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag", "SQLITE3") as bag:
        for n in (0, 1):
            matrix = np.eye(4)
            matrix[0, 3] = n
            bag.pose_stamped("/pose", START_NS + n * 4 * STEP_NS, "world", matrix)
        add_images(bag, range(6))
    source = RosbagSource(tmp_path / "bag", streams=from_poses(tolerance_s=0.05))
    assert [f.map_from_camera[0, 3] for f in source] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert source.skipped.reasons == {"pose missing": 1}


def test_frames_without_a_pose_are_counted(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(2, 4))
        add_images(bag, range(8))
    source = RosbagSource(tmp_path / "bag")
    check_frames(source, [2, 3])
    assert len(source) == 8 and source.skipped.reasons == {"pose missing": 6}


def test_nan_poses_are_as_if_they_had_not_come(tmp_path: Path) -> None:
    bad = pose_of(1)
    bad[0, 3] = np.nan
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(1))
        bag.odometry("/odom", stamp(1), ("odom", OPTICAL), bad)
        add_odometry(bag, range(2, 4))
        add_images(bag, range(4))
    frames = list(RosbagSource(tmp_path / "bag"))
    assert len(frames) == 4
    middle = (pose_of(0)[:3, 3] + pose_of(2)[:3, 3]) / 2
    np.testing.assert_allclose(frames[1].map_from_camera[:3, 3], middle, atol=1e-9)


def test_compressed_images(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(3))
        for n in range(3):
            bag.info(INFO, stamp(n), K, WIDTH, HEIGHT)
            color = encode_compressed_color(color_of(n), "png")
            depth = encode_compressed_depth(depth_of(n))
            bag.compressed(f"{COLOR}/compressed", stamp(n), *color)
            bag.compressed(f"{DEPTH}/compressedDepth", stamp(n), *depth)
    check_frames(RosbagSource(tmp_path / "bag"), range(3))


def test_depth_in_meters_and_bgr(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(2))
        for n in range(2):
            bag.info(INFO, stamp(n), K, WIDTH, HEIGHT)
            bgr = np.ascontiguousarray(color_of(n)[..., ::-1])
            bag.image(COLOR, stamp(n), encode_image(bgr, "bgr8"))
            meters = clean_depth(depth_of(n), 1000.0)
            meters[meters == 0] = np.nan
            bag.image(DEPTH, stamp(n), encode_image(meters, "32FC1"))
    check_frames(RosbagSource(tmp_path / "bag"), range(2))


def test_pairs_within_the_slop_only(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(9))
        add_images(bag, range(3), depth_delay_ns=15_000_000)
        add_images(bag, range(3, 5), depth_delay_ns=30_000_000)
        bag.image(COLOR, stamp(5), encode_image(color_of(5), "rgb8"))
        bag.image(DEPTH, stamp(6), encode_image(depth_of(6), "16UC1"))
    source = RosbagSource(tmp_path / "bag")
    check_frames(source, range(3))
    assert source.skipped.reasons == {"depth missing": 3}
    check_frames(RosbagSource(tmp_path / "bag", streams=synced(slop_s=0.04)), range(5))


def test_recorded_out_of_order_still_ascends(tmp_path: Path) -> None:
    order = [2, 0, 3, 1, 4]
    with BagMaker(tmp_path / "bag") as bag:
        bag.info(INFO, START_NS, K, WIDTH, HEIGHT)
        add_odometry(bag, range(5))
        for place, n in enumerate(order):
            color = encode_image(color_of(n), "rgb8")
            bag.image(COLOR, stamp(n), color, recorded_ns=stamp(place))
        for place, n in enumerate(reversed(order)):
            depth = encode_image(depth_of(n), "16UC1")
            bag.image(DEPTH, stamp(n), depth, recorded_ns=stamp(place) + 5)
    check_frames(RosbagSource(tmp_path / "bag"), range(5))


def test_far_out_of_order_is_given_up_not_hoarded(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        bag.info(INFO, START_NS, K, WIDTH, HEIGHT)
        add_odometry(bag, range(8))
        for n in range(8):
            bag.image(COLOR, stamp(n), encode_image(color_of(n), "rgb8"))
        for n in range(8):
            late = stamp(n) + 10 * STEP_NS
            bag.image(DEPTH, stamp(n), encode_image(depth_of(n), "16UC1"), recorded_ns=late)
    source = RosbagSource(tmp_path / "bag", streams=synced(capacity=4))
    check_frames(source, range(4, 8))
    assert source.skipped.reasons == {"recorded out of order": 4}


def test_bad_frames_among_good_ones(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(12))
        add_images(bag, range(3))
        good_color, good_depth = (
            encode_image(color_of(0), "rgb8"),
            encode_image(depth_of(0), "16UC1"),
        )
        pairs = [
            (good_color._replace(encoding="yuv777"), good_depth),
            (good_color._replace(width=5000), good_depth),
            (good_color, good_depth._replace(step=1)),
            (good_color, encode_image(color_of(0), "rgb8")),
            (good_color, encode_image(depth_of(0)[::2, ::2].copy(), "16UC1")),
            (encode_image(color_of(0)[::2].copy(), "rgb8"), good_depth),
        ]
        for n, (color, depth) in enumerate(pairs, start=3):
            bag.image(COLOR, stamp(n), color)
            bag.image(DEPTH, stamp(n), depth)
        bag.put_raw(COLOR, stamp(9), b"\x00\x01\x00\x00garbage", "sensor_msgs/msg/Image")
        add_images(bag, range(10, 12))
    source = RosbagSource(tmp_path / "bag")
    check_frames(source, [0, 1, 2, 10, 11])
    assert source.skipped.reasons == {
        "color unreadable": 3,
        "depth unreadable": 2,
        "size differs": 2,
    }
    check_frames(source, [0, 1, 2, 10, 11])
    assert source.skipped.total == 7


def test_step_takes_every_other_image(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(6))
        add_images(bag, range(6))
    source = RosbagSource(tmp_path / "bag", RosbagSettings(step=2))
    assert len(source) == 3
    check_frames(source, [0, 2, 4])


def test_a_few_frames_are_picked_and_places_beyond_are_passed_over(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(1, 6))
        add_images(bag, range(6))
    source = RosbagSource(tmp_path / "bag")
    assert [f.stamp_ns for f in source.pick([1, 3, 5])] == [stamp(2), stamp(4)]
    assert list(source.pick([])) == [] and source.plan.lost == {"pose missing": 1}


def test_the_beginning_of_a_bag_is_read(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        for number in range(6):
            add_odometry(bag, range(number, number + 1))
            add_images(bag, range(number, number + 1))
    check_frames(RosbagSource(tmp_path / "bag", RosbagSettings(duration_s=0.25)), range(3))


def test_larger_color_is_resized_to_depth(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(1))
        bag.info(INFO, stamp(0), np.diag([2.0, 2.0, 1.0]) @ K, 2 * WIDTH, 2 * HEIGHT)
        large = np.kron(color_of(0), np.ones((2, 2, 1), np.uint8))
        bag.image(COLOR, stamp(0), encode_image(large, "rgb8"))
        bag.image(DEPTH, stamp(0), encode_image(depth_of(0), "16UC1"))
    source = RosbagSource(tmp_path / "bag")
    check_frames(source, range(1))
    assert next(iter(source)).intrinsics.fx == pytest.approx(K[0, 0])


def test_cloud_is_moved_into_the_frame_of_the_poses(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(9, 3)).astype(np.float32)
    cloud = Cloud(points, np.zeros((9, 3), np.uint8), np.tile(np.float32([0, 0, 1]), (9, 1)))
    packed = pack_cloud(cloud, normals=True)

    def put_cloud(bag: BagMaker, frame: str) -> None:
        fields = [
            bag.make("sensor_msgs/msg/PointField", f.name, f.offset, f.datatype, 1)
            for f in packed.fields
        ]
        data = np.frombuffer(packed.data, np.uint8)
        step = packed.point_step
        message = bag.make(
            "sensor_msgs/msg/PointCloud2", bag.header(START_NS, frame),
            1, 9, fields, False, step, step * 9, data, True,
        )  # fmt: skip
        bag.put("/cloud_map", START_NS, message)

    for name, frame in (("same", "odom"), ("moved", "site"), ("lost", "moon")):
        with BagMaker(tmp_path / name) as bag:
            add_odometry(bag, range(1))
            bag.tf("/tf_static", START_NS, [("odom", "site", pose_of(2))])
            add_images(bag, range(1))
            put_cloud(bag, frame)
    same = RosbagSource(tmp_path / "same").cloud()
    moved = RosbagSource(tmp_path / "moved").cloud()
    assert same is not None and np.array_equal(same.points, points)
    assert moved is not None
    expected = points @ pose_of(2)[:3, :3].T + pose_of(2)[:3, 3]
    np.testing.assert_allclose(moved.points, expected, atol=1e-5)
    np.testing.assert_allclose(moved.normals[0], pose_of(2)[:3, 2], atol=1e-6)
    with pytest.raises(SourceError, match="moon"):
        RosbagSource(tmp_path / "lost").cloud()


def topics(*names_types: tuple[str, str]) -> list[Topic]:
    return [Topic(name, f"sensor_msgs/msg/{kind}", 5) for name, kind in names_types]


def test_topics_of_a_realsense_are_told_apart() -> None:
    chosen = choose_topics(
        topics(
            ("/camera/aligned_depth_to_color/camera_info", "CameraInfo"),
            ("/camera/aligned_depth_to_color/image_raw", "Image"),
            ("/camera/aligned_depth_to_color/image_raw/compressedDepth", "CompressedImage"),
            ("/camera/color/camera_info", "CameraInfo"),
            ("/camera/color/image_raw", "Image"),
            ("/camera/color/image_raw/compressed", "CompressedImage"),
            ("/camera/color/image_raw/compressedDepth", "CompressedImage"),
            ("/camera/depth/camera_info", "CameraInfo"),
            ("/camera/depth/image_rect_raw", "Image"),
            ("/camera/depth/image_rect_raw/compressed", "CompressedImage"),
            ("/camera/depth/color/points", "PointCloud2"),
            ("/camera/infra1/image_rect_raw", "Image"),
            ("/rtabmap/cloud_map", "PointCloud2"),
        ),
        TopicNames(),
    )
    assert chosen == TopicNames(
        "/camera/color/image_raw",
        "/camera/aligned_depth_to_color/image_raw",
        "/camera/color/camera_info",
        "",
        "/rtabmap/cloud_map",
        "/camera/aligned_depth_to_color/camera_info",
    )


def test_only_one_of_each_needs_no_telling_name() -> None:
    kinds = topics(("/image", "Image"), ("/depth", "Image"), ("/info", "CameraInfo"))
    assert choose_topics(kinds, TopicNames())[:3] == ("/image", "/depth", "/info")


def test_two_cameras_need_a_choice() -> None:
    both = topics(
        ("/left/color", "Image"), ("/right/color", "Image"), ("/d/depth", "Image"),
        ("/left/camera_info", "CameraInfo"), ("/right/camera_info", "CameraInfo"),
    )  # fmt: skip
    with pytest.raises(SourceError, match=r"set --bag\.color_topic to one of /left/color"):
        choose_topics(both, TopicNames())
    chosen = choose_topics(both, TopicNames(color="/right/color"))
    assert chosen.info == "/right/camera_info"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (TopicNames(color="/nope"), "color_topic '/nope'.*the topics are.*/image"),
        (TopicNames(depth="/info"), "depth_topic '/info'"),
        (TopicNames(cloud="/image"), "cloud_topic"),
        (TopicNames(pose="/image"), "pose_topic"),
    ],
)
def test_wrong_topic_lists_what_there_is(given: TopicNames, message: str) -> None:
    kinds = topics(("/image", "Image"), ("/depth", "Image"), ("/info", "CameraInfo"))
    with pytest.raises(SourceError, match=message):
        choose_topics(kinds, given)


def test_missing_topic_lists_what_there_is(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        bag.info("/only/camera_info", START_NS, K, WIDTH, HEIGHT)
    with pytest.raises(SourceError, match="no color topic.*/only/camera_info"):
        RosbagSource(tmp_path / "bag")


def test_no_poses_names_the_frames_of_tf(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        bag.tf("/tf", START_NS, [("world", "robot", pose_of(0))])
        add_images(bag, range(2))
    with pytest.raises(SourceError, match="no poses.*robot, world"):
        RosbagSource(tmp_path / "bag")
    with pytest.raises(SourceError, match="does not connect map_frame 'map'.*robot, world"):
        RosbagSource(tmp_path / "bag", streams=from_poses(source="tf"))
    with pytest.raises(SourceError, match="no pose topic"):
        RosbagSource(tmp_path / "bag", streams=from_poses(source="odometry"))


def test_uncalibrated_camera_is_refused(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(1))
        bag.info(INFO, START_NS, np.zeros((3, 3)), WIDTH, HEIGHT)
        bag.image(COLOR, START_NS, encode_image(color_of(0), "rgb8"))
        bag.image(DEPTH, START_NS, encode_image(depth_of(0), "16UC1"))
    with pytest.raises(SourceError, match="calibration"):
        RosbagSource(tmp_path / "bag")


@pytest.mark.parametrize("mode", [CompressionMode.MESSAGE, CompressionMode.STORAGE])
def test_compressed_storage_is_read(tmp_path: Path, mode: CompressionMode) -> None:
    with BagMaker(tmp_path / "bag", compression=mode) as bag:
        add_odometry(bag, range(3))
        add_images(bag, range(3))
    check_frames(RosbagSource(tmp_path / "bag"), range(3))


def test_files_compressed_as_a_whole_are_read(tmp_path: Path) -> None:
    with BagMaker(tmp_path / "bag", "SQLITE3", CompressionMode.FILE) as bag:
        add_odometry(bag, range(2))
        add_images(bag, range(2))
    check_frames(RosbagSource(tmp_path / "bag"), range(2))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of a good bag in each storage, by suffix."""
    folder = tmp_path_factory.mktemp("whole")
    source = FolderSource(write_scene(folder / "scene", (0, 1, 2)))
    write_bag(source, folder / "k.mcap")
    write_bag(source, folder / "k.db3", BagSettings(storage="sqlite3"))
    with BagMaker(folder / "z", compression=CompressionMode.STORAGE) as bag:
        add_odometry(bag, range(3))
        add_images(bag, range(3))
    return {
        ".mcap": (folder / "k.mcap").read_bytes(),
        ".db3": (folder / "k.db3").read_bytes(),
        ".zstd.mcap": (folder / "z/z.mcap").read_bytes(),
    }


def read_all(path: Path) -> int:
    """Read all there is; the number of frames."""
    source = open_source(path)
    source.cloud()
    return sum(1 for _ in source)


def test_mcap_truncated_anywhere_is_refused(whole: dict[str, bytes], tmp_path: Path) -> None:
    data, path = whole[".mcap"], tmp_path / "t.mcap"
    cuts = [0, 1, 7, 8, 9, 17, 100, len(data) // 2, *(len(data) - n for n in (1, 8, 9, 37, 500))]
    for cut in cuts:
        path.write_bytes(data[:cut])
        with pytest.raises(SourceError, match=r"t\.mcap"):
            read_all(path)


def test_garbage_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for suffix in (".mcap", ".db3"):
        for head in (b"", b"\x89MCAP0\r\n", b"SQLite format 3\x00"):
            path = tmp_path / f"g{suffix}"
            path.write_bytes(head + rng.bytes(5000))
            with pytest.raises(SourceError):
                read_all(path)


@pytest.mark.parametrize("suffix", [".mcap", ".db3", ".zstd.mcap"])
def test_mutated_bags_give_frames_or_a_source_error(
    whole: dict[str, bytes], tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"m{suffix}"
    refused = 0
    slowest = 0.0

    @given(st.randoms(use_true_random=False), st.integers(1, 20))
    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def mutate(rng: random.Random, changes: int) -> None:
        nonlocal refused, slowest
        data = bytearray(whole[suffix])
        for _ in range(changes):
            at = rng.choice(
                [rng.randrange(len(data)), rng.randrange(max(1, len(data) - 3000), len(data))]
            )
            data[at] = rng.choice([0, 1, 127, 255, rng.randrange(256)])
        path.write_bytes(data)
        start = time.monotonic()
        try:
            assert 0 <= read_all(path) <= 3
        except SourceError:
            refused += 1
        slowest = max(slowest, time.monotonic() - start)

    mutate()
    assert refused > 0
    assert slowest < 5.0


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<BQ", kind, len(body)) + body


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode()


def mcap(*records: bytes) -> bytes:
    """An MCAP file without a summary."""
    head = record(0x01, text("ros2") + text("test"))
    footer = record(0x02, bytes(20))
    return b"\x89MCAP0\r\n" + head + b"".join(records) + footer + b"\x89MCAP0\r\n"


def channel(qos: str) -> bytes:
    metadata = text("offered_qos_profiles") + text(qos)
    body = struct.pack("<HH", 1, 1) + text("/topic") + text("cdr")
    return record(0x04, body + struct.pack("<I", len(metadata)) + metadata)


def chunk(stored: bytes, declared: int, compression: str) -> bytes:
    body = struct.pack("<QQQI", 0, 0, declared, 0) + text(compression)
    return record(0x06, body + struct.pack("<Q", len(stored)) + stored)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: mcap(chunk(zstd.compress(bytes(10**8)), 100, "zstd")), "declares 100 bytes"),
        (lambda: mcap(chunk(b"", 2**40, "zstd")), "at most"),
        (lambda: mcap(chunk(b"x", 2**63, "")), "at most"),
        (lambda: mcap(chunk(b"x", 5, "")), "declares 5 bytes"),
        (lambda: mcap(chunk(b"junk", 5, "zstd")), "not readable"),
        (lambda: mcap(chunk(b"not lz4 data", 5, "lz4")), "not readable"),
        (lambda: mcap(chunk(b"junk", 5, "bz2")), "not readable"),
        (lambda: mcap(record(0x06, b"short")), "no chunk"),
        (lambda: mcap(channel("[" * 5000)), "at most 64 deep"),
        (lambda: mcap(channel("a: &a [1]\nb: *a")), "an alias"),
        (lambda: mcap(channel("-\n" * 10_001)), "at most 20000 values"),
        (lambda: mcap(*(channel("-\n" * n) for n in range(7000, 7004))), "at most 20000 values"),
        (lambda: mcap(chunk(channel("{" * 99), len(channel("{" * 99)), "")), "at most 64 deep"),
        (lambda: mcap(chunk(zstd.compress(channel("{" * 99)), len(channel("{" * 99)), "zstd")),
         "at most 64 deep"),
        (lambda: mcap(record(0x04, b"[" * 500)), "damaged"),
        (lambda: mcap(record(0x04, bytes(10**6))), "1000000 bytes"),
        (lambda: mcap(struct.pack("<BQ", 5, 2**62)), "truncated"),
        (lambda: mcap(struct.pack("<BQ", 5, 2**64 - 1)), "truncated"),
    ],
)
def test_mcap_that_lies_about_sizes(
    tmp_path: Path, content: Callable[[], bytes], message: str
) -> None:
    path = tmp_path / "lie.mcap"
    path.write_bytes(content())
    start = time.monotonic()
    with pytest.raises(SourceError, match=message):
        RosbagSource(path)
    assert time.monotonic() - start < 5.0


def test_bomb_is_not_inflated_beyond_what_is_declared() -> None:
    bomb = zstd.compress(bytes(10**8))
    assert len(mcap_check.inflate(bomb, "zstd", 1000)) == 1001


def test_index_that_names_a_chunk_elsewhere_is_refused(
    whole: dict[str, bytes], tmp_path: Path
) -> None:
    data = bytearray(whole[".mcap"])
    chunks = sorted(mcap_check.check_mcap(write(tmp_path / "a.mcap", data)))
    place = data.rindex(struct.pack("<QQ", chunks[0].offset, len_of(data, chunks[0].offset)))
    data[place : place + 8] = struct.pack("<Q", chunks[0].offset + 1)
    with pytest.raises(SourceError, match="the index names a chunk"):
        RosbagSource(write(tmp_path / "b.mcap", data))


def len_of(data: bytes | bytearray, offset: int) -> int:
    (length,) = struct.unpack_from("<Q", data, offset + 1)
    return int(length) + 9


def write(path: Path, data: bytes | bytearray) -> Path:
    path.write_bytes(data)
    return path


BAG_YAML = "rosbag2_bagfile_information:\n  relative_file_paths: {}\n  compression_mode: {}\n"


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "[1, 2",
        "rosbag2_bagfile_information: 3",
        "!!python/object/apply:os.system ['touch pwned']",
        "[" * 5000,
        BAG_YAML.format("[]", "''"),
        BAG_YAML.format("[a.zip]", "''"),
        BAG_YAML.format("[missing.mcap]", "''"),
        BAG_YAML.format("[../../etc/passwd.mcap]", "''"),
        BAG_YAML.format("[k.mcap.zstd]", "FILE"),
        BAG_YAML.format("[k.mcap]", "[1]"),
        BAG_YAML.format("[k.mcap]", "''"),
        "x" * 2_000_000,
        yaml_of_merges(12) + BAG_YAML.format("[k.mcap]", "''"),
        BAG_YAML.format("[k.mcap]", "''") + "  files: [" + "{}," * 20_000 + "]",
    ],
)
def test_bad_metadata_is_refused(
    whole: dict[str, bytes], tmp_path: Path, metadata: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k.mcap").write_bytes(whole[".mcap"])
    (tmp_path / "metadata.yaml").write_text(metadata)
    start = time.monotonic()
    with pytest.raises(SourceError):
        open_source(tmp_path)
    assert time.monotonic() - start < 1.0
    assert not (tmp_path / "pwned").exists()


def test_no_bag_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.bag").write_bytes(b"#ROSBAG V2.0")
    (tmp_path / "dir.mcap").mkdir()
    (tmp_path / "zero.mcap").symlink_to("/dev/zero")
    for name in ("a.bag", "none.mcap", "none", "dir.mcap", "zero.mcap"):
        with pytest.raises(SourceError):
            RosbagSource(tmp_path / name)


def test_lying_messages_are_skipped(tmp_path: Path) -> None:
    """Lengths inside of messages that are not there."""
    fields: Any = encode_image(color_of(0), "rgb8")
    with BagMaker(tmp_path / "bag") as bag:
        add_odometry(bag, range(5))
        add_images(bag, range(3))
        header = bag.header(stamp(3), OPTICAL)
        image = bag.make("sensor_msgs/msg/Image", header, *fields[1:3], "rgb8", 0, 96, fields.data)
        raw = bytearray(bag.types.serialize_cdr(image, image.__msgtype__))
        size = raw.index(struct.pack("<I", len(fields.data)))
        raw[size : size + 4] = struct.pack("<I", 2**32 - 1)
        bag.put_raw(COLOR, stamp(3), bytes(raw), image.__msgtype__)
        bag.put_raw("/tf", stamp(3), b"\x00\x01\x00\x00" + b"\xff" * 40, "tf2_msgs/msg/TFMessage")
        bag.put_raw("/odom", stamp(3), b"", "nav_msgs/msg/Odometry")
    source = RosbagSource(tmp_path / "bag")
    check_frames(source, range(3))
    assert source.skipped.reasons == {"color unreadable": 1}

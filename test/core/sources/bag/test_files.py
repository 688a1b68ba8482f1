"""Bags as they lie around: without metadata, split, compressed as a whole, of ROS 1."""

from __future__ import annotations

import numpy as np
import pytest
from backports import zstd
from helpers.bag_maker import OPTICAL, BagMaker
from helpers.recorded_scene import HEIGHT, WIDTH, K, color_of, depth_of, pose_of
from helpers.ros1_bag import write_ros1

from om3d_core.data.frame import clean_depth
from om3d_core.doctor.bag import examine_bag
from om3d_core.errors import SourceError
from om3d_core.formats.image_fields import encode_image
from om3d_core.sources.bag import files
from om3d_core.sources.bag.source import RosbagSource
from om3d_core.sources.open import open_source

STEP_NS = 100_000_000
TIME = 1_700_000_000_000_000_000
COLOR, DEPTH, INFO = "/cam/color/image_raw", "/cam/depth/image_raw", "/cam/color/camera_info"


def write(path, numbers, storage="MCAP", odometry=("/odom",)):
    with BagMaker(path, storage) as bag:
        for n in numbers:
            at = TIME + n * STEP_NS
            for topic in odometry:
                bag.odometry(topic, at, ("odom", OPTICAL), pose_of(n))
            bag.info(INFO, at, K, WIDTH, HEIGHT)
            bag.image(COLOR, at, encode_image(color_of(n), "rgb8"))
            bag.image(DEPTH, at, encode_image(depth_of(n), "16UC1"))
    return path


def check(source, numbers):
    frames = list(source)
    assert [frame.stamp_ns for frame in frames] == [TIME + n * STEP_NS for n in numbers]
    for n, frame in zip(numbers, frames, strict=True):
        assert np.array_equal(frame.rgb, color_of(n))
        assert np.array_equal(frame.depth, clean_depth(depth_of(n), 1000.0))
        np.testing.assert_allclose(frame.map_from_camera, pose_of(n), atol=1e-9)


@pytest.mark.parametrize(("storage", "suffix"), [("MCAP", ".mcap"), ("SQLITE3", ".db3")])
@pytest.mark.parametrize("packed", ["", ".zstd"])
def test_a_split_bag_without_metadata_is_read_in_order(tmp_path, storage, suffix, packed):
    bag = tmp_path / "bag"
    bag.mkdir()
    for part, numbers in ((10, range(4, 6)), (9, range(2, 4)), (0, range(2))):
        name = f"b_{part}{suffix}"
        (made,) = write(tmp_path / str(part), numbers, storage).glob(f"*{suffix}")
        content = made.read_bytes()
        (bag / f"{name}{packed}").write_bytes(zstd.compress(content) if packed else content)
    source = open_source(bag)
    assert isinstance(source, RosbagSource) and len(source) == 6
    check(source, range(6))


def test_what_unpacks_to_too_much_or_is_damaged_is_refused(tmp_path, monkeypatch):
    (made,) = write(tmp_path / "bag", range(2)).glob("*.mcap")
    path = tmp_path / "a.mcap.zst"
    path.write_bytes(zstd.compress(made.read_bytes())[:-9])
    with pytest.raises(SourceError, match=r"a\.mcap\.zst: cannot be unpacked"):
        open_source(path)
    monkeypatch.setattr(files, "UNPACKED_SLACK_BYTES", 1 << 16)
    path.write_bytes(zstd.compress(bytes(1 << 24)))
    with pytest.raises(SourceError, match="unpacks to more than"):
        open_source(path)


def test_a_folder_without_a_bag_is_none(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert not files.is_bag(tmp_path) and not files.is_bag(tmp_path / "none.mcap")
    with pytest.raises(SourceError, match=r"metadata.yaml or .*files, found none"):
        files.storage_files(tmp_path)
    (tmp_path / "a.mcap").write_text("")
    assert files.is_bag(tmp_path)
    (tmp_path / "color").mkdir()
    assert not files.is_bag(tmp_path)


@pytest.mark.parametrize("compression", [None, "BZ2", "LZ4"])
def test_a_bag_of_ros_1_is_read(tmp_path, compression):
    path = write_ros1(tmp_path / "a.bag", range(3), compression)
    check(open_source(path), range(3))
    assert examine_bag(path).told


def test_a_bag_of_ros_1_cut_short_or_lying_is_refused(tmp_path):
    path = write_ros1(tmp_path / "a.bag", range(2), "BZ2")
    content = path.read_bytes()
    for length in range(0, len(content) - 1, len(content) // 60):
        path.write_bytes(content[:length])
        with pytest.raises(SourceError, match=r"a\.bag"):
            list(open_source(path))
    at = content.index(b"size=") + 5
    path.write_bytes(content[:at] + b"\xff\xff\xff\x7f" + content[at + 4:])
    with pytest.raises(SourceError, match="at most 536870912"):
        open_source(path)
    path.write_bytes(content[:at] + b"\x10\0\0\0" + content[at + 4:])
    with pytest.raises(SourceError, match="holds another number"):
        open_source(path)


def test_two_odometries_are_named_with_the_flag(tmp_path):
    bag = write(tmp_path / "bag", range(2), odometry=("/odom", "/vio"))
    with pytest.raises(SourceError, match=r"set --bag\.pose_topic to one of /odom, /vio"):
        open_source(bag)

"""Writing bags: the same frames come back, and nothing is left half done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.recorded_scene import NUMBERS, K, write_ply, write_scene
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.errors import CanceledError, SourceError
from om3d_core.progress import Job
from om3d_core.sources.bag.source import RosbagSource
from om3d_core.sources.bag.writer import BagSettings, write_bag
from om3d_core.sources.base import Source
from om3d_core.sources.folder import FolderSettings, FolderSource
from om3d_core.sources.open import open_source
from om3d_core.streams.settings import (
    DepthSettings,
    RecordedPoseSettings,
    RecordedStreamSettings,
)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    scene = write_scene(tmp_path / "scene")
    write_ply(scene / "scene.ply")
    return scene


def assert_same(left: Source, right: Source, exact_color: bool = True) -> None:
    frames, others = list(left), list(right)
    assert len(frames) == len(others) > 0
    for frame, other in zip(frames, others, strict=True):
        assert_same_frame(frame, other, exact_color)


def assert_same_frame(frame: Frame, other: Frame, exact_color: bool) -> None:
    assert frame.stamp_ns == other.stamp_ns
    assert frame.intrinsics == other.intrinsics
    assert np.array_equal(frame.depth, other.depth)
    np.testing.assert_allclose(frame.map_from_camera, other.map_from_camera, atol=1e-9, rtol=0)
    assert not exact_color or np.array_equal(frame.rgb, other.rgb)


@pytest.mark.parametrize("name", ["k.mcap", "folder", "folder.v1", "k.db3"])
@pytest.mark.parametrize("pose_source", ["tf", "odometry"])
def test_bag_gives_the_frames_of_its_folder(scene: Path, name: str, pose_source: str) -> None:
    source = FolderSource(scene, FolderSettings(rate_hz=7.0))
    out = scene.parent / "new" / name
    storage = "sqlite3" if name.endswith("db3") else "mcap"
    assert write_bag(source, out, BagSettings(storage=storage)) == len(NUMBERS)
    assert out.is_dir() == name.startswith("folder")
    assert list(out.parent.iterdir()) == [out]
    bag = RosbagSource(
        out, streams=RecordedStreamSettings(pose=RecordedPoseSettings(source=pose_source))
    )
    assert len(bag) == len(NUMBERS)
    assert_same(source, bag)
    assert bag.skipped.total == 0


def test_sqlite3_folder_gives_the_frames_of_its_folder(scene: Path) -> None:
    out = scene.parent / "bag"
    write_bag(FolderSource(scene), out, BagSettings(storage="sqlite3"))
    assert (out / "bag.db3").is_file()
    assert_same(FolderSource(scene), open_source(out))


@pytest.mark.parametrize("images", ["png", "jpeg"])
def test_compressed_images(scene: Path, images: str) -> None:
    out = scene.parent / "k.mcap"
    write_bag(FolderSource(scene), out, BagSettings(images=images))
    assert_same(FolderSource(scene), open_source(out), exact_color=images == "png")


def test_depth_of_another_scale_stays_exact(scene: Path) -> None:
    source = FolderSource(
        scene, streams=RecordedStreamSettings(depth=DepthSettings(units_per_m=6553.5))
    )
    write_bag(source, scene.parent / "k.mcap")
    assert_same(source, open_source(scene.parent / "k.mcap"))


def test_cloud_comes_back(scene: Path) -> None:
    source = FolderSource(scene)
    write_bag(source, scene.parent / "k.mcap")
    written, read = source.cloud(), open_source(scene.parent / "k.mcap").cloud()
    assert written is not None and read is not None
    assert np.array_equal(written.points, read.points)
    assert np.array_equal(written.colors, read.colors)
    write_bag(source, scene.parent / "without.mcap", BagSettings(cloud=False))
    assert open_source(scene.parent / "without.mcap").cloud() is None


def test_topics_types_and_latching(scene: Path) -> None:
    out = scene.parent / "bag"
    write_bag(FolderSource(scene), out)
    with AnyReader([out]) as reader:
        found = {link.topic: link for link in reader.connections}
        infos = list(reader.messages([found["/color/camera_info"]]))
        info = reader.deserialize(infos[0][2], found["/color/camera_info"].msgtype)
    assert {topic: link.msgtype for topic, link in found.items()} == {
        "/color/image_raw": "sensor_msgs/msg/Image",
        "/depth/image_raw": "sensor_msgs/msg/Image",
        "/color/camera_info": "sensor_msgs/msg/CameraInfo",
        "/odometry": "nav_msgs/msg/Odometry",
        "/tf": "tf2_msgs/msg/TFMessage",
        "/cloud_map": "sensor_msgs/msg/PointCloud2",
    }
    for topic, link in found.items():
        latched = link.ext.offered_qos_profiles[0].durability == QosDurability.TRANSIENT_LOCAL
        assert latched == (topic == "/cloud_map")
    assert np.array_equal(info.k, K.reshape(-1))
    assert np.array_equal(info.p.reshape(3, 4)[:, :3], K)
    assert info.header.frame_id == "camera_color_optical_frame"


def test_nothing_is_overwritten(scene: Path) -> None:
    out = scene.parent / "k.mcap"
    out.write_text("precious")
    with pytest.raises(SourceError, match="exists already"):
        write_bag(FolderSource(scene), out)
    assert out.read_text() == "precious"


@pytest.mark.parametrize(("name", "storage"), [("k.db3", "mcap"), ("k.mcap", "sqlite3")])
def test_name_of_another_storage_is_refused(scene: Path, name: str, storage: str) -> None:
    with pytest.raises(SourceError, match="ends in"):
        write_bag(FolderSource(scene), scene.parent / name, BagSettings(storage=storage))


def test_unwritable_place_is_a_source_error(scene: Path) -> None:
    (scene.parent / "file").write_text("x")
    with pytest.raises(SourceError, match="cannot be written"):
        write_bag(FolderSource(scene), scene.parent / "file" / "k.mcap")


def test_cancel_leaves_nothing(scene: Path) -> None:
    reports: list[tuple[str, int, int]] = []
    job = Job(lambda *report: reports.append(report), lambda: len(reports) == 2)
    folder = scene.parent / "new"
    with pytest.raises(CanceledError):
        write_bag(FolderSource(scene), folder / "k.mcap", job=job)
    assert reports == [("bag", 1, len(NUMBERS)), ("bag", 2, len(NUMBERS))]
    assert list(folder.iterdir()) == []


def test_source_without_a_usable_frame(scene: Path) -> None:
    for pose in (scene / "pose").iterdir():
        pose.write_text("nan " * 16)
    folder = scene.parent / "new"
    with pytest.raises(SourceError, match="6 pose invalid"):
        write_bag(FolderSource(scene), folder / "bag")
    assert list(folder.iterdir()) == []


def test_failing_cloud_leaves_nothing(scene: Path) -> None:
    class Broken(FolderSource):
        def cloud(self) -> Cloud | None:
            raise SourceError("no cloud today")

    folder = scene.parent / "new"
    with pytest.raises(SourceError, match="today"):
        write_bag(Broken(scene), folder / "bag")
    assert list(folder.iterdir()) == []

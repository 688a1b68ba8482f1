"""Recorded ROS 2 bags (MCAP and sqlite3) as a source of Frames, without a ROS installation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame, Intrinsics
from om3d_core.data.poses import NS_PER_S, nearest_rigid
from om3d_core.errors import InputError, SourceError
from om3d_core.formats.cloud_fields import unpack_cloud
from om3d_core.formats.image_fields import (
    compressed_depth_size,
    decode_color,
    decode_compressed_color,
    decode_compressed_depth,
    decode_depth,
)
from om3d_core.formats.image_files import resize_color
from om3d_core.settings import Settings, setting
from om3d_core.sources.bag.poses import PoseRecorder, stamp_of
from om3d_core.sources.bag.reader import BagReader
from om3d_core.sources.bag.topics import ODOMETRY, TF, TopicNames, choose_topics
from om3d_core.sources.base import SkipCount
from om3d_core.streams.pairing import pair_stamps

MAX_PENDING = 128


@dataclass(frozen=True)
class RosbagSettings(Settings):
    """How a bag is read; an empty topic is found by type and name."""

    color_topic: str = setting("", "color images, raw or compressed")
    depth_topic: str = setting("", "depth images registered to color, raw or compressed")
    info_topic: str = setting("", "camera_info of the color images")
    pose_topic: str = setting("", "Odometry or PoseStamped")
    cloud_topic: str = setting("", "PointCloud2 of the reconstruction")
    pose_source: str = setting(
        "auto",
        "where poses come from; auto: tf where it connects map and camera, else the pose topic",
        choices=("auto", "tf", "odometry", "pose"),
    )
    map_frame: str = setting("map", "fixed frame that tf poses are in")
    sync_slop_s: float = setting(
        0.02, "largest difference of color and depth stamps in seconds", low=0.0, high=10.0
    )
    pose_tolerance_s: float = setting(
        0.05, "how far beyond the recorded poses they still hold, in seconds", low=0.0, high=10.0
    )
    pose_gap_s: float = setting(
        1.0, "longest pause between two poses that is bridged, in seconds", low=0.0, high=3600.0
    )
    depth_units_per_m: float = setting(
        1000.0, "units per meter of 16-bit depth images", low=1e-3, high=1e6
    )
    step: int = setting(1, "use every step-th color image", low=1)


@dataclass
class _Recording:
    """What one pass over a bag leaves: stamps in order of recording, -1 where unreadable."""

    color_ns: list[int] = field(default_factory=list)
    depth_ns: list[int] = field(default_factory=list)
    depth_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    intrinsics: Counter[Intrinsics] = field(default_factory=Counter)
    camera_frame: str = ""


class RosbagSource:
    """A rosbag2 folder, or a single .mcap or .db3 file.

    Frames are stamped by their color image, with the pose at that moment, and have the size of
    the depth images, to which color is resized. Images are taken as rectified. Raises SourceError
    for what is no bag, is damaged, or lacks a topic, then naming the topics that there are.
    """

    def __init__(self, path: Path, settings: RosbagSettings | None = None) -> None:
        self._path = Path(path)
        self._settings = settings or RosbagSettings()
        self.skipped = SkipCount()
        chosen = self._settings
        recorder = PoseRecorder(
            chosen.map_frame, _ns(chosen.pose_tolerance_s), _ns(chosen.pose_gap_s)
        )
        with closing(BagReader(self._path)) as reader:
            try:
                self._topics = self._choose(reader)
                recording = self._record(reader, recorder)
                by_topic = bool(chosen.pose_topic) and chosen.pose_source == "auto"
                source = "pose" if by_topic else chosen.pose_source
                self._poses = recorder.lookup(source, recording.camera_frame)
            except SourceError as error:
                raise SourceError(f"{self._path}: {error}") from error
        if not recording.intrinsics:
            raise SourceError(f"{self._path}: no usable calibration on {self._topics.info}")
        self._intrinsics = recording.intrinsics.most_common(1)[0][0]
        self._depth_size = next(iter(recording.depth_sizes.most_common(1)), ((0, 0), 0))[0]
        self._recorder = recorder
        self._plan(recording)

    def __len__(self) -> int:
        return self._listed

    def __iter__(self) -> Iterator[Frame]:
        self.skipped.reasons.clear()
        self.skipped.reasons.update(self._lost)
        pairs = [((self._topics.color, i), (self._topics.depth, j)) for i, j, _ in self._pairs]
        wanted = {key for pair in pairs for key in pair}
        pending: dict[tuple[str, int], Any] = {}
        seen: Counter[str] = Counter()
        at = 0
        with closing(BagReader(self._path)) as reader:
            for message in reader.messages({self._topics.color, self._topics.depth}):
                key = (message.topic, seen[message.topic])
                seen[message.topic] += 1
                if key in wanted:
                    pending[key] = message.body
                while at < len(pairs) and all(key in pending for key in pairs[at]):
                    color, depth = (pending.pop(key) for key in pairs[at])
                    yield from self._usable(color, depth, self._pairs[at][2])
                    at += 1
                while len(pending) > MAX_PENDING and at < len(pairs):
                    self.skipped.add("recorded out of order")
                    for key in pairs[at]:
                        pending.pop(key, None)
                        wanted.discard(key)
                    at += 1
        if at < len(pairs):
            raise SourceError(f"{self._path}: the bag changed while it was read")

    def cloud(self) -> Cloud | None:
        """The last cloud of the cloud topic, in the frame of the poses, or None without one."""
        if not self._topics.cloud:
            return None
        with closing(BagReader(self._path)) as reader:
            last = None
            for message in reader.messages({self._topics.cloud}):
                last = message.body or last
        if last is None:
            raise SourceError(f"{self._path}: no readable cloud on {self._topics.cloud}")
        try:
            cloud = unpack_cloud(
                last.fields,
                last.point_step,
                last.row_step,
                last.width,
                last.height,
                last.is_bigendian,
                last.data,
            )
            return self._in_map(cloud, last.header)
        except InputError as error:
            raise SourceError(f"{self._path}: {self._topics.cloud}: {error}") from error

    def _choose(self, reader: BagReader) -> TopicNames:
        chosen = self._settings
        given = TopicNames(
            chosen.color_topic,
            chosen.depth_topic,
            chosen.info_topic,
            chosen.pose_topic,
            chosen.cloud_topic,
        )
        return choose_topics(reader.topics, given, chosen.pose_source)

    def _record(self, reader: BagReader, recorder: PoseRecorder) -> _Recording:
        recording = _Recording()
        types = {topic.name: topic.msgtype for topic in reader.topics}
        transforms = {name for name, msgtype in types.items() if msgtype == TF}
        topics = self._topics
        used = {topics.color, topics.depth, topics.info} | transforms
        for topic, body in reader.messages(used | ({topics.pose} if topics.pose else set())):
            if topic == topics.color:
                recording.color_ns.append(-1 if body is None else stamp_of(body.header))
                if body is not None and not recording.camera_frame:
                    recording.camera_frame = body.header.frame_id
            elif topic == topics.depth:
                recording.depth_ns.append(-1 if body is None else stamp_of(body.header))
                recording.depth_sizes.update(_size(body))
            elif body is None:
                continue
            elif topic in transforms:
                recorder.add_tf(body, fixed=topic.endswith("tf_static"))
            elif topic == topics.info:
                recording.intrinsics.update(_intrinsics(body))
            elif types[topic] == ODOMETRY:
                recorder.add_pose(body.header, body.child_frame_id, body.pose.pose)
            else:
                recorder.add_pose(body.header, "", body.pose)
        return recording

    def _plan(self, recording: _Recording) -> None:
        """Decide which color image goes with which depth image, and count what goes with none."""
        stamps = recording.color_ns
        good = [i for i, stamp in enumerate(stamps) if stamp >= 0]
        depths = [j for j, stamp in enumerate(recording.depth_ns) if stamp >= 0]
        pairs = pair_stamps(
            [stamps[i] for i in good],
            [recording.depth_ns[j] for j in depths],
            _ns(self._settings.sync_slop_s),
        )
        partner = {good[i]: depths[j] for i, j in pairs}
        order = sorted(range(len(stamps)), key=lambda i: (stamps[i], i))[:: self._settings.step]
        self._listed = len(order)
        self._pairs = [(i, partner[i], stamps[i]) for i in order if i in partner]
        self._lost: Counter[str] = Counter()
        for i in order:
            if i not in partner:
                reason = "depth missing" if stamps[i] >= 0 else "color unreadable"
                self._lost[reason] += 1

    def _usable(self, color: Any, depth: Any, stamp_ns: int) -> Iterator[Frame]:
        frame = self._read(color, depth, stamp_ns)
        if isinstance(frame, str):
            self.skipped.add(frame)
        else:
            yield frame

    def _read(self, color: Any, depth: Any, stamp_ns: int) -> Frame | str:
        """The frame of two messages, or the reason why there is none."""
        pose = self._poses.at(stamp_ns)
        if pose is None:
            return "pose missing"
        try:
            rgb = _color(color)
        except InputError:
            return "color unreadable"
        try:
            depth_m = _depth(depth, self._settings.depth_units_per_m)
        except InputError:
            return "depth unreadable"
        intrinsics, size = self._intrinsics, self._depth_size
        color_size = (intrinsics.width, intrinsics.height)
        if rgb.shape[1::-1] != color_size or depth_m.shape[::-1] != size:
            return "size differs"
        if color_size != size:
            rgb, intrinsics = resize_color(rgb, *size), intrinsics.resized(*size)
        try:
            return Frame(rgb, depth_m, intrinsics, nearest_rigid(pose), stamp_ns)
        except InputError:
            return "pose invalid"

    def _in_map(self, cloud: Cloud, header: Any) -> Cloud:
        """The cloud moved into the frame of the poses."""
        name, frame = header.frame_id.lstrip("/"), self._recorder.frame
        if name in {"", frame}:
            return cloud
        move = self._recorder.tree.lookup(frame, name, stamp_of(header))
        if move is None:
            raise InputError(f"expected a transform from {name!r} to {frame!r}, got none in time")
        points = cloud.points.astype(np.float64) @ move[:3, :3].T + move[:3, 3]
        normals = cloud.normals.astype(np.float64) @ move[:3, :3].T
        return Cloud(points.astype(np.float32), cloud.colors, normals.astype(np.float32))


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def _intrinsics(info: Any) -> list[Intrinsics]:
    """The calibration of a CameraInfo, or nothing where the camera is not calibrated."""
    try:
        return [Intrinsics.from_matrix(np.reshape(info.k, (3, 3)), info.width, info.height)]
    except InputError:
        return []


def _size(depth: Any) -> list[tuple[int, int]]:
    """Width and height of a depth message, or nothing where it has none."""
    if not hasattr(depth, "format"):
        return [] if depth is None else [(depth.width, depth.height)]
    try:
        return [compressed_depth_size(depth.data)]
    except InputError:
        return []


def _color(message: Any) -> npt.NDArray[np.uint8]:
    if hasattr(message, "format"):
        return decode_compressed_color(message.format, message.data)
    return decode_color(*_image_fields(message))


def _depth(message: Any, units_per_m: float) -> npt.NDArray[np.float32]:
    if hasattr(message, "format"):
        return decode_compressed_depth(message.format, message.data, units_per_m)
    return decode_depth(*_image_fields(message), units_per_m)


def _image_fields(message: Any) -> tuple[str, int, int, int, int, npt.NDArray[np.uint8]]:
    return (
        message.encoding,
        message.height,
        message.width,
        message.step,
        message.is_bigendian,
        message.data,
    )

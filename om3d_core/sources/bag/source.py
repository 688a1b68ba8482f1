"""Recorded bags of ROS 2 (MCAP, sqlite3) and ROS 1 as a source of Frames, without ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_core.data.poses import nearest_rigid
from om3d_core.errors import InputError, RegistrationError, SourceError
from om3d_core.formats.calibration import Calibration
from om3d_core.formats.cloud_fields import unpack_cloud
from om3d_core.formats.registration import register
from om3d_core.settings import Settings, setting
from om3d_core.sources.bag.excerpt import Excerpt
from om3d_core.sources.bag.files import STORAGES, is_bag
from om3d_core.sources.bag.images import color_of, depth_of, depth_size_of
from om3d_core.sources.bag.plan import UNREADABLE, Plan, collect, plan_frames
from om3d_core.sources.bag.poses import CameraPoses, PoseRecorder, stamp_of
from om3d_core.sources.bag.reader import BagReader
from om3d_core.sources.bag.topics import (
    ODOMETRY,
    POSE_WITH_COVARIANCE,
    TF,
    TopicNames,
    choose_topics,
    rivals,
)
from om3d_core.sources.base import SkipCount
from om3d_core.streams.assembler import Posed
from om3d_core.streams.pose_lookup import NotYet
from om3d_core.streams.settings import RecordedStreamSettings


@dataclass(frozen=True)
class RosbagSettings(Settings):
    """How a bag is read; an empty topic is found by type and name."""

    color_topic: str = setting("", "color images, raw or compressed")
    depth_topic: str = setting("", "depth images, raw or compressed")
    info_topic: str = setting("", "camera_info of the color images")
    depth_info_topic: str = setting("", "camera_info of depth that is not registered to color")
    pose_topic: str = setting("", "Odometry or PoseStamped")
    cloud_topic: str = setting("", "PointCloud2 of the reconstruction")
    step: int = setting(1, "use every step-th color image", low=1)
    duration_s: float = setting(
        0.0, "seconds of the recording that are read, from its first message; 0: all", low=0.0,
        high=1e6,
    )


@dataclass
class _Recording:
    """What one pass over a bag leaves: stamps in order of recording, or ``UNREADABLE``."""

    color_ns: list[int] = field(default_factory=list)
    depth_ns: list[int] = field(default_factory=list)
    depth_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    calibrations: Counter[Calibration] = field(default_factory=Counter)
    depth_calibrations: Counter[Calibration] = field(default_factory=Counter)
    camera_frame: str = ""
    depth_frame: str = ""
    no_calibration: str = "no messages"


class RosbagSource:
    """A rosbag2 folder, or a single .mcap, .db3 or ROS 1 .bag file.

    Frames are stamped by their color image, with the pose at that moment, and have the size of
    the depth images, to which color is resized, without the distortion of the lens. Depth of a
    camera of its own is registered to color. excerpt: what is read instead of the settings'
    ``duration_s``. Raises SourceError for what is no bag, is damaged, or
    lacks a topic, then naming the topics that there are.
    """

    layout = f"a rosbag2 folder, or a {', '.join(STORAGES[:-1])} or ROS 1 {STORAGES[-1]} file"

    @staticmethod
    def recognizes(path: Path) -> bool:
        """Whether there is a folder of a bag's files, or a file with a bag's suffix."""
        return is_bag(path)

    def __init__(
        self,
        path: Path,
        settings: RosbagSettings | None = None,
        streams: RecordedStreamSettings | None = None,
        excerpt: Excerpt | None = None,
    ) -> None:
        self._path = Path(path)
        self._settings = settings or RosbagSettings()
        self._excerpt = excerpt or Excerpt(self._settings.duration_s)
        self._streams = streams or RecordedStreamSettings()
        self.skipped = SkipCount()
        pose = self._streams.pose
        recorder = PoseRecorder(self._streams.map_frame, pose.tolerance_ns, pose.max_gap_ns)
        with closing(BagReader(self._path)) as reader:
            try:
                self._topics = self._choose(reader)
                recording = self._record(reader, recorder)
                by_topic = bool(self._settings.pose_topic) and pose.source == "auto"
                source = "pose" if by_topic else pose.source
                poses = self._poses(reader, recorder, source, recording.camera_frame)
            except SourceError as error:
                raise type(error)(f"{self._path}: {error}") from error
        if not recording.calibrations:
            raise SourceError(
                f"{self._path}: no usable calibration on {self._topics.info}: "
                f"{recording.no_calibration} (lens.images)"
            )
        self._calibration = recording.calibrations.most_common(1)[0][0]
        self._depth_size = next(iter(recording.depth_sizes.most_common(1)), ((0, 0), 0))[0]
        self._recorder = recorder
        self._depth_calibration = self._own_camera_of_depth(recording)
        self._plan = plan_frames(
            recording.color_ns, recording.depth_ns, self._streams.sync, poses, self._settings.step
        )

    def __len__(self) -> int:
        return self._plan.listed

    def __iter__(self) -> Iterator[Frame]:
        self.skipped.clear()
        self.skipped.reasons.update(self._plan.lost)
        yield from self._frames(self._plan.frames)

    def pick(self, places: Iterable[int]) -> Iterator[Frame]:
        """Only the frames at these places among those of :attr:`plan`, in ascending order; places
        beyond are passed over."""
        self.skipped.clear()
        frames = self._plan.frames
        yield from self._frames([frames[place] for place in places if place < len(frames)])

    @property
    def plan(self) -> Plan:
        """Which color images become frames, and why the others do not."""
        return self._plan

    @property
    def topics(self) -> TopicNames:
        """The topics that are read."""
        return self._topics

    def _frames(self, frames: Sequence[Posed[int]]) -> Iterator[Frame]:
        if not frames:
            return
        topics, done = (self._topics.color, self._topics.depth), 0
        with closing(BagReader(self._path)) as reader:
            messages = (
                (topics.index(m.topic), m.body)
                for m in reader.messages(set(topics), self._excerpt)
            )
            for posed, bodies in collect(frames, messages, self._streams.sync.capacity):
                done += 1
                if bodies is None:
                    self.skipped.add("recorded out of order")
                else:
                    yield from self._usable(posed, *bodies)
        if done < len(frames):
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
            cloud.check_density()
            return self._in_map(cloud, last.header)
        except InputError as error:
            raise SourceError(f"{self._path}: {self._topics.cloud}: {error}") from error

    def _poses(
        self, reader: BagReader, recorder: PoseRecorder, source: str, camera_frame: str
    ) -> CameraPoses:
        try:
            return recorder.lookup(source, camera_frame)
        except SourceError as error:
            several = [] if self._topics.pose else rivals(reader.topics)
            if not several:
                raise
            raise type(error)(
                f"{error}; several topics tell poses: set --bag.pose_topic to one of"
                f" {', '.join(several)}"
            ) from error

    def _choose(self, reader: BagReader) -> TopicNames:
        chosen = self._settings
        given = TopicNames(
            chosen.color_topic,
            chosen.depth_topic,
            chosen.info_topic,
            chosen.pose_topic,
            chosen.cloud_topic,
            chosen.depth_info_topic,
        )
        return choose_topics(reader.topics, given, self._streams.pose.source)

    def _record(self, reader: BagReader, recorder: PoseRecorder) -> _Recording:
        recording = _Recording()
        types = {topic.name: topic.msgtype for topic in reader.topics}
        transforms = {name for name, msgtype in types.items() if msgtype == TF}
        topics = self._topics
        rectified = self._streams.lens.are_rectified(topics.color)
        used = {topics.color, topics.depth, topics.info, topics.pose, topics.depth_info}
        used = (used | transforms) - {""}
        for topic, body in reader.messages(used, self._excerpt):
            if topic == topics.color:
                recording.color_ns.append(UNREADABLE if body is None else stamp_of(body.header))
                if body is not None and not recording.camera_frame:
                    recording.camera_frame = body.header.frame_id
            elif topic == topics.depth:
                recording.depth_ns.append(UNREADABLE if body is None else stamp_of(body.header))
                recording.depth_sizes.update(depth_size_of(body))
                if body is not None and not recording.depth_frame:
                    recording.depth_frame = body.header.frame_id
            elif body is None:
                continue
            elif topic in transforms:
                recorder.add_tf(body, fixed=topic.endswith("tf_static"))
            elif topic == topics.info:
                try:
                    recording.calibrations[Calibration.of_info(body, rectified)] += 1
                except InputError as error:
                    recording.no_calibration = str(error)
            elif topic == topics.depth_info:
                with suppress(InputError):
                    recording.depth_calibrations[Calibration.of_info(body, rectified)] += 1
            elif types[topic] == ODOMETRY:
                of_frame = self._streams.pose.of_frame or body.child_frame_id
                recorder.add_pose(body.header, of_frame, body.pose.pose)
            elif types[topic] == POSE_WITH_COVARIANCE:
                recorder.add_pose(body.header, self._streams.pose.of_frame, body.pose.pose)
            else:
                recorder.add_pose(body.header, self._streams.pose.of_frame, body.pose)
        return recording

    def _own_camera_of_depth(self, recording: _Recording) -> Calibration | None:
        """The calibration of depth that is not registered to color, None where it is.

        Raises SourceError where what registers it is not in the bag.
        """
        frames = recording.camera_frame, recording.depth_frame
        if not self._streams.depth.has_own_camera(*reversed(frames)):
            return None
        lacking = []
        if not recording.depth_calibrations:
            lacking.append("its camera_info (--bag.depth_info_topic)")
        if not self._recorder.tree.connected(*frames):
            lacking.append("tf between the two")
        if lacking:
            raise RegistrationError(
                f"{self._path}: depth on {self._topics.depth} is in the frame {frames[1]!r}, color"
                f" in {frames[0]!r}: expected depth registered to color, or"
                f" {' and '.join(lacking)}; set --depth.camera to color if it is registered"
            )
        return recording.depth_calibrations.most_common(1)[0][0]

    def _usable(self, posed: Posed[int], color: Any, depth: Any) -> Iterator[Frame]:
        frame = self._read(posed, color, depth)
        if isinstance(frame, str):
            self.skipped.add(frame)
        else:
            yield frame

    def _read(self, posed: Posed[int], color: Any, depth: Any) -> Frame | str:
        """The frame of two messages, or the reason why there is none."""
        try:
            rgb = color_of(color)
        except InputError:
            return "color unreadable"
        try:
            depth_m = depth_of(depth, self._streams.depth)
        except InputError:
            return "depth unreadable"
        if depth_m.shape[::-1] != self._depth_size:
            return "size differs"
        try:
            if self._depth_calibration is None:
                rgb, depth_m, intrinsics = self._calibration.rectified(rgb, depth_m)
            else:
                names = color.header.frame_id, depth.header.frame_id
                move = self._recorder.tree.lookup(*names, posed.stamp_ns)
                if move is None or isinstance(move, NotYet):
                    return "transform of depth missing"
                own = self._depth_calibration
                rgb, depth_m, intrinsics = register(rgb, self._calibration, depth_m, own, move)
        except InputError:
            return "size differs"
        try:
            pose = nearest_rigid(posed.map_from_camera)
            camera_frame = color.header.frame_id
            return Frame(rgb, depth_m, intrinsics, pose, posed.stamp_ns, camera_frame)
        except InputError:
            return "pose invalid"

    def _in_map(self, cloud: Cloud, header: Any) -> Cloud:
        """The cloud moved into the frame of the poses."""
        name, frame = header.frame_id.lstrip("/"), self._recorder.frame
        if name in {"", frame}:
            return cloud
        move = self._recorder.tree.lookup(frame, name, stamp_of(header))
        if move is None or isinstance(move, NotYet):
            raise InputError(f"expected a transform from {name!r} to {frame!r}, got none in time")
        points = cloud.points.astype(np.float64) @ move[:3, :3].T + move[:3, 3]
        normals = cloud.normals.astype(np.float64) @ move[:3, :3].T
        return Cloud(points.astype(np.float32), cloud.colors, normals.astype(np.float32))

"""What is wrong with the topics that a mapper would listen to, by listening for some seconds."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from om3d_core.data.frame import Intrinsics
from om3d_core.doctor.agreement import Look
from om3d_core.doctor.cures import Given
from om3d_core.doctor.findings import Examination, Finding
from om3d_core.doctor.frames import MOST_FRAMES, TO_STREAM, judge
from om3d_core.doctor.topics import (
    ALIGN,
    Heard,
    floats_in_millimeters,
    misnamed,
    out_of_step,
    rates,
    unregistered,
)
from om3d_core.errors import Om3dError, reason_of
from om3d_core.formats.calibration import Calibration
from om3d_ros.conversions import images
from om3d_ros.conversions.poses import POSE_TOPICS
from om3d_ros.conversions.stamps import stamp_ns
from om3d_ros.mapper_cameras import Cameras
from om3d_ros.mapper_streams import CAMERA_TOPICS, topic_of
from om3d_ros.node import qos
from om3d_ros.node.inputs import WATCH_PERIOD_S, Input
from om3d_ros.node.process import RCLError, RCLInvalidROSArgsError
from om3d_ros.node.settings import TRANSPORTS, MapperNodeSettings

SPIN_S = 0.02
MOST_LOST = 0.8
BESIDE = "camera_info beside depth"


def examine_live(
    settings: MapperNodeSettings, seconds: float, ros_arguments: Sequence[str] = ()
) -> Examination:
    """Listen as a mapper of these settings would, and say what is wrong.

    ros_arguments: as of a node, such as ``-r color/image_raw:=/camera/image`` and ``-r
    __ns:=/robot``; raises Om3dError for what is none.
    """
    context = Context()
    try:
        rclpy.init(args=["--ros-args", *ros_arguments], context=context)
    except (RCLError, RCLInvalidROSArgsError) as error:
        raise Om3dError(f"--ros-args: {reason_of(error)}") from error
    node = rclpy.create_node("om3d_doctor", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        ears = [
            _Ear(node, replace(settings, cameras=name), seconds / MOST_FRAMES)
            for name in settings.camera_names
        ]
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            executor.spin_once(min(SPIN_S, left))
            for ear in ears:
                ear.attend()
        return sum((ear.examination() for ear in ears), Examination())
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


class _Ear:
    """The subscriptions of a mapper of one camera, and what came on them; a frame is kept every
    ``period_s``."""

    def __init__(self, node: Node, settings: MapperNodeSettings, period_s: float):
        self._node, self._settings, self._period_s = node, settings, period_s
        self._stamps: dict[str, list[int]] = defaultdict(list)
        self._frames: dict[str, str] = {}
        self._infos: dict[str, Intrinsics] = {}
        self._looks: list[Look] = []
        self._depth: Image | CompressedImage | None = None
        self._refused: list[str] = []
        self._kept_s = self._watched_s = 0.0
        (self._camera,) = settings.camera_names
        self._cameras = Cameras(
            settings, self._keep, self._refuse, lambda jump: None, node.get_logger()
        )
        self._inputs: dict[str, Input] = {}
        self._kinds: dict[str, type[Any]] = {}
        endings = TRANSPORTS[settings.sensor.transport]
        image = Image if settings.sensor.transport == "raw" else CompressedImage
        for channel in CAMERA_TOPICS:
            name = topic_of(self._camera, channel)
            topic = node.resolve_topic_name(name) + endings.get(channel, "")
            kind = image if channel in endings else CameraInfo
            take_image = partial(self._cameras.take_image, self._camera, channel)
            self._listen(channel, kind, topic, take_image)
        self._color = self._inputs["color"].topic
        self._rectified = settings.lens.are_rectified(self._color)
        for fixed, topic in ((False, "/tf"), (True, "/tf_static")):
            take = partial(self._cameras.take_transforms, fixed=fixed)
            self._listen(topic[1:], TFMessage, topic, take)
        if settings.pose.source in POSE_TOPICS:
            pose_kind, topic = POSE_TOPICS[settings.pose.source]
            self._listen("pose", pose_kind, topic, self._cameras.take_pose)

    def attend(self) -> None:
        """To be called often: follow the publishers, end the waiting of frames."""
        self._cameras.settle()
        if time.monotonic() - self._watched_s < WATCH_PERIOD_S:
            return
        self._watched_s = time.monotonic()
        for source in self._inputs.values():
            source.watch()
        if BESIDE not in self._inputs and (topic := self._info_of_depth()):
            self._listen(BESIDE, CameraInfo, topic, lambda message: None)

    def examination(self) -> Examination:
        """What is wrong with what came until now."""
        findings = [*self._absent(), *self._unheard()]
        color, depth = self._heard("color"), self._heard("depth")
        wrong = [out_of_step(color, depth, "depth", self._settings.sync.slop_s)]
        own = self._settings.depth.has_own_camera(depth.frame, color.frame)
        if not own:
            beside = self._infos.get("depth_info") or self._infos.get(BESIDE)
            flag = f"-r {topic_of(self._camera, 'depth')}:=, depth.camera"
            wrong.append(unregistered(depth, self._infos.get("camera_info"), beside, flag))
        findings += filter(None, wrong)
        explained, state = bool(findings), self._cameras.states[self._camera]
        if lacks := self._cameras.lacks:
            findings.append(Finding(
                "poses", "no transform leads from the camera to the map", lacks,
                "publish it, or name the frames", "map_frame, pose.source, pose.of_frame",
            ))  # fmt: skip
        elif not explained and state.lost > MOST_LOST * max(1, state.paired + state.lost):
            why = ", ".join(f"{name}: {n}" for name, n in state.misses.items() if n)
            findings.append(Finding(
                "frames lost", f"{state.lost} color images make no frame", f"without {why}",
                "see the rates below", "sync.slop_s, sync.wait_s, pose.max_gap_s",
            ))  # fmt: skip
        if self._refused and own:
            findings.append(Finding(
                "registration", "depth is not registered to color, and cannot be",
                self._refused[-1], ALIGN, "depth.camera",
            ))  # fmt: skip
        elif self._refused:
            findings.append(Finding(
                "refused", f"{len(self._refused)} messages are refused", self._refused[-1]
            ))  # fmt: skip
        told = rates([self._heard(name) for name in self._inputs if self._stamps.get(name)])
        judged = self._frames_judged()
        found = Examination(tuple(findings), (told or "nothing was heard",)) + judged
        return Examination(tuple(f.for_node() for f in found.findings), found.told)

    def _listen(
        self, name: str, kind: type[Any], topic: str, take: Callable[[Any], object]
    ) -> None:
        def note(message: Any) -> None:
            if hasattr(message, "header"):
                with suppress(Om3dError):
                    self._stamps[name].append(stamp_ns(message.header.stamp))
                self._frames.setdefault(name, message.header.frame_id)
            if kind is CameraInfo and name not in self._infos:
                with suppress(Om3dError, ValueError):
                    self._infos[name] = Calibration.of_info(message, False).intrinsics
            take(message)

        self._kinds[name] = kind
        sensor = self._settings.sensor
        is_camera = name in CAMERA_TOPICS or kind is CameraInfo
        depth = sensor.qos_depth if is_camera else qos.POSE_DEPTH
        self._inputs[name] = Input(self._node, kind, topic, note, depth, sensor.reliability)

    def _heard(self, name: str) -> Heard:
        stamps = np.array(self._stamps.get(name, []), np.int64)
        return Heard(self._inputs[name].topic, stamps, self._frames.get(name, ""))

    def _absent(self) -> list[Finding]:
        """Needed topics that nobody publishes, with the names most alike of their type."""
        names = set(CAMERA_TOPICS) - {"depth_info"} | {"pose"}
        needed = {name: name for name in self._inputs if name in names}
        if "pose" not in needed:
            needed["tf"] = "tf"
        topics = {name: self._inputs[name].topic for name in needed}
        counts = {
            topics[name]: self._inputs[name].arrivals.received
            for name in needed if self._inputs[name].publishers
        }
        if "tf" in needed and self._inputs["tf_static"].arrivals.received:
            counts[topics["tf"]] = 1
        published = {
            topic: types for topic, types in self._node.get_topic_names_and_types()
            if self._node.count_publishers(topic)
        }
        alike = {
            name: [t for t, types in published.items() if _type_name(self._kinds[name]) in types]
            for name in needed
        }
        own = {name: topic_of(self._camera, name) for name in CAMERA_TOPICS}
        flags = {name: f"-r {own.get(name, topics[name])}:={{}}" for name in needed}
        return misnamed(topics, counts, flags, alike)

    def _unheard(self) -> list[Finding]:
        """Publishers whose quality of service does not match what is asked for."""
        return [
            Finding(
                "quality of service", text.partition(" (")[0],
                f"{source.arrivals.received} messages came",
                "ask for what all of them offer", "sensor.reliability:=best_effort",
            )
            for source in self._inputs.values() for text in source.complaints
        ]

    def _info_of_depth(self) -> str:
        """The camera_info beside the depth images, where that is not color's; empty if none."""
        depth = self._inputs["depth"].topic
        ending = TRANSPORTS[self._settings.sensor.transport]["depth"]
        topic = depth.removesuffix(ending).rpartition("/")[0] + "/camera_info"
        other = topic != self._inputs["camera_info"].topic
        return topic if other and self._node.count_publishers(topic) else ""

    def _frames_judged(self) -> Examination:
        """What the frames say, held against each other."""
        depth, image = self._settings.depth, self._depth
        encoding = getattr(image, "encoding", "")
        if isinstance(image, Image) and not image.is_bigendian:
            units = floats_in_millimeters(encoding, image.data.tobytes(), depth.float_units_per_m)
            if units is not None:
                return Examination((units,))
        return judge(self._looks, Given.of(depth, encoding), TO_STREAM)

    def _keep(self, shot: images.Shot) -> None:
        now = time.monotonic()
        if now - self._kept_s < self._period_s:
            return
        self._kept_s, self._depth = now, shot.depth
        try:
            frame = images.to_frame(shot, self._settings.depth, self._rectified)
            self._looks.append(Look.of(frame))
        except Om3dError as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        self._refused.append(str(error)[:500])


def _type_name(kind: type[Any]) -> str:
    """As the graph says it, such as ``sensor_msgs/msg/Image``."""
    package, part, *_ = kind.__module__.split(".")
    return f"{package}/{part}/{kind.__name__}"

"""What is wrong with the topics that a mapper would listen to, by listening for some seconds."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
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
from om3d_core.doctor.topics import Heard, misnamed, out_of_step, rates, unregistered
from om3d_core.errors import Om3dError
from om3d_core.formats.calibration import Calibration
from om3d_core.streams.assembler import Posed
from om3d_ros.conversions import images
from om3d_ros.conversions.poses import POSE_TOPICS
from om3d_ros.conversions.stamps import stamp_ns
from om3d_ros.mapper_streams import Streams
from om3d_ros.node import qos
from om3d_ros.node.inputs import WATCH_PERIOD_S, Input
from om3d_ros.node.settings import TRANSPORTS, MapperNodeSettings

SPIN_S = 0.02
MOST_LOST = 0.8
NAMES = {
    "color": "color/image_raw", "depth": "depth/image_raw", "camera_info": "color/camera_info",
}
"""The inputs of a camera, as the mapper names them."""


def examine_live(
    settings: MapperNodeSettings, seconds: float, ros_arguments: Sequence[str] = ()
) -> Examination:
    """Listen as a mapper of these settings would, and say what is wrong.

    ros_arguments: as of a node, such as ``-r color/image_raw:=/camera/image`` and ``-r
    __ns:=/robot``.
    """
    context = Context()
    rclpy.init(args=["--ros-args", *ros_arguments], context=context)
    node = rclpy.create_node("om3d_doctor", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        ear = _Ear(node, settings, seconds / MOST_FRAMES)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            executor.spin_once(min(SPIN_S, left))
            ear.attend()
        return ear.examination()
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


class _Ear:
    """The subscriptions of a mapper, and what came on them; a frame is kept every ``period_s``."""

    def __init__(self, node: Node, settings: MapperNodeSettings, period_s: float):
        self._node, self._settings, self._period_s = node, settings, period_s
        self._stamps: dict[str, list[int]] = defaultdict(list)
        self._frames: dict[str, str] = {}
        self._infos: dict[str, Intrinsics] = {}
        self._looks: list[Look] = []
        self._refused: list[str] = []
        self._kept_s = self._watched_s = 0.0
        self._streams = Streams(settings, self._keep, self._refuse, node.get_logger())
        self._inputs: dict[str, Input] = {}
        self._kinds: dict[str, type[Any]] = {}
        endings = TRANSPORTS[settings.sensor.transport]
        image = Image if settings.sensor.transport == "raw" else CompressedImage
        for channel, name in NAMES.items():
            topic = node.resolve_topic_name(name) + endings.get(channel, "")
            kind = CameraInfo if channel == "camera_info" else image
            self._listen(channel, kind, topic, partial(self._streams.take_image, channel))
        self._color = self._inputs["color"].topic
        self._rectified = settings.lens.are_rectified(self._color)
        for fixed, topic in ((False, "/tf"), (True, "/tf_static")):
            take = partial(self._streams.take_transforms, fixed=fixed)
            self._listen(topic[1:], TFMessage, topic, take)
        if settings.pose.source in POSE_TOPICS:
            pose_kind, topic = POSE_TOPICS[settings.pose.source]
            self._listen("pose", pose_kind, topic, self._streams.take_pose)
        self._own_info: Input | None = None

    def attend(self) -> None:
        """To be called often: follow the publishers, end the waiting of frames."""
        self._streams.settle()
        if time.monotonic() - self._watched_s < WATCH_PERIOD_S:
            return
        self._watched_s = time.monotonic()
        for source in self._inputs.values():
            source.watch()
        if "depth camera_info" not in self._inputs and (topic := self._info_of_depth()):
            self._listen("depth camera_info", CameraInfo, topic, lambda message: None)

    def examination(self) -> Examination:
        """What is wrong with what came until now."""
        findings = [*self._absent(), *self._unheard()]
        color, depth = self._heard("color"), self._heard("depth")
        findings += filter(None, (
            out_of_step(color, depth, "depth", self._settings.sync.slop_s),
            unregistered(
                color, depth, self._infos.get("camera_info"),
                self._infos.get("depth camera_info"), f"-r {NAMES['depth']}:=",
            ),
        ))  # fmt: skip
        explained, state = bool(findings), self._streams.state
        if lacks := self._streams.lacks:
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
        if self._refused:
            findings.append(Finding(
                "refused", f"{len(self._refused)} messages are refused", self._refused[-1]
            ))  # fmt: skip
        told = rates([self._heard(name) for name in self._inputs if self._stamps.get(name)])
        judged = judge(self._looks, Given(self._settings.depth.units_per_m), TO_STREAM)
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
        is_camera = name in NAMES or kind is CameraInfo
        depth = sensor.qos_depth if is_camera else qos.POSE_DEPTH
        self._inputs[name] = Input(self._node, kind, topic, note, depth, sensor.reliability)

    def _heard(self, name: str) -> Heard:
        stamps = np.array(self._stamps.get(name, []), np.int64)
        return Heard(self._inputs[name].topic, stamps, self._frames.get(name, ""))

    def _absent(self) -> list[Finding]:
        """Needed topics that nobody publishes, with the names most alike of their type."""
        needed = {name: name for name in (*NAMES, "pose") if name in self._inputs}
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
        flags = {name: f"-r {NAMES.get(name, topics[name])}:={{}}" for name in needed}
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

    def _keep(self, posed: Posed[Any]) -> None:
        now = time.monotonic()
        if now - self._kept_s < self._period_s:
            return
        self._kept_s = now
        color, depth, info = posed.messages
        try:
            self._looks.append(Look.of(images.to_frame(
                color, depth, info, posed.map_from_camera, posed.stamp_ns,
                self._settings.depth.units_per_m, self._rectified,
            )))  # fmt: skip
        except Om3dError as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        self._refused.append(str(error)[:500])


def _type_name(kind: type[Any]) -> str:
    """As the graph says it, such as ``sensor_msgs/msg/Image``."""
    package, part, *_ = kind.__module__.split(".")
    return f"{package}/{part}/{kind.__name__}"

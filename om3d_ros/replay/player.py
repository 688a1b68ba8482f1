"""Publishes the messages of a bag with their clock, as fast as asked or as the mapper takes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from om3d_core.errors import InputError, SourceError
from om3d_core.formats import image_fields as images
from om3d_core.progress import Report
from om3d_core.sources.bag.reader import BagReader, Recorded
from om3d_core.sources.bag.topics import (
    COMPRESSED_IMAGE,
    POSES,
    TF,
    TopicNames,
    choose_topics,
    listed,
)
from om3d_core.streams.settings import MapFrameSettings
from om3d_ros.conversions.images import from_pixels, to_rgb
from om3d_ros.conversions.poses import POSE_TOPICS
from om3d_ros.conversions.stamps import to_time
from om3d_ros.node import qos
from om3d_ros.replay.client import Client, ReplayError

IN_FLIGHT = 6
# An image may take long to reach a busy mapper; one that arrived may lack a partner for good.
DELIVERY_S = 15.0
STALL_S = 3.0
CONNECT_TIMEOUT_S = 20.0
MAX_WAIT_S = 600.0


class Player:
    """The inputs of the mapper in one bag.

    Raises :class:`SourceError` for what is no bag or lacks color, depth, calibration or poses.
    """

    def __init__(self, bag: Path):
        self._reader = BagReader(bag)
        topics = self._reader.topics
        names = choose_topics(topics, TopicNames())
        kinds = {topic.name: topic.msgtype for topic in topics if topic.messages}
        self._transforms = [topic for topic, kind in kinds.items() if kind == TF]
        if not (names.pose or self._transforms):
            raise SourceError(
                f"{bag}: expected transforms, or one topic of poses, got {listed(topics)}"
            )
        self._counts = {topic.name: topic.messages for topic in topics}
        self._names = names
        self.pose_source = next(
            (source for source, kind in POSES.items() if kind == kinds.get(names.pose)), "tf"
        )
        self.map_frame = self._frame_of_poses() if names.pose else MapFrameSettings().map_frame

    @property
    def n_frames(self) -> int:
        """Color images in the bag."""
        return self._counts[self._names.color]

    def close(self) -> None:
        """Release the bag."""
        self._reader.close()

    def play(self, client: Client, rate: float, report: Report) -> None:
        """Publish everything: ``rate`` times as fast as recorded, or with 0 as fast as the mapper
        takes it, so that nothing is dropped. Returns once the mapper has nothing more to do.
        """
        publishers = self._publishers(client)
        clock = client.node.create_publisher(Clock, "/clock", qos.results())
        needed = [p for topic, p in publishers.items() if topic != self._names.pose]
        client.spin_until(
            lambda: all(p.get_subscription_count() for p in needed),
            CONNECT_TIMEOUT_S, "the mapper to subscribe to every topic",
        )
        pace = _Pace(rate)
        sent, base, arrived = 0, _done(client), _received(client)
        for recorded in self._reader.recorded(set(publishers)):
            pace.wait(recorded.recorded_ns, client)
            clock.publish(Clock(clock=to_time(recorded.recorded_ns)))
            publishers[recorded.topic].publish(self._message(recorded))
            client.spin(0.0)
            if recorded.topic == self._names.color:
                sent += 1
                report("play", sent, self.n_frames)
                if rate == 0:
                    _wait(client, base + sent - IN_FLIGHT, arrived + sent)
        _wait(client, base + sent, arrived + sent)
        client.spin_until(lambda: _idle(client), MAX_WAIT_S, "the mapper to become idle")

    def _publishers(self, client: Client) -> dict[str, Any]:
        names = self._names
        inputs: dict[str, tuple[Any, str, QoSProfile]] = {
            names.color: (Image, "color/image_raw", qos.recorded()),
            names.depth: (Image, "depth/image_raw", qos.recorded()),
            names.info: (CameraInfo, "color/camera_info", qos.recorded()),
        }
        for topic in self._transforms:
            name = "/tf_static" if topic.endswith("tf_static") else "/tf"
            inputs[topic] = (TFMessage, name, qos.recorded())
        if names.pose:
            inputs[names.pose] = (*POSE_TOPICS[self.pose_source], qos.recorded())
        if names.cloud:
            inputs[names.cloud] = (PointCloud2, "cloud_map", qos.latched())
        return {
            topic: client.node.create_publisher(*arguments) for topic, arguments in inputs.items()
        }

    def _message(self, recorded: Recorded) -> Any:
        """The serialized message; a compressed image is decompressed."""
        if recorded.msgtype != COMPRESSED_IMAGE:
            return recorded.raw
        message = deserialize_message(recorded.raw, CompressedImage)
        try:
            if recorded.topic == self._names.color:
                return from_pixels(to_rgb(message), "rgb8", message.header)
            depth = images.decode_compressed_depth(message.format, message.data)
            return from_pixels(depth, "32FC1", message.header)
        except InputError:
            return Image(header=message.header)

    def _frame_of_poses(self) -> str:
        for recorded in self._reader.recorded({self._names.pose}):
            kind = POSE_TOPICS[self.pose_source][0]
            return str(deserialize_message(recorded.raw, kind).header.frame_id).lstrip("/")
        raise SourceError(f"expected poses on {self._names.pose}, got none")


class _Pace:
    """Spins a client until a stamp of the bag is due."""

    def __init__(self, rate: float):
        self._rate = rate
        self._start: tuple[int, float] | None = None

    def wait(self, stamp_ns: int, client: Client) -> None:
        if self._rate == 0:
            return
        first, began = self._start = self._start or (stamp_ns, time.monotonic())
        due = began + (stamp_ns - first) / 1e9 / self._rate
        while (left := due - time.monotonic()) > 0:
            client.spin(min(left, 0.05))


def _done(client: Client) -> int:
    """Color images that the mapper is done with, used or not."""
    s = client.status
    if s is None:
        return 0
    return int(s.frames_processed + s.inputs_rejected + s.frames_dropped + s.frames_unpaired)


def _received(client: Client) -> int:
    """Color images that the mapper has got."""
    return int(client.status.frames_received) if client.status is not None else 0


def _idle(client: Client) -> bool:
    s = client.status
    return s is not None and s.queue_depth == 0 and not s.busy


def _wait(client: Client, count: int, sent: int) -> None:
    """Wait until the mapper is done with ``count`` images, or neither works nor moves on.

    sent: images that it should have got by now.
    """
    last, since, end = client.status, time.monotonic(), time.monotonic() + MAX_WAIT_S
    while _done(client) < count:
        client.spin()
        now = time.monotonic()
        if client.status is not last or not _idle(client):
            last, since = client.status, now
        if now - since > (STALL_S if _received(client) >= sent else DELIVERY_S):
            return
        if now > end:
            raise ReplayError(f"expected the mapper to go on within {MAX_WAIT_S:g} s")

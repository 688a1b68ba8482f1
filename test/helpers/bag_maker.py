"""Bags of hand-made messages, for what other recorders write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from om3d_core.data.poses import quaternion_of
from om3d_core.formats.image_fields import ImageFields
from om3d_core.sources.bag.reader import standard_types

OPTICAL = "optical"


class BagMaker:
    """Writes messages into a new bag folder; a stamp is both recorded and in the header."""

    def __init__(
        self, path: Path, storage: str = "MCAP", compression: CompressionMode | None = None
    ) -> None:
        self.types = standard_types()
        self.writer = Writer(path, version=8, storage_plugin=StoragePlugin[storage])
        if compression is not None:
            self.writer.set_compression(compression, CompressionFormat.ZSTD)
        self.links: dict[str, Any] = {}

    def __enter__(self) -> BagMaker:
        self.writer.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.writer.__exit__(kind, error, trace)

    def make(self, msgtype: str, *values: Any) -> Any:
        return self.types.types[msgtype](*values)

    def put(self, topic: str, recorded_ns: int, message: Any) -> None:
        raw = self.types.serialize_cdr(message, message.__msgtype__)
        self.put_raw(topic, recorded_ns, bytes(raw), message.__msgtype__)

    def put_raw(self, topic: str, recorded_ns: int, raw: bytes, msgtype: str) -> None:
        if topic not in self.links:
            self.links[topic] = self.writer.add_connection(topic, msgtype, typestore=self.types)
        self.writer.write(self.links[topic], recorded_ns, raw)

    def header(self, stamp_ns: int, frame: str) -> Any:
        time = self.make("builtin_interfaces/msg/Time", *divmod(stamp_ns, 1_000_000_000))
        return self.make("std_msgs/msg/Header", time, frame)

    def image(
        self, topic: str, stamp_ns: int, fields: ImageFields, recorded_ns: int | None = None,
        frame: str = OPTICAL,
    ) -> None:
        message = self.make(
            "sensor_msgs/msg/Image",
            self.header(stamp_ns, frame),
            fields.height,
            fields.width,
            fields.encoding,
            fields.is_bigendian,
            fields.step,
            fields.data,
        )
        self.put(topic, stamp_ns if recorded_ns is None else recorded_ns, message)

    def compressed(self, topic: str, stamp_ns: int, form: str, data: np.ndarray) -> None:
        header = self.header(stamp_ns, OPTICAL)
        message = self.make("sensor_msgs/msg/CompressedImage", header, form, data)
        self.put(topic, stamp_ns, message)

    def info(self, topic: str, stamp_ns: int, k: np.ndarray, width: int, height: int) -> None:
        region = self.make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
        message = self.make(
            "sensor_msgs/msg/CameraInfo",
            self.header(stamp_ns, OPTICAL),
            height,
            width,
            "plumb_bob",
            np.zeros(5),
            np.asarray(k, np.float64).reshape(-1),
            np.eye(3).reshape(-1),
            np.zeros(12),
            0,
            0,
            region,
        )
        self.put(topic, stamp_ns, message)

    def pose(self, matrix: np.ndarray) -> Any:
        point = self.make("geometry_msgs/msg/Point", *map(float, matrix[:3, 3]))
        turn = self.make("geometry_msgs/msg/Quaternion", *map(float, quaternion_of(matrix)))
        return self.make("geometry_msgs/msg/Pose", point, turn)

    def pose_stamped(self, topic: str, stamp_ns: int, frame: str, matrix: np.ndarray) -> None:
        header = self.header(stamp_ns, frame)
        self.put(
            topic,
            stamp_ns,
            self.make("geometry_msgs/msg/PoseStamped", header, self.pose(matrix)),
        )

    def odometry(
        self, topic: str, stamp_ns: int, frames: tuple[str, str], matrix: np.ndarray
    ) -> None:
        still = self.make("geometry_msgs/msg/Vector3", 0.0, 0.0, 0.0)
        twist = self.make("geometry_msgs/msg/Twist", still, still)
        message = self.make(
            "nav_msgs/msg/Odometry",
            self.header(stamp_ns, frames[0]),
            frames[1],
            self.make("geometry_msgs/msg/PoseWithCovariance", self.pose(matrix), np.zeros(36)),
            self.make("geometry_msgs/msg/TwistWithCovariance", twist, np.zeros(36)),
        )
        self.put(topic, stamp_ns, message)

    def tf(self, topic: str, stamp_ns: int, links: Iterable[tuple[str, str, np.ndarray]]) -> None:
        transforms = [
            self.make(
                "geometry_msgs/msg/TransformStamped",
                self.header(stamp_ns, parent),
                child,
                self.make(
                    "geometry_msgs/msg/Transform",
                    self.make("geometry_msgs/msg/Vector3", *map(float, matrix[:3, 3])),
                    self.make("geometry_msgs/msg/Quaternion", *map(float, quaternion_of(matrix))),
                ),
            )
            for parent, child, matrix in links
        ]
        self.put(topic, stamp_ns, self.make("tf2_msgs/msg/TFMessage", transforms))

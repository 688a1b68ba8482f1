"""Writing a source as a ROS 2 bag (MCAP), topics named as the nodes' inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame, clean_depth
from om3d_core.data.poses import NS_PER_S, quaternion_of
from om3d_core.errors import InputError, SourceError
from om3d_core.formats.cloud_fields import pack_cloud
from om3d_core.formats.image_fields import (
    MILLIMETERS_PER_M,
    ImageFields,
    encode_compressed_color,
    encode_compressed_depth,
    encode_image,
)
from om3d_core.progress import Job
from om3d_core.settings import setting
from om3d_core.sources.bag.reader import standard_types
from om3d_core.sources.base import Source
from om3d_core.streams.settings import MapFrameSettings

BAG_VERSION: Literal[9] = 9
FOREVER_S, FOREVER_NS = 9223372036, 854775807
MAX_UINT16 = 65535

COLOR, DEPTH, INFO = "/color/image_raw", "/depth/image_raw", "/color/camera_info"
ODOMETRY, TRANSFORMS, CLOUD = "/odometry", "/tf", "/cloud_map"


@dataclass(frozen=True)
class BagSettings(MapFrameSettings):
    """What a bag is written with."""

    images: str = setting(
        "raw",
        "color images raw, or compressed as jpeg or png; depth then compressed losslessly, in mm",
        choices=("raw", "jpeg", "png"),
    )
    jpeg_quality: int = setting(90, "quality of JPEG color images", low=1, high=100)
    storage: str = setting("mcap", "storage of the bag", choices=("mcap", "sqlite3"))
    camera_frame: str = setting("camera_color_optical_frame", "optical frame of the camera")
    cloud: bool = setting(True, "write the cloud that came with the scene, latched")


def write_bag(
    source: Source, out: Path, settings: BagSettings | None = None, job: Job | None = None
) -> int:
    """Write all usable frames of ``source`` as a rosbag2 and return how many they were.

    ``out`` becomes a single file where its name ends as those of the storage (.mcap, .db3), else
    a folder with metadata.yaml. It appears only when it is whole. Raises SourceError where it
    exists already, cannot be written, or the source has no usable frame; CanceledError as ``job``
    asks.
    """
    settings, job, out = settings or BagSettings(), job or Job(), Path(out)
    if out.exists() or out.is_symlink():
        raise SourceError(f"{out}: exists already, not overwritten")
    suffix = ".mcap" if settings.storage == "mcap" else ".db3"
    if out.suffix in {".mcap", ".db3"} and out.suffix != suffix:
        raise SourceError(f"{out}: expected a name that ends in {suffix} for {settings.storage}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".om3d-bag-", dir=out.parent) as folder:
            single = out.suffix == suffix
            name = out.stem if single else out.name
            bag = Path(folder) / name
            count = _write(source, bag, settings, job)
            (bag / f"{name}{suffix}" if single else bag).rename(out)
    except OSError as error:
        raise SourceError(f"{out}: cannot be written: {error}") from error
    return count


def _write(source: Source, bag: Path, settings: BagSettings, job: Job) -> int:
    count = 0
    with _BagWriter(bag, settings) as writer:
        for frame in source:
            if not count and settings.cloud and (cloud := source.cloud()) is not None:
                writer.add_cloud(cloud, frame.stamp_ns)
            writer.add_frame(frame)
            count += 1
            job.step("bag", count, len(source))
        if not count:
            reasons = ", ".join(f"{n} {reason}" for reason, n in source.skipped.reasons.items())
            raise SourceError(f"no usable frame to write ({reasons or 'the source is empty'})")
    return count


class _BagWriter:
    """Turns frames and a cloud into messages of a rosbag2 at ``path``."""

    def __init__(self, path: Path, settings: BagSettings) -> None:
        from rosbags.rosbag2 import StoragePlugin, Writer

        plugin = StoragePlugin.MCAP if settings.storage == "mcap" else StoragePlugin.SQLITE3
        self._writer = Writer(path, version=BAG_VERSION, storage_plugin=plugin)
        self._types = standard_types()
        self._settings = settings
        self._links: dict[str, Any] = {}

    def __enter__(self) -> _BagWriter:
        self._writer.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def add_frame(self, frame: Frame) -> None:
        """Write the pose, the calibration and the two images of a frame."""
        stamp, camera = frame.stamp_ns, self._settings.camera_frame
        header = self._header(stamp, camera)
        self._add_pose(frame)
        self._put(INFO, stamp, self._camera_info(frame, header))
        if self._settings.images == "raw":
            self._put(COLOR, stamp, self._image(encode_image(frame.rgb, "rgb8"), header))
            self._put(DEPTH, stamp, self._image(raw_depth(frame.depth), header))
            return
        form, data = encode_compressed_color(
            frame.rgb, self._settings.images, self._settings.jpeg_quality
        )
        compressed = "sensor_msgs/msg/CompressedImage"
        self._put(f"{COLOR}/compressed", stamp, self._make(compressed, header, form, data))
        form, data = encode_compressed_depth(_millimeters(frame.depth))
        self._put(f"{DEPTH}/compressedDepth", stamp, self._make(compressed, header, form, data))

    def add_cloud(self, cloud: Cloud, stamp_ns: int) -> None:
        """Write a cloud on a latched topic."""
        packed = pack_cloud(cloud, normals=bool(cloud.normals.any()))
        fields = [
            self._make("sensor_msgs/msg/PointField", f.name, f.offset, f.datatype, f.count)
            for f in packed.fields
        ]
        message = self._make(
            "sensor_msgs/msg/PointCloud2",
            self._header(stamp_ns, self._settings.map_frame),
            1,
            len(cloud),
            fields,
            False,
            packed.point_step,
            packed.point_step * len(cloud),
            np.frombuffer(packed.data, np.uint8),
            True,
        )
        self._put(CLOUD, stamp_ns, message, latched=True)

    def _add_pose(self, frame: Frame) -> None:
        move, turn = frame.map_from_camera[:3, 3], quaternion_of(frame.map_from_camera)
        stamp, camera = frame.stamp_ns, self._settings.camera_frame
        header = self._header(stamp, self._settings.map_frame)
        rotation = self._make("geometry_msgs/msg/Quaternion", *map(float, turn))
        shift = self._make("geometry_msgs/msg/Vector3", *map(float, move))
        transform = self._make("geometry_msgs/msg/Transform", shift, rotation)
        stamped = self._make("geometry_msgs/msg/TransformStamped", header, camera, transform)
        self._put(TRANSFORMS, stamp, self._make("tf2_msgs/msg/TFMessage", [stamped]))
        point = self._make("geometry_msgs/msg/Point", *map(float, move))
        pose = self._make(
            "geometry_msgs/msg/PoseWithCovariance",
            self._make("geometry_msgs/msg/Pose", point, rotation),
            np.zeros(36),
        )
        still = self._make("geometry_msgs/msg/Vector3", 0.0, 0.0, 0.0)
        twist = self._make(
            "geometry_msgs/msg/TwistWithCovariance",
            self._make("geometry_msgs/msg/Twist", still, still),
            np.zeros(36),
        )
        odometry = self._make("nav_msgs/msg/Odometry", header, camera, pose, twist)
        self._put(ODOMETRY, stamp, odometry)

    def _camera_info(self, frame: Frame, header: Any) -> Any:
        k = frame.intrinsics.matrix
        return self._make(
            "sensor_msgs/msg/CameraInfo",
            header,
            frame.intrinsics.height,
            frame.intrinsics.width,
            "plumb_bob",
            np.zeros(5),
            k.reshape(-1),
            np.eye(3).reshape(-1),
            np.hstack([k, np.zeros((3, 1))]).reshape(-1),
            0,
            0,
            self._make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False),
        )

    def _image(self, fields: ImageFields, header: Any) -> Any:
        return self._make(
            "sensor_msgs/msg/Image",
            header,
            fields.height,
            fields.width,
            fields.encoding,
            fields.is_bigendian,
            fields.step,
            fields.data,
        )

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        time = self._make("builtin_interfaces/msg/Time", *divmod(stamp_ns, NS_PER_S))
        return self._make("std_msgs/msg/Header", time, frame_id)

    def _make(self, msgtype: str, *values: Any) -> Any:
        return self._types.types[msgtype](*values)

    def _put(self, topic: str, stamp_ns: int, message: Any, latched: bool = False) -> None:
        msgtype = message.__msgtype__
        if topic not in self._links:
            self._links[topic] = self._writer.add_connection(
                topic, msgtype, typestore=self._types,
                offered_qos_profiles=offered_profiles(latched),
            )  # fmt: skip
        raw = self._types.serialize_cdr(message, msgtype)
        self._writer.write(self._links[topic], stamp_ns, raw)


def raw_depth(depth: npt.NDArray[np.float32]) -> ImageFields:
    """A (H, W) depth image in meters as 16UC1 millimeters where that is exact, else 32FC1."""
    try:
        stored = _millimeters(depth)
    except InputError:
        return encode_image(depth, "32FC1")
    exact = np.array_equal(clean_depth(stored, MILLIMETERS_PER_M), depth)
    return encode_image(stored, "16UC1") if exact else encode_image(depth, "32FC1")


def _millimeters(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    scaled = np.rint(depth * np.float32(MILLIMETERS_PER_M))
    if float(scaled.max(initial=0.0)) >= MAX_UINT16:
        raise InputError(f"expected depth below {MAX_UINT16} mm, got {float(scaled.max())} mm")
    return np.asarray(scaled, np.uint16)


def offered_profiles(latched: bool) -> Sequence[Any]:
    """The QoS that a player offers: reliable, and transient-local where latched."""
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )

    forever = QosTime(FOREVER_S, FOREVER_NS)
    return [
        Qos(
            QosHistory.KEEP_LAST,
            1 if latched else 10,
            QosReliability.RELIABLE,
            QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
            forever,
            forever,
            QosLiveliness.AUTOMATIC,
            forever,
            False,
        )
    ]

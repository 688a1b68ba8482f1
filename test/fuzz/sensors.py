"""Sets of sensor messages of one moment, and what can be wrong with each and with their order."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry
from rclpy.serialization import serialize_message
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from fuzz.mutate import mutate
from fuzz.values import STRINGS, changed, content
from om3d_core.data.cloud import Cloud
from om3d_core.data.frame import Frame
from om3d_ros.conversions.clouds import from_cloud
from om3d_ros.conversions.images import from_intrinsics, from_pixels
from om3d_ros.conversions.poses import from_matrix, to_transforms
from om3d_ros.conversions.stamps import header, stamp_ns, to_time

Messages = list[tuple[str, Any]]
"""By the input that they go to, in order; bytes are sent as they are."""
Change = Callable[[random.Random, Any], Any]
ENCODINGS = (
    "rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "8UC1", "16UC1", "16SC1", "32FC1",
    "64FC1", "bayer_rggb8", "yuv422", "yuyv", "rgb16", "RGB8", "32FC4", "", "\x00", "x" * 1000,
)  # fmt: skip
STAMPS = ((0, 0), (-1, 0), (-(2**31), 0), (2**31 - 1, 999_999_999), (2**31 - 1, 2**32 - 1),
          (0, 2**32 - 1), (1, 1))  # fmt: skip
SIDES = (0, 1, 2, 3, 8_192, 8_193, 65_536, 2**31, 2**32 - 1)
SHIFTS_NS = (1, -1, 20_000_000, -20_000_000, -1_000_000_000, -3_000_000_000, -20_000_000_000,
             10_000_000_000, 3_600_000_000_000)  # fmt: skip


def moment(frame: Frame, at_ns: int, pose_source: str) -> Messages:
    """The messages of a good frame, the pose first."""
    pose: Any = PoseStamped(header=header("map", at_ns), pose=from_matrix(frame.map_from_camera))
    if pose_source == "odometry":
        pose = Odometry(header=pose.header, child_frame_id="camera")
        pose.pose.pose = from_matrix(frame.map_from_camera)
    elif pose_source == "tf":
        pose = to_transforms("map", "camera", at_ns, frame.map_from_camera)
    return [
        (pose_source, pose),
        ("camera_info", from_intrinsics(frame.intrinsics, header("camera", at_ns))),
        ("depth", from_pixels(frame.depth, "32FC1", header("camera", at_ns))),
        ("color", from_pixels(frame.rgb, "rgb8", header("camera", at_ns))),
    ]


def cloud_of(rng: random.Random, at_ns: int) -> PointCloud2:
    """A good cloud of a small plane."""
    side = rng.choice((5, 40, 100))
    grid = np.stack(np.meshgrid(*[np.arange(side) * 0.01] * 2), -1).reshape(-1, 2)
    points = np.concatenate([grid, np.zeros((len(grid), 1))], 1).astype(np.float32)
    cloud = Cloud(points, np.full((len(points), 3), 128, np.uint8), np.zeros_like(points))
    return from_cloud(cloud, header("map", at_ns))


def harm(rng: random.Random, good: Messages) -> tuple[str, Messages]:
    """A kind of fault, and ``good`` with it: in one message, or in how all of them come."""
    messages = list(good)
    if rng.random() < 0.15:
        return "order", _disorder(rng, messages)
    if rng.random() < 0.08:
        sec, nanosec = rng.choice(STAMPS)
        for _, message in messages:
            at = _header(message).stamp
            at.sec, at.nanosec = sec, nanosec
        return "stamp", messages
    at = rng.randrange(len(messages))
    name, message = messages[at]
    if rng.random() < 0.1:
        data = serialize_message(message)
        messages[at] = name, data[:4] + mutate(rng, data[4:], "", data)
        return "wire", messages
    if rng.random() < 0.25:
        messages[at] = name, _head(rng, message)
        return "header", messages
    messages[at] = name, _changes(name)(rng, message)
    return name, messages


def harm_cloud(rng: random.Random, at_ns: int) -> tuple[str, Messages]:
    """The same for a cloud."""
    cloud = cloud_of(rng, at_ns)
    if rng.random() < 0.1:
        data = serialize_message(cloud)
        return "wire", [("cloud", data[:4] + mutate(rng, data[4:], "", data))]
    if rng.random() < 0.2:
        return "header", [("cloud", _head(rng, cloud))]
    return "cloud", [("cloud", _cloud(rng, cloud))]


def harm_image(rng: random.Random, image: Any) -> Any:
    """An image that is odd: its sizes, step, encoding, data, or all of them."""
    choice = rng.randrange(7)
    if choice == 0:
        image.encoding = rng.choice(ENCODINGS)
    elif choice == 1:
        setattr(image, rng.choice(("width", "height")), rng.choice(SIDES))
    elif choice == 2:
        image.step = rng.choice((0, 1, image.step - 1, image.step + 1, 2 * image.step, 2**32 - 1))
    elif choice == 3:
        image.data = array("B", content(rng, bytes(image.data)))
    elif choice == 4:
        image.width, image.height = rng.choice(SIDES), rng.choice(SIDES)
        image.step = min(image.width * rng.choice((1, 2, 3, 4)), 2**32 - 1)
    elif choice == 5:
        image.is_bigendian = 1 - image.is_bigendian
    else:
        changed(rng, image, 3)
    return image


def _changes(name: str) -> Change:
    special = {
        "color": harm_image, "depth": _depth, "odometry": _pose, "pose": _pose, "tf": _transform,
    }
    return special.get(name, lambda rng, message: changed(rng, message, rng.choice((1, 1, 2, 5))))


def _depth(rng: random.Random, image: Any) -> Any:
    if rng.random() < 0.5:
        return harm_image(rng, image)
    depth = np.frombuffer(image.data, np.float32).copy()
    depth[: rng.choice((len(depth), len(depth) // 2))] = rng.choice(
        (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-30, 65.0, 1e30)
    )
    image.data = array("B", depth.tobytes())
    return image


def _pose(rng: random.Random, message: Any) -> Any:
    pose = message.pose.pose if isinstance(message, Odometry) else message.pose
    _move(rng, pose, pose.position, pose.orientation)
    return message


def _transform(rng: random.Random, message: TFMessage) -> TFMessage:
    """Something wrong with the one transform, or with their number or names."""
    item = message.transforms[0]
    choice = rng.randrange(5)
    if choice == 0:
        item.child_frame_id = rng.choice((*STRINGS, "map", "/camera"))
    elif choice == 1:
        message.transforms = [item] * rng.choice((0, 2, 1000))
    else:
        _move(rng, item.transform, item.transform.translation, item.transform.rotation)
    return message


def _move(rng: random.Random, whole: Any, position: Any, orientation: Any) -> None:
    if rng.random() < 0.3:
        for axis in "xyzw":
            setattr(orientation, axis, rng.choice((0.0, 1e-12, 1e200, float("nan"), -2.0)))
    elif rng.random() < 0.3:
        setattr(position, rng.choice("xyz"), rng.choice((9_999.0, 10_001.0, -1e18, 1e308)))
    else:
        changed(rng, whole, rng.choice((1, 2)))


def _header(message: Any) -> Header:
    """That of a message, or of the first transform in it."""
    first = message.transforms[0] if isinstance(message, TFMessage) else message
    return first.header


def _cloud(rng: random.Random, cloud: PointCloud2) -> PointCloud2:
    choice = rng.randrange(5)
    if choice == 0:
        cloud.width, cloud.height = rng.choice(SIDES), rng.choice(SIDES)
    elif choice == 1:
        cloud.point_step = rng.choice((0, 1, 3, cloud.point_step + 1, 2**32 - 1))
        cloud.row_step = min(cloud.point_step * cloud.width, 2**32 - 1)
    elif choice == 2:
        rows = np.frombuffer(cloud.data, np.float32).copy()
        some = slice(None, None, rng.choice((1, 7)))
        with np.errstate(all="ignore"):
            rows[some] *= rng.choice((np.nan, np.inf, 0.0, 1000.0, 1e6, 1e38, -1.0))
        cloud.data = array("B", rows.tobytes())
    elif choice == 3:
        changed(rng, cloud.fields[rng.randrange(len(cloud.fields))], 2)
    else:
        changed(rng, cloud, 3)
    return cloud


def _head(rng: random.Random, message: Any) -> Any:
    if rng.random() < 0.5:
        _header(message).frame_id = rng.choice(STRINGS)
    elif rng.random() < 0.5:
        _header(message).stamp = to_time(stamp_ns(_header(message).stamp) + rng.choice(SHIFTS_NS))
    else:
        _header(message).stamp.sec, _header(message).stamp.nanosec = rng.choice(STAMPS)
    return message


def _disorder(rng: random.Random, messages: Messages) -> Messages:
    choice = rng.randrange(3)
    if choice == 0:
        rng.shuffle(messages)
        return messages
    at = rng.randrange(len(messages))
    if choice == 1:
        return messages[:at] + messages[at + 1 :]
    return messages + [messages[at]] * rng.choice((1, 3))

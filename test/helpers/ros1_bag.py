"""The frames of :mod:`helpers.recorded_scene` in a bag of ROS 1."""

from __future__ import annotations

import numpy as np
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.typesys import Stores, get_typestore

from helpers.bag_maker import OPTICAL
from helpers.recorded_scene import HEIGHT, WIDTH, K, color_of, depth_of, pose_of
from om3d_core.data.poses import quaternion_of
from om3d_core.formats.image_fields import encode_image
from om3d_core.sources.bag.reader import standard_types
from om3d_core.sources.bag.topics import TF

STEP_NS = 100_000_000
TIME = 1_700_000_000_000_000_000
COLOR, DEPTH, INFO = "/cam/color/image_raw", "/cam/depth/image_raw", "/cam/color/camera_info"


def write_ros1(path, numbers, compression=None):
    """The same frames by a ROS 1 recorder, with tf of its older type."""
    types = get_typestore(Stores.ROS1_NOETIC)
    types.register({"tf/msg/tfMessage": standard_types().fielddefs[TF]})
    make = {name.rpartition("/")[2]: kind for name, kind in types.types.items()}
    writer, links = Ros1Writer(path), {}
    if compression:
        writer.set_compression(Ros1Writer.CompressionFormat[compression])
    with writer as bag:

        def put(topic, at, message, kind=""):
            kind = kind or message.__msgtype__
            if topic not in links:
                links[topic] = bag.add_connection(topic, kind, typestore=types)
            bag.write(links[topic], at, types.serialize_ros1(message, kind))

        for n in numbers:
            at = TIME + n * STEP_NS
            time = types.types["builtin_interfaces/msg/Time"](*divmod(at, 1_000_000_000))
            header = make["Header"](n, time, OPTICAL)
            pose = pose_of(n)
            put("/tf", at, types.types["tf/msg/tfMessage"]([make["TransformStamped"](
                make["Header"](n, time, "map"), OPTICAL, make["Transform"](
                    make["Vector3"](*map(float, pose[:3, 3])),
                    make["Quaternion"](*map(float, quaternion_of(pose)))))]), "tf/msg/tfMessage")
            roi = make["RegionOfInterest"](0, 0, 0, 0, False)
            put(INFO, at, make["CameraInfo"](
                header, HEIGHT, WIDTH, "plumb_bob", np.zeros(5), np.asarray(K, float).reshape(-1),
                np.eye(3).reshape(-1), np.zeros(12), 0, 0, roi))
            for topic, image, encoding in (
                (COLOR, color_of(n), "rgb8"), (DEPTH, depth_of(n), "16UC1")
            ):
                f = encode_image(image, encoding)
                put(topic, at, make["Image"](header, f.height, f.width, f.encoding,
                                             f.is_bigendian, f.step, f.data))
    return path

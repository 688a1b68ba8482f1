"""A map as vision_msgs/Detection3DArray: one latched message in a bag of ROS 2."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from om3d_core.data.scene import Scene
from om3d_core.settings import Settings, setting
from om3d_core.sources.bag.writer import BAG_VERSION, offered_profiles

DEFINITIONS = {
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score\n",
    "vision_msgs/msg/ObjectHypothesisWithPose":
        "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n",
    "vision_msgs/msg/BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size\n",
    "vision_msgs/msg/Detection3D":
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox3D bbox\nstring id\n",
    "vision_msgs/msg/Detection3DArray":
        "std_msgs/Header header\nvision_msgs/Detection3D[] detections\n",
}  # fmt: skip
"""vision_msgs 4, which every distribution since Humble has."""
ARRAY = "vision_msgs/msg/Detection3DArray"


@dataclass(frozen=True)
class Detection3DSettings(Settings):
    """How the message is published when the bag is played."""

    topic: str = setting("/detections", "name of the topic")
    frame: str = setting("map", "frame of the boxes, where the map does not name its own")
    structure: bool = setting(False, "floor, walls and ceiling as well")


class Detection3DExporter:
    """An MCAP file with one Detection3DArray, as ``mapper`` publishes it on ``~/detections``: a
    detection an object, by ascending id, its label, or its id where it has none, the only
    hypothesis.

    The map holds at any time: the stamps are 0. The message was recorded when the map was last
    seen.
    """

    suffix = ".mcap"

    def __init__(self, settings: Detection3DSettings):
        self._settings = settings

    def write(self, scene: Scene, path: Path) -> None:
        """Write the bag as a single file."""
        from rosbags.rosbag2 import StoragePlugin, Writer

        types = vision_types()
        bag = path.parent / "bag"
        with Writer(bag, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP) as writer:
            link = writer.add_connection(
                self._settings.topic, ARRAY, typestore=types,
                offered_qos_profiles=offered_profiles(latched=True),
            )  # fmt: skip
            message = self._array(types.types, scene)
            seen_ns = max(int(scene.views.stamps.max(initial=0)), 0)
            writer.write(link, seen_ns, types.serialize_cdr(message, ARRAY))
        (bag / f"{bag.name}.mcap").rename(path)

    def _array(self, types: dict[str, Any], scene: Scene) -> Any:
        stamp = types["builtin_interfaces/msg/Time"](0, 0)
        frame = scene.frame or self._settings.frame
        header = types["std_msgs/msg/Header"](stamp, frame)
        rows = [
            i for i in scene.ids.argsort().tolist()
            if self._settings.structure or not scene.masks.structure[i]
        ]  # fmt: skip
        return types[ARRAY](header, [_detection(types, scene, i, header) for i in rows])


def _detection(types: dict[str, Any], scene: Scene, i: int, header: Any) -> Any:
    box = scene.boxes[i]
    pose = types["geometry_msgs/msg/Pose"](
        types["geometry_msgs/msg/Point"](*box.center.tolist()),
        types["geometry_msgs/msg/Quaternion"](*box.quaternion.tolist()),
    )
    hypothesis = types["vision_msgs/msg/ObjectHypothesis"](
        scene.labels[i] or str(scene.ids[i]), float(scene.masks.scores[i])
    )
    with_pose = types["geometry_msgs/msg/PoseWithCovariance"](pose, np.zeros(36))
    size = types["geometry_msgs/msg/Vector3"](*box.size.tolist())
    return types["vision_msgs/msg/Detection3D"](
        header,
        [types["vision_msgs/msg/ObjectHypothesisWithPose"](hypothesis, with_pose)],
        types["vision_msgs/msg/BoundingBox3D"](pose, size),
        str(scene.ids[i]),
    )


@cache
def vision_types() -> Any:
    """The standard message types, and those of vision_msgs that hold boxes."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, name))
    return store

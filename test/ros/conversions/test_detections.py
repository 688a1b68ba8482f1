"""The map as vision_msgs/Detection3DArray."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from geometry_msgs.msg import PoseWithCovariance
from helpers.scenes import make_scene
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import Reader
from vision_msgs.msg import BoundingBox3D, Detection3D, Detection3DArray, ObjectHypothesis

from om3d_core.data.scene import Scene
from om3d_core.export.base import export
from om3d_core.export.detection3d import Detection3DExporter, Detection3DSettings
from om3d_ros.conversions.detections import to_detections
from om3d_ros.conversions.stamps import header

FIELDS = {
    Detection3DArray: {
        "header": "std_msgs/Header", "detections": "sequence<vision_msgs/Detection3D>",
    },
    Detection3D: {
        "header": "std_msgs/Header",
        "results": "sequence<vision_msgs/ObjectHypothesisWithPose>",
        "bbox": "vision_msgs/BoundingBox3D", "id": "string",
    },
    BoundingBox3D: {"center": "geometry_msgs/Pose", "size": "geometry_msgs/Vector3"},
    ObjectHypothesis: {"class_id": "string", "score": "double"},
}
"""Names, types and order in the package vision_msgs, version 4.1."""


def test_the_messages_are_those_of_vision_msgs():
    for kind, fields in FIELDS.items():
        assert list(kind.get_fields_and_field_types().items()) == list(fields.items())


def test_objects_have_their_ids_labels_scores_and_boxes():
    scene = make_scene()
    scene = replace(scene, ids=np.array([7, 9, 2, 4]))
    message = to_detections(scene, "map")
    assert message.header == header("map", 0)
    rows = [2, 0, 1]
    assert scene.masks.structure.tolist() == [False, False, False, True]
    assert [d.id for d in message.detections] == ["2", "7", "9"]
    assert [d.results[0].hypothesis.class_id for d in message.detections] == ["chair", "a", "9"]
    for i, detection in zip(rows, message.detections, strict=True):
        (result,), box, center = detection.results, scene.boxes[i], detection.bbox.center
        assert detection.header == message.header
        assert result.hypothesis.score == float(scene.masks.scores[i])
        assert np.allclose([center.position.x, center.position.y, center.position.z], box.center)
        assert np.allclose([detection.bbox.size.x, detection.bbox.size.y], box.size[:2])
        assert result.pose == PoseWithCovariance(pose=center)
    read = deserialize_message(serialize_message(message), Detection3DArray)
    assert read == message


def test_an_empty_map_has_no_detections():
    assert not to_detections(Scene.empty(3), "map").detections


def test_an_exported_map_is_the_message_that_the_mapper_publishes(tmp_path):
    scene, path = make_scene(seed=1), tmp_path / "map.mcap"
    export(scene, Detection3DExporter(Detection3DSettings()), path)
    with Reader(path) as reader:
        ((link, _, raw),) = reader.messages()
    assert link.msgtype == "vision_msgs/msg/Detection3DArray"
    assert deserialize_message(bytes(raw), Detection3DArray) == to_detections(scene, "map")

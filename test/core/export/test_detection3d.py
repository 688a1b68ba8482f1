"""A bag with Detection3DArray, read by rosbags with the definitions that it brings along."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from om3d_core.export.detection3d import ARRAY


def read(path):
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        ((link, stamp_ns, raw),) = reader.messages()
        assert link.msgtype == ARRAY
        return link, stamp_ns, reader.deserialize(raw, link.msgtype)


def test_rosbags_reads_objects_by_id(scene, written):
    link, stamp_ns, message = read(written(scene, "detection3d"))
    assert link.topic == "/detections" and message.header.frame_id == "map"
    (qos,) = link.ext.offered_qos_profiles
    assert qos.durability.name == "TRANSIENT_LOCAL" and qos.reliability.name == "RELIABLE"
    assert stamp_ns == scene.views.stamps.max() and message.header.stamp.sec == 0
    assert [d.id for d in message.detections] == ["6", "7", "8"], "5 is structure"
    for detection, row in zip(message.detections, (2, 1, 0), strict=True):
        box, (result,) = scene.boxes[row], detection.results
        center, turn = detection.bbox.center.position, detection.bbox.center.orientation
        assert np.allclose([center.x, center.y, center.z], box.center)
        assert np.allclose([turn.x, turn.y, turn.z, turn.w], box.quaternion)
        assert np.allclose([getattr(detection.bbox.size, a) for a in "xyz"], box.size)
        assert result.hypothesis.class_id == (scene.labels[row] or detection.id)
        assert result.hypothesis.score == float(scene.masks.scores[row])


def test_topic_frame_and_structure_are_chosen(scene, written):
    settings = {"topic": "/things", "frame": "odom", "structure": True}
    link, _, message = read(written(replace(scene, frame=""), "detection3d", **settings))
    assert link.topic == "/things" and message.header.frame_id == "odom"
    assert [d.id for d in message.detections] == ["5", "6", "7", "8"]

"""Scene to vision_msgs/Detection3DArray, for whoever knows no message of om3d."""

from __future__ import annotations

from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox3D,
    Detection3D,
    Detection3DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from om3d_core.data.scene import Scene
from om3d_ros.conversions.poses import box_pose, vector
from om3d_ros.conversions.stamps import header as make_header


def to_detections(scene: Scene, frame_id: str) -> Detection3DArray:
    """The objects of a scene by ascending id, without floor, walls and ceiling.

    ``Detection3D.id`` is the id of the instance, the only hypothesis its label, or its id where
    it has none, with the score of its mask. A map holds at any time: the stamp is 0.
    """
    header = make_header(frame_id, 0)
    rows = [i for i in scene.ids.argsort().tolist() if not scene.masks.structure[i]]
    return Detection3DArray(
        header=header, detections=[_detection(scene, i, header) for i in rows]
    )


def _detection(scene: Scene, i: int, header: Header) -> Detection3D:
    box, name = scene.boxes[i], str(scene.ids[i])
    hypothesis = ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(
        class_id=scene.labels[i] or name, score=float(scene.masks.scores[i])
    ))
    hypothesis.pose.pose = box_pose(box)
    return Detection3D(
        header=header,
        results=[hypothesis],
        bbox=BoundingBox3D(center=box_pose(box), size=vector(box.size)),
        id=name,
    )

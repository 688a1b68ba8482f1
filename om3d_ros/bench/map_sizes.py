"""Bytes of what the mapper publishes of its map, serialized as on the wire."""

from __future__ import annotations

from rclpy.serialization import serialize_message

from om3d_core.data.scene import Scene
from om3d_ros.conversions.detections import to_detections
from om3d_ros.conversions.instances import to_cloud_of_instances, to_instances
from om3d_ros.conversions.map_parts import MapParts
from om3d_ros.conversions.map_updates import to_update
from om3d_ros.conversions.stamps import header

FRAME = "map"
FOR_PEOPLE = ("detections", "instance_cloud")


class MapSizes:
    """What each revision of a map costs, with a listener on every topic."""

    def __init__(self) -> None:
        self._base: MapParts | None = None

    def of(self, scene: Scene, whole: bool = False) -> dict[str, int]:
        """Bytes by topic of a revision after the one that was asked about last, or of all of it.

        As the node does: what looks as it did is not published again on topics for people.
        """
        base = None if whole else self._base
        new, at = MapParts.of(scene), header(FRAME, int(scene.views.stamps.max(initial=0)))
        messages = {
            "updates": to_update(base, new, at),
            "instances": to_instances(scene, at),
            "detections": to_detections(scene, FRAME),
            "instance_cloud": to_cloud_of_instances(scene, FRAME),
        }
        sizes = {topic: len(serialize_message(message)) for topic, message in messages.items()}
        if base is not None and base.look == new.look:
            sizes |= dict.fromkeys(FOR_PEOPLE, 0)
        self._base = new
        return sizes

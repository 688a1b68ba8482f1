"""The mapper: posed RGB-D and clouds in, the map of instances out. A lifecycle node."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from om3d.action import Refresh
from om3d.msg import MapperStatus
from om3d.srv import ClearMap, LoadMap, SaveMap
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.timer import Timer
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from om3d_core.data.scene import Scene
from om3d_core.mapping.settings import MapSettings
from om3d_ros.conversions import stamps
from om3d_ros.conversions.poses import POSE_TOPICS
from om3d_ros.map_publisher import MapPublisher
from om3d_ros.mapper_cameras import Cameras
from om3d_ros.mapper_session import MappingSession
from om3d_ros.mapper_streams import CAMERA_TOPICS, topic_of
from om3d_ros.node import qos
from om3d_ros.node.diagnostics import Health
from om3d_ros.node.executor import OneAtATime
from om3d_ros.node.inputs import Input
from om3d_ros.node.lifecycle import ManagedNode
from om3d_ros.node.outcomes import NotActiveError, carry_out
from om3d_ros.node.parameters import ParameterSet
from om3d_ros.node.process import run
from om3d_ros.node.settings import TRANSPORTS, MapperNodeSettings, SensorSettings
from om3d_ros.planning_scene import PlanningScenePublisher
from om3d_ros.refresh_goal import RefreshGoals

STATUS_PERIOD_S = 0.05
PARAMETERS = ParameterSet(
    (MapperNodeSettings, MapSettings),
    live=frozenset({
        "queue.capacity", "refresh.period_s", "refresh.on_cloud", "services.timeout_s",
        "diagnostics.period_s",
    }),
    read_only=frozenset({"autostart"}),
)


class MapperNode(ManagedNode):
    """Wiring of :class:`~om3d_ros.mapper_session.MappingSession` to topics, services, action."""

    def __init__(self) -> None:
        self._mapping: MappingSession | None = None
        self._refresh_timer: Timer | None = None
        self._planning: PlanningScenePublisher | None = None
        super().__init__("mapper", PARAMETERS, MapperNodeSettings)
        requests = OneAtATime()
        self.serve(SaveMap, "~/save", self._save, requests)
        self.serve(LoadMap, "~/load", self._load, requests)
        self.serve(ClearMap, "~/clear", self._clear, requests)
        self._action = ActionServer(
            self,
            Refresh,
            "~/refresh",
            RefreshGoals(self._running, self.get_logger()).carry_out,
            callback_group=ReentrantCallbackGroup(),
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            goal_service_qos_profile=qos.requests(),
            result_service_qos_profile=qos.requests(),
            cancel_service_qos_profile=qos.requests(),
        )
        self.steady_timer(STATUS_PERIOD_S, self._publish_status)

    def set_up(self) -> None:
        """Load the models."""
        settings = self.parameters.get(MapperNodeSettings)
        self._map = MapPublisher(self)
        if settings.moveit.enabled:
            self._planning = PlanningScenePublisher(self, settings.moveit)
        self._status = self.publisher(MapperStatus, "~/status", qos.latched())
        self._mapping = MappingSession(
            settings, self.parameters.get(MapSettings), self._publish, self.get_logger()
        )

    def start(self) -> None:
        """Subscribe to the sensors."""
        mapping, settings = self._require(), self.parameters.get(MapperNodeSettings)
        self._last_status: MapperStatus | None = None
        mapping.start()
        sensor = settings.sensor
        listen = partial(self.listen, reliability=sensor.reliability)
        shared = {"cloud": listen(PointCloud2, "cloud_map", mapping.take_cloud, 1)}
        shared |= self._listen_to_poses(mapping.cameras, settings.pose.source, listen)
        mapping.watch({
            name: self._listen_to_camera(mapping.cameras, name, sensor, listen) | shared
            for name in settings.camera_names
        })
        self._set_refresh_period(settings.refresh.period_s)
        if self._planning is not None:
            self._planning.start()

    def stop(self) -> None:
        """Stop taking inputs; the map stays."""
        self._refresh_timer = None
        self._require().pause()
        if self._planning is not None:
            self._planning.stop()

    def tear_down(self) -> None:
        """Free the models and the map."""
        planning, self._planning = self._planning, None
        if planning is not None:
            planning.stop()
        mapping, self._mapping = self._mapping, None
        if mapping is not None:
            mapping.close()

    def apply(self, names: Collection[str]) -> None:
        """Use changed parameters."""
        settings = self.parameters.get(MapperNodeSettings)
        if self._mapping is not None:
            self._mapping.apply(settings)
        if self.is_active and "refresh.period_s" in names:
            self._set_refresh_period(settings.refresh.period_s)

    def clock_went_back(self) -> None:
        """Forget what waits for partners of an earlier time."""
        if self._mapping is not None:
            self._mapping.clock_went_back()

    def health(self) -> Health:
        """What /diagnostics says."""
        if self._mapping is None:
            return Health(values={"active": False})
        return self._mapping.health(self.is_active)

    def _require(self) -> MappingSession:
        if self._mapping is None:
            raise NotActiveError("expected a configured mapper")
        return self._mapping

    def _listen_to_camera(
        self, cameras: Cameras, name: str, sensor: SensorSettings, listen: Callable[..., Input]
    ) -> dict[str, Input]:
        """Subscribe to the topics of one camera."""
        endings = TRANSPORTS[sensor.transport]
        image = Image if sensor.transport == "raw" else CompressedImage
        inputs: dict[str, Input] = {}
        for channel in CAMERA_TOPICS:
            topic = self.resolve_topic_name(topic_of(name, channel)) + endings.get(channel, "")
            inputs[channel] = listen(
                image if channel in endings else CameraInfo, topic,
                partial(cameras.take_image, name, channel), sensor.qos_depth,
            )
        return inputs

    def _listen_to_poses(
        self, cameras: Cameras, source: str, listen: Callable[..., Input]
    ) -> dict[str, Input]:
        """Subscribe to tf, and to the pose topic if there is one."""
        inputs = {
            "pose" if source == "tf" else "tf": listen(
                TFMessage, "/tf", partial(cameras.take_transforms, fixed=False), qos.POSE_DEPTH
            ),
            "tf_static": listen(
                TFMessage, "/tf_static", partial(cameras.take_transforms, fixed=True),
                qos.POSE_DEPTH,
            ),
        }
        if source in POSE_TOPICS:
            kind, topic = POSE_TOPICS[source]
            inputs["pose"] = listen(kind, topic, cameras.take_pose, qos.POSE_DEPTH)
        return inputs

    def _set_refresh_period(self, period_s: float) -> None:
        if self._refresh_timer is not None:
            self.end_timer(self._refresh_timer)
        mapping = self._require()
        self._refresh_timer = (
            self.repeat(period_s, mapping.schedule_refresh) if period_s > 0 else None
        )

    def _publish(self, scene: Scene, stamp_ns: int, whole: bool) -> None:
        frame_id = self.parameters.get(MapperNodeSettings).map_frame
        self._map.publish(scene, stamps.header(frame_id, stamp_ns), whole)
        if self._planning is not None:
            self._planning.publish(scene, frame_id, whole)

    def _publish_status(self) -> None:
        if self._mapping is None or not self.is_active:
            return
        self._mapping.cameras.settle()
        header = self._last_status.header if self._last_status else Header()
        status = self._mapping.status(header)
        if status != self._last_status:
            frame_id = self.parameters.get(MapperNodeSettings).map_frame
            status.header = Header(frame_id=frame_id, stamp=self.get_clock().now().to_msg())
            self._last_status = status
            self._status.publish(status)

    def _save(self, request: Any, response: Any) -> Any:
        def work(out: Any) -> None:
            out.path, scene = self._running().save(request.name)
            out.map_id, out.revision = scene.map_id, scene.revision

        return carry_out(response, work, self.get_logger())

    def _load(self, request: Any, response: Any) -> Any:
        def work(out: Any) -> None:
            scene = self._running().load(request.name)
            out.map_id, out.revision, out.n_instances = scene.map_id, scene.revision, len(scene)

        return carry_out(response, work, self.get_logger())

    def _clear(self, request: Any, response: Any) -> Any:
        def work(out: Any) -> None:
            scene = self._running().clear()
            out.map_id, out.revision = scene.map_id, scene.revision

        return carry_out(response, work, self.get_logger())

    def _running(self) -> MappingSession:
        self.require_active()
        return self._require()


def main(args: Sequence[str] | None = None) -> int:
    """Run the mapper node."""
    return run(MapperNode, args)


if __name__ == "__main__":
    sys.exit(main())

"""A robot for tests: real nodes as processes, a client that streams frames and asks."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager

import numpy as np
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from om3d.msg import Error
from om3d.srv import ClearMap, LoadMap, QueryImage, QueryText, SaveMap
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from om3d_ros.conversions.clouds import from_cloud
from om3d_ros.conversions.images import from_intrinsics, from_pixels
from om3d_ros.conversions.poses import from_matrix
from om3d_ros.conversions.stamps import header
from om3d_ros.node import qos
from om3d_ros.replay import QUERY_REMAPS
from om3d_ros.replay.client import Client
from om3d_ros.replay.processes import NodeProcess, Processes

MAPPER = {
    "autostart": True, "features.encoders": "color", "refresh.period_s": 0.0,
    "pose.source": "odometry", "fusion.voxel_m": 0.03, "views.top_k": 3, "views.min_pixels": 10,
    "diagnostics.period_s": 0.2,
}
QUERY = {"autostart": True, "diagnostics.period_s": 0.2}
TIMEOUT_S, RESEND_S = 40.0, 3.0


class Talker:
    """Who sends frames to nodes and calls their services, through ``client``."""

    def __init__(self, client):
        self.client, node = client, client.node
        self._clients = {}
        best_effort = qos_profile_sensor_data
        self.publishers = {
            "color": node.create_publisher(Image, "color/image_raw", qos.results()),
            "depth": node.create_publisher(Image, "depth/image_raw", qos.results()),
            "camera_info": node.create_publisher(CameraInfo, "color/camera_info", qos.results()),
            "odometry": node.create_publisher(Odometry, "odometry", qos.results()),
            "pose": node.create_publisher(PoseStamped, "pose", best_effort),
            "tf": node.create_publisher(TFMessage, "/tf", qos.results()),
            "tf_static": node.create_publisher(TFMessage, "/tf_static", qos.latched()),
            "cloud": node.create_publisher(PointCloud2, "cloud_map", qos.latched()),
        }

    def wait(self, done, what):
        self.client.spin_until(done, TIMEOUT_S, what)

    def call(self, kind, name, /, **fields):
        return self.client.call(self.client_of(kind, name), kind.Request(**fields))

    def client_of(self, kind, name):
        """The client of a service that is there."""
        key = (kind, name)
        if key not in self._clients:
            self._clients[key] = self.client.node.create_client(kind, name)
        self.wait(self._clients[key].service_is_ready, f"service {name}")
        return self._clients[key]

    def transition(self, node, label):
        """Ask ``node`` for a lifecycle transition; say whether it succeeded."""
        wanted = Transition(id=getattr(Transition, f"TRANSITION_{label.upper()}"))
        return self.call(ChangeState, f"{node}/change_state", transition=wanted).success

    def state(self, node):
        return self.call(GetState, f"{node}/get_state").current_state.label

    def set_parameter(self, node, name, value):
        message = Parameter(name, value=value).to_parameter_msg()
        return self.call(SetParameters, f"{node}/set_parameters", parameters=[message]).results[0]

    def send(self, frame, without=(), encoding="rgb8", shift_ns=0):
        """Publish one frame, perhaps without some of its messages."""
        stamp = frame.stamp_ns + shift_ns
        camera, world = header("camera", stamp), header("map", stamp)
        odometry = Odometry(header=world, child_frame_id="camera")
        odometry.pose.pose = from_matrix(frame.map_from_camera)
        color = from_pixels(frame.rgb, "rgb8", camera)
        color.encoding = encoding
        messages = {
            "odometry": odometry,
            "camera_info": from_intrinsics(frame.intrinsics, camera),
            "depth": from_pixels(frame.depth, "32FC1", camera),
            "color": color,
        }
        for name, message in messages.items():
            if name not in without:
                self.publishers[name].publish(message)
        self.client.spin(0.01)


class Robot(Talker):
    """Both nodes with doubles for models, and everything that talks to them."""

    def __init__(self, folder, domain, mapper=None, query=None):
        self.folder, self._domain = folder, domain
        self._hold = folder / "hold"
        self._mapper_parameters = {
            **MAPPER, "map_root": str(folder / "maps"), "proposals.method": "precomputed",
            "precomputed.path": str(self._hold), **(mapper or {}),
        }
        self._query_parameters = {**QUERY, **(query or {})}
        self._stack = ExitStack()
        self.processes = self._stack.enter_context(Processes())
        self.mapper = self.start_mapper()
        self.query = self.processes.add(NodeProcess(
            "helpers.doubled_query", folder / "query.log", domain, self._query_parameters,
            QUERY_REMAPS,
        ))
        super().__init__(self._stack.enter_context(Client(domain, self.processes.check)))
        self.diagnostics = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stack.close()

    def start_mapper(self):
        log = self.folder / f"mapper-{len(list(self.folder.glob('*.log')))}.log"
        self.mapper = self.processes.add(NodeProcess(
            "helpers.doubled_mapper", log, self._domain, self._mapper_parameters
        ))
        return self.mapper

    @contextmanager
    def held(self):
        """Meanwhile a refresh goes on and on, until it is canceled."""
        self._hold.touch()
        try:
            yield
        finally:
            self._hold.unlink()

    def wait_until_ready(self):
        self.client.wait_for_nodes()
        subscribed = [p for name, p in self.publishers.items() if name != "pose"]
        self.wait(lambda: all(p.get_subscription_count() for p in subscribed), "subscriptions")
        return self

    def text(self, text, **fields):
        return self.call(QueryText, "query/query_text", text=text, **fields)

    def image(self, **fields):
        return self.call(QueryImage, "query/query_image", **fields)

    def save(self, name):
        return self.call(SaveMap, "mapper/save", name=name)

    def load(self, name):
        return self.call(LoadMap, "mapper/load", name=name)

    def clear(self):
        return self.call(ClearMap, "mapper/clear")

    def stream(self, frames, **options):
        """Publish frames one by one, each once the mapper is done with the one before.

        A frame that is lost is sent again: topics connect a moment after they are discovered.
        """
        for frame in frames:
            before, sent = self.done(), 0.0

            def done(frame=frame, before=before):
                nonlocal sent
                if self.done() == before and time.monotonic() - sent > RESEND_S:
                    self.send(frame, **options)
                    sent = time.monotonic()
                return self.done() > before

            self.wait(done, "the frame to be processed")

    def done(self):
        status = self.client.status
        return status.frames_processed + status.inputs_rejected

    def send_cloud(self, cloud, stamp_ns=1):
        self.publishers["cloud"].publish(from_cloud(cloud, header("map", stamp_ns)))

    def refresh(self):
        """Refresh and wait until the query node has the result."""
        result = self.client.refresh()
        return result, self.client.wait_for_map(result)

    def centers(self):
        """The centers (N, 3) of the boxes of all instances, after a refresh."""
        _, scene = self.refresh()
        return np.array([box.center for box in scene.boxes])


def code_name(code):
    """The name of an error code, for readable failures."""
    names = [n for n in dir(Error) if n.isupper() and isinstance(getattr(Error, n), int)]
    return next((n for n in names if getattr(Error, n) == code), str(code))

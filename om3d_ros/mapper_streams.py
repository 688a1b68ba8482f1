"""The topics of one camera, and its poses: messages in, posed shots out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image

from om3d_core.errors import InputError
from om3d_core.streams.assembler import FrameAssembler, Posed, StreamState
from om3d_core.streams.live_poses import LivePoses
from om3d_core.streams.live_transforms import LiveTransforms
from om3d_core.streams.pose_gate import MotionGate, check_certain
from om3d_ros.conversions import poses
from om3d_ros.conversions.images import DepthCamera, Shot
from om3d_ros.conversions.stamps import stamp_ns
from om3d_ros.node.diagnostics import Rate
from om3d_ros.node.settings import MapperNodeSettings

PAIRED, HELD = ("color", "depth"), ("camera_info",)
CAMERA_TOPICS = {
    "color": "color/image_raw", "depth": "depth/image_raw", "camera_info": "color/camera_info",
    "depth_info": "depth/camera_info",
}
"""The inputs of a camera by channel, below its name if it has one."""
Ready = list[Posed[Any]]


class Streams:
    """Puts the shots of one camera together.

    Not for several threads at once: :class:`~om3d_ros.mapper_cameras.Cameras` sees to that.
    """

    def __init__(self, settings: MapperNodeSettings, transforms: LiveTransforms, logger: Any):
        sync, pose = settings.sync, settings.pose
        self._pose, self._depth, self._logger = pose, settings.depth, logger
        self._by_tf = pose.source == "tf"
        self._transforms = transforms
        self.poses = LivePoses(
            transforms, self._by_tf, pose.max_gap_ns, 2 * sync.wait_ns + pose.max_gap_ns
        )
        self._frames: FrameAssembler[Any] = FrameAssembler(
            PAIRED, sync, self.poses, HELD, self._awaits
        )
        self._gate = MotionGate(pose)
        self._color_rate = Rate()
        self._calibration: CameraInfo | None = None
        self._depth_info: CameraInfo | None = None

    @property
    def state(self) -> StreamState:
        """What came and what became of it."""
        return self._frames.state

    @property
    def color_hz(self) -> float:
        """The rate of the color images."""
        return self._color_rate.hz

    def add_image(self, channel: str, message: Any) -> Ready:
        """Take a message of ``color``, ``depth``, ``camera_info`` or ``depth_info``."""
        if channel == "depth_info":
            self._depth_info = message
            return self._frames.look_again()
        if channel == "color":
            self._color_rate.tick()
            self.poses.see(message.header.frame_id)
        elif channel == "camera_info":
            self._note_calibration(message)
        return self._frames.add_message(channel, stamp_ns(message.header.stamp), message)

    def add_pose(self, message: Odometry | PoseStamped | PoseWithCovarianceStamped) -> Ready:
        """Take a message of the pose topic; raises InputError for one that is too uncertain.

        Whose pose it is the setting ``pose.of_frame`` says, or else the message.
        """
        pose, child = message.pose, getattr(message, "child_frame_id", "")
        if not isinstance(message, PoseStamped):
            check_certain(pose.covariance, self._pose)
            pose = pose.pose
        stamp, matrix = stamp_ns(message.header.stamp), poses.to_matrix(pose)
        named = message.header.frame_id, self._pose.of_frame or child
        return self._frames.add_pose(stamp, lambda: self.poses.add_pose(*named, stamp, matrix))

    def note_transforms(self) -> Ready:
        """tf has learned something."""
        return self._frames.note_transforms(self._by_tf)

    def settle(self) -> Ready:
        """After silence, frames no longer wait for something better."""
        return self._frames.settle()

    def jump(self) -> None:
        """The clock went back: forget what waits for partners of an earlier time."""
        self._frames.jump()

    def shot(self, posed: Posed[Any]) -> Shot:
        """The messages of a frame with all that tells where its pixels are.

        Raises InputError for one whose camera moved too fast, and for depth of a camera of its own
        whose calibration or place is not known.
        """
        color, depth, camera_info = posed.messages
        self._gate.check(posed.stamp_ns, posed.map_from_camera)
        camera = None
        if self._has_own_camera(depth, color):
            frame, stamp = depth.header.frame_id, posed.stamp_ns
            move, info = self.poses.camera_from(frame, stamp), self._depth_info
            if info is None or move is None:
                lacking = [
                    *(["a message on depth/camera_info"] if info is None else []),
                    *(["tf between the two"] if move is None else []),
                ]
                raise InputError(
                    f"depth is in {frame!r}, color in {color.header.frame_id!r}: expected depth"
                    f" registered to color, or {' and '.join(lacking)} (depth.camera)"
                )
            camera = DepthCamera(info, move)
        return Shot(
            posed.stamp_ns, color, depth, camera_info, posed.map_from_camera, camera,
            len(self._transforms.corrections),
        )

    def _awaits(self, stamp: int, messages: Sequence[Any]) -> bool:
        """Whether what a shot needs beside its messages is still to come."""
        color, depth, info = messages
        if isinstance(color, Image) and (color.width, color.height) != (info.width, info.height):
            return True
        if not self._has_own_camera(depth, color):
            return False
        frame = depth.header.frame_id
        return self._depth_info is None or self.poses.camera_from(frame, stamp) is None

    def _has_own_camera(self, depth: Any, color: Any) -> bool:
        return self._depth.has_own_camera(depth.header.frame_id, color.header.frame_id)

    def _note_calibration(self, message: CameraInfo) -> None:
        """Say when the camera_info changes; from its stamp on images are used with the new one."""
        last, self._calibration = self._calibration, message
        if last is not None and not _same(last, message):
            self._logger.warning(
                f"camera_info changed from {_named(last)} to {_named(message)}",
                throttle_duration_sec=2.0,
            )


def topic_of(camera: str, channel: str) -> str:
    """The topic of a channel of a camera; camera: its name, empty for the only one."""
    topic = CAMERA_TOPICS[channel]
    return f"{camera}/{topic}" if camera else topic


def _same(first: CameraInfo, second: CameraInfo) -> bool:
    return (
        (first.width, first.height) == (second.width, second.height)
        and np.array_equal(first.k, second.k)
        and np.array_equal(first.d, second.d)
    )


def _named(info: CameraInfo) -> str:
    return f"{info.width} x {info.height}, f {info.k[0]:.1f}, c {info.k[2]:.1f} {info.k[5]:.1f}"

"""The mapper's camera and pose topics: messages in, posed frames out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from om3d_core.errors import Om3dError
from om3d_core.streams.assembler import FrameAssembler, Posed, StreamState
from om3d_core.streams.live_poses import LivePoses
from om3d_core.streams.pose_gate import check_certain
from om3d_ros.conversions import poses
from om3d_ros.conversions.stamps import stamp_ns
from om3d_ros.node.diagnostics import Rate
from om3d_ros.node.outcomes import FrameError
from om3d_ros.node.settings import MapperNodeSettings

PAIRED, HELD = ("color", "depth"), ("camera_info",)


class Streams:
    """Puts frames together; its methods may be called from any thread.

    give: called with each frame, outside of any lock. reject: called with the error of a message
    that cannot be used.
    """

    def __init__(
        self,
        settings: MapperNodeSettings,
        give: Callable[[Posed[Any]], object],
        reject: Callable[[Exception], None],
        logger: Any,
    ):
        sync, pose = settings.sync, settings.pose
        self._wait_s, self._pose = sync.wait_ns / 1e9, pose
        self._give, self._reject, self._logger = give, reject, logger
        self._lock = threading.Lock()
        self._by_tf = pose.source == "tf"
        self._poses = LivePoses(
            settings.map_frame, self._by_tf, pose.max_gap_ns,
            2 * sync.wait_ns + pose.max_gap_ns,
        )
        self._frames: FrameAssembler[Any] = FrameAssembler(PAIRED, sync, self._poses, HELD)
        self._color_rate = Rate()
        self._came_s = time.monotonic()
        self._settled = True
        self._calibration: CameraInfo | None = None

    @property
    def state(self) -> StreamState:
        """What came and what became of it."""
        with self._lock:
            return self._frames.state

    @property
    def color_hz(self) -> float:
        """The rate of the color images."""
        return self._color_rate.hz

    @property
    def jumps(self) -> int:
        """How often the time of the streams went back."""
        return self._frames.jumps

    @property
    def lacks(self) -> str:
        """Which transform is lacking to tell poses, for people; empty if none."""
        with self._lock:
            return self._poses.lacks

    def take_image(self, channel: str, message: Any) -> None:
        """Take a message of ``color``, ``depth`` or ``camera_info``."""
        if channel == "color":
            self._color_rate.tick()
        elif channel == "camera_info":
            self._note_calibration(message)

        def add() -> list[Posed[Any]]:
            if channel == "color":
                self._poses.see(message.header.frame_id)
            return self._frames.add_message(channel, stamp_ns(message.header.stamp), message)

        self._add(add)

    def take_pose(self, message: Odometry | PoseStamped | PoseWithCovarianceStamped) -> None:
        """Take a message of the pose topic; one that is too uncertain is refused.

        Whose pose it is the message says, or else the setting ``pose.of_frame``.
        """
        def add() -> list[Posed[Any]]:
            pose, child = message.pose, getattr(message, "child_frame_id", "")
            if not isinstance(message, PoseStamped):
                check_certain(pose.covariance, self._pose)
                pose = pose.pose
            stamp, matrix = stamp_ns(message.header.stamp), poses.to_matrix(pose)
            named = message.header.frame_id, child or self._pose.of_frame
            return self._frames.add_pose(
                stamp, lambda: self._poses.add_pose(*named, stamp, matrix)
            )

        self._add(add)

    def take_transforms(self, message: TFMessage, fixed: bool) -> None:
        """Take the transforms of ``/tf``, or ``fixed`` ones of ``/tf_static``.

        Those that are none are refused, one by one.
        """
        def learn() -> None:
            for item in message.transforms:
                try:
                    self._poses.add_transform(
                        item.header.frame_id, item.child_frame_id, stamp_ns(item.header.stamp),
                        poses.of_transform(item.transform), fixed,
                    )
                except Om3dError as error:
                    self._reject(error)

        self._add(lambda: self._frames.add_transforms(learn, self._by_tf))

    def settle(self) -> None:
        """To be called now and then: after silence, frames no longer wait for something better."""
        if self._settled or time.monotonic() - self._came_s < self._wait_s:
            return
        with self._lock:
            self._settled = True
            ready = self._frames.settle()
        for posed in ready:
            self._give(posed)

    def jump(self) -> None:
        """The clock went back: forget what waits for partners of an earlier time."""
        with self._lock:
            self._frames.jump()

    def _add(self, add: Callable[[], list[Posed[Any]]]) -> None:
        """Run ``add`` under the lock; pass on the frames it completes, or its error."""
        try:
            with self._lock:
                self._came_s, self._settled = time.monotonic(), False
                ready = add()
        except Om3dError as error:
            self._reject(error)
            return
        for posed in ready:
            self._give(posed)

    def _note_calibration(self, message: CameraInfo) -> None:
        """Say when the camera_info changes; from its stamp on images are used with the new one."""
        last, self._calibration = self._calibration, message
        if last is not None and not _same(last, message):
            self._logger.warning(
                f"camera_info changed from {_named(last)} to {_named(message)}",
                throttle_duration_sec=2.0,
            )


def check_frame(name: str, header: Header, map_frame: str) -> None:
    """Raise :class:`FrameError` unless the message ``name`` is in the map frame."""
    if header.frame_id.lstrip("/") != map_frame:
        raise FrameError(
            f"{name}: expected header.frame_id {map_frame!r} (parameter map_frame), got "
            f"{header.frame_id!r}"
        )


def _same(first: CameraInfo, second: CameraInfo) -> bool:
    return (
        (first.width, first.height) == (second.width, second.height)
        and np.array_equal(first.k, second.k)
        and np.array_equal(first.d, second.d)
    )


def _named(info: CameraInfo) -> str:
    return f"{info.width} x {info.height}, f {info.k[0]:.1f}, c {info.k[2]:.1f} {info.k[5]:.1f}"

"""All cameras of a mapper: their topics and poses in, shots out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tf2_msgs.msg import TFMessage

from om3d_core.data.poses import Transform
from om3d_core.errors import Om3dError
from om3d_core.streams.assembler import StreamState
from om3d_core.streams.live_transforms import LiveTransforms
from om3d_ros.conversions import poses
from om3d_ros.conversions.images import Shot
from om3d_ros.conversions.stamps import stamp_ns
from om3d_ros.mapper_streams import Ready, Streams
from om3d_ros.node.settings import MapperNodeSettings


class Cameras:
    """The streams of each camera, by name, and what they share: tf and the pose of the robot.

    Its methods may be called from any thread. What it calls it calls outside of its lock: give
    with each shot, reject with the error of a message that cannot be used, correct with each jump
    of the localization. No two shots have one stamp: cameras that are triggered at once are told
    apart by nanoseconds.
    """

    def __init__(
        self,
        settings: MapperNodeSettings,
        give: Callable[[Shot], object],
        reject: Callable[[Exception], None],
        correct: Callable[[Transform], None],
        logger: Any,
    ):
        self._wait_s = settings.sync.wait_ns / 1e9
        self._give, self._reject, self._correct = give, reject, correct
        self._lock = threading.Lock()
        keep_ns = 2 * settings.sync.wait_ns + settings.pose.max_gap_ns
        self._transforms = LiveTransforms(settings.map_frame, settings.pose, keep_ns)
        self._streams = {
            name: Streams(settings, self._transforms, logger) for name in settings.camera_names
        }
        self._came_s = time.monotonic()
        self._settled = True

    @property
    def states(self) -> Mapping[str, StreamState]:
        """What came of each camera and what became of it."""
        with self._lock:
            return {name: streams.state for name, streams in self._streams.items()}

    @property
    def color_hz(self) -> Mapping[str, float]:
        """The rates of the color images."""
        return {name: streams.color_hz for name, streams in self._streams.items()}

    @property
    def jumps(self) -> int:
        """How often the time of the streams went back."""
        return sum(state.jumps for state in self.states.values())

    @property
    def lacks(self) -> str:
        """Which transform is lacking to tell poses, for people; empty if none."""
        with self._lock:
            lacks = [streams.poses.lacks for streams in self._streams.values()]
        return next(filter(None, lacks), "")

    def take_image(self, camera: str, channel: str, message: Any) -> None:
        """Take a message of one camera; see :meth:`Streams.add_image`."""
        self._add(camera, lambda streams: streams.add_image(channel, message))

    def take_pose(self, message: Any) -> None:
        """Take a message of the pose topic; one that is too uncertain is refused."""
        for camera in self._streams:
            self._add(camera, lambda streams: streams.add_pose(message))

    def take_transforms(self, message: TFMessage, fixed: bool) -> None:
        """Take the transforms of ``/tf``, or ``fixed`` ones of ``/tf_static``.

        Those that are none are refused, one by one.
        """
        for item in message.transforms:
            try:
                with self._lock:
                    jumped = self._transforms.add(
                        item.header.frame_id, item.child_frame_id, stamp_ns(item.header.stamp),
                        poses.of_transform(item.transform), fixed,
                    )
            except Om3dError as error:
                self._reject(error)
                continue
            if jumped:
                self._correct(self._transforms.corrections[-1])
        for camera in self._streams:
            self._add(camera, Streams.note_transforms)

    def settle(self) -> None:
        """To be called now and then: after silence, frames no longer wait for something better."""
        if self._settled or time.monotonic() - self._came_s < self._wait_s:
            return
        for camera in self._streams:
            self._add(camera, Streams.settle)
        self._settled = True

    def jump(self) -> None:
        """The clock went back: forget what waits for partners of an earlier time."""
        with self._lock:
            for streams in self._streams.values():
                streams.jump()

    def _add(self, camera: str, add: Callable[[Streams], Ready]) -> None:
        """Run ``add`` under the lock; pass on the shots it completes, or its error."""
        shots: list[Shot] = []
        errors: list[Om3dError] = []
        streams = self._streams[camera]
        with self._lock:
            self._came_s, self._settled = time.monotonic(), False
            try:
                ready = add(streams)
            except Om3dError as error:
                ready = []
                errors.append(error)
            for posed in ready:
                try:
                    shots.append(streams.shot(posed))
                except Om3dError as error:
                    errors.append(error)
        number = list(self._streams).index(camera)
        for shot in shots:
            self._give(shot._replace(stamp_ns=shot.stamp_ns + number))
        for refused in errors:
            self._reject(refused)
